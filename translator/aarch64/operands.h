// Operand functions: what a word's fields mean to its semantic function. Register operands become byte offsets into
// Cpu, so that register 31 is told apart here (SP, zero, sink) and never at run time.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"

namespace ferry::aarch64::operand {

constexpr u32 bits(u32 word, int low, int width) { return word >> low & ((1u << width) - 1); }
constexpr i64 signed_bits(u32 word, int low, int width) {
  return static_cast<i64>(static_cast<u64>(bits(word, low, width)) << (64 - width)) >> (64 - width);
}

// Slots of general register n where 31 is XZR: reads come from `zero`, writes go to `sink`.
constexpr u64 read_slot(u32 n) { return n == 31 ? offsetof(Cpu, zero) : offsetof(Cpu, x) + 8 * n; }
constexpr u64 write_slot(u32 n) { return n == 31 ? offsetof(Cpu, sink) : offsetof(Cpu, x) + 8 * n; }
// Where 31 is SP (which follows X30).
constexpr u64 sp_slot(u32 n) { return offsetof(Cpu, x) + 8 * n; }
static_assert(offsetof(Cpu, sp) == offsetof(Cpu, x) + 8 * 31);
constexpr u64 vector_slot(u32 n) { return offsetof(Cpu, vectors) + 16 * n; }

// General registers by their usual places: rd/rt 4:0, rn 9:5, ra/rt2 14:10, rm/rs 20:16.
constexpr u64 rd(u32 w, u64) { return write_slot(bits(w, 0, 5)); }
constexpr u64 rd_sp(u32 w, u64) { return sp_slot(bits(w, 0, 5)); }
constexpr u64 rd_read(u32 w, u64) { return read_slot(bits(w, 0, 5)); }
constexpr u64 rn(u32 w, u64) { return read_slot(bits(w, 5, 5)); }
constexpr u64 rn_sp(u32 w, u64) { return sp_slot(bits(w, 5, 5)); }
constexpr u64 rm(u32 w, u64) { return read_slot(bits(w, 16, 5)); }
constexpr u64 ra(u32 w, u64) { return read_slot(bits(w, 10, 5)); }
// Transfer registers of loads (written) and stores (read).
constexpr u64 rt(u32 w, u64) { return write_slot(bits(w, 0, 5)); }
constexpr u64 rt_read(u32 w, u64) { return read_slot(bits(w, 0, 5)); }
constexpr u64 rt2(u32 w, u64) { return write_slot(bits(w, 10, 5)); }
constexpr u64 rt2_read(u32 w, u64) { return read_slot(bits(w, 10, 5)); }
constexpr u64 rs(u32 w, u64) { return write_slot(bits(w, 16, 5)); }
constexpr u64 rs_read(u32 w, u64) { return read_slot(bits(w, 16, 5)); }

// Vector registers.
constexpr u64 vd(u32 w, u64) { return vector_slot(bits(w, 0, 5)); }
constexpr u64 vn(u32 w, u64) { return vector_slot(bits(w, 5, 5)); }
constexpr u64 vm(u32 w, u64) { return vector_slot(bits(w, 16, 5)); }
constexpr u64 va(u32 w, u64) { return vector_slot(bits(w, 10, 5)); }
constexpr u64 vt(u32 w, u64) { return vector_slot(bits(w, 0, 5)); }
constexpr u64 vt2(u32 w, u64) { return vector_slot(bits(w, 10, 5)); }

// The program counter.
constexpr u64 pc(u32, u64 pc) { return pc; }
constexpr u64 next_pc(u32, u64 pc) { return pc + 4; }
constexpr u64 word(u32 w, u64) { return w; }

// Branch targets: B/BL imm26, B.cond/CBZ/LDR-literal imm19, TBZ imm14.
constexpr u64 target26(u32 w, u64 pc) { return pc + static_cast<u64>(signed_bits(w, 0, 26) * 4); }
constexpr u64 target19(u32 w, u64 pc) { return pc + static_cast<u64>(signed_bits(w, 5, 19) * 4); }
constexpr u64 target14(u32 w, u64 pc) { return pc + static_cast<u64>(signed_bits(w, 5, 14) * 4); }

// X30, the link register.
constexpr u64 rt_link(u32, u64) { return write_slot(30); }
// TBZ/TBNZ: the number of the tested bit.
constexpr u64 tested_bit(u32 w, u64) { return bits(w, 31, 1) << 5 | bits(w, 19, 5); }

// ADD/SUB (immediate): imm12, shifted left by 12 where sh.
constexpr u64 imm12_sh(u32 w, u64) { return u64{bits(w, 10, 12)} << (bits(w, 22, 1) * 12); }

// LDR/STR (unsigned immediate): imm12 scaled by the access size in bits 31:30.
constexpr u64 scaled_imm12(u32 w, u64) { return u64{bits(w, 10, 12)} << bits(w, 30, 2); }

// Floating point. The upper halves of vector registers, as general ones.
constexpr u64 vd_top(u32 w, u64) { return vector_slot(bits(w, 0, 5)) + 8; }
constexpr u64 vn_top(u32 w, u64) { return vector_slot(bits(w, 5, 5)) + 8; }

// VFPExpandImm(): the bits of a single (ftype 0) or double from sign, NOT(exponent bit), exponent and fraction bits.
constexpr u64 expand_float_imm8(u32 imm8, bool is_double) {
  u64 sign = imm8 >> 7, exponent_high = imm8 >> 6 & 1, rest = imm8 & 0x3f;
  if (is_double) return sign << 63 | (exponent_high ? u64{0x3fc} : u64{0x400}) << 52 | rest << 48;
  return sign << 31 | (exponent_high ? u64{0x7c} : u64{0x80}) << 23 | rest << 19;
}
constexpr u64 float_imm8(u32 w, u64) { return expand_float_imm8(bits(w, 13, 8), bits(w, 22, 1)); }

// FCCMP: NZCV as the four bytes of Cpu::n, z, c, v.
constexpr u64 nzcv_bytes(u32 w, u64) { return bits(w, 3, 1) | bits(w, 2, 1) << 8 | bits(w, 1, 1) << 16 | bits(w, 0, 1) << 24; }
static_assert(offsetof(Cpu, v) == offsetof(Cpu, n) + 3);

// Fixed point: the number of fraction bits, and 2 to the minus that in the format of ftype (the bits of it).
constexpr u64 fraction_bits(u32 w, u64) { return 64 - bits(w, 10, 6); }
constexpr u64 float_power_of_two(i64 exponent, bool is_double) {
  return is_double ? static_cast<u64>(1023 + exponent) << 52 : static_cast<u64>(127 + exponent) << 23;
}
constexpr u64 fixed_to_float_factor(u32 w, u64) {
  return float_power_of_two(-static_cast<i64>(fraction_bits(w, 0)), bits(w, 22, 1));
}

}  // namespace ferry::aarch64::operand
