// Operand functions: what a word's fields mean to its semantic function. Register operands become byte offsets into
// Cpu, so that register 31 is told apart here (SP, zero, sink) and never at run time.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"
#include "translator/aarch64/features.h"

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
// TBZ/TBNZ: the 32-bit half of rt that has the tested bit, and the bit in it.
constexpr u64 tested_mask(u32 w, u64) { return u64{1} << bits(w, 19, 5); }

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

// CCMP, FCCMP: NZCV as the four bytes of Cpu::n, z, c, v.
constexpr u64 nzcv_bytes(u32 w, u64) {
  return bits(w, 3, 1) | bits(w, 2, 1) << 8 | bits(w, 1, 1) << 16 | bits(w, 0, 1) << 24;
}
static_assert(offsetof(Cpu, v) == offsetof(Cpu, n) + 3);

// Fixed point: the number of fraction bits, and 2 to the minus that in the format of ftype (the bits of it).
constexpr u64 fraction_bits(u32 w, u64) { return 64 - bits(w, 10, 6); }
constexpr u64 float_power_of_two(i64 exponent, bool is_double) {
  return is_double ? static_cast<u64>(1023 + exponent) << 52 : static_cast<u64>(127 + exponent) << 23;
}
constexpr u64 fixed_to_float_factor(u32 w, u64) {
  return float_power_of_two(-static_cast<i64>(fraction_bits(w, 0)), bits(w, 22, 1));
}
// The same in the vector encodings, from immh:immb.
constexpr u64 vector_fraction_bits(u32 w, u64) { return (bits(w, 22, 1) ? 128 : 64) - bits(w, 16, 7); }
constexpr u64 vector_fixed_to_float_factor(u32 w, u64) {
  return float_power_of_two(-static_cast<i64>(vector_fraction_bits(w, 0)), bits(w, 22, 1));
}

// By element: the slot of the element itself. Index h:l of singles, h of doubles.
constexpr u64 vm_float_element(u32 w, u64) {
  u64 h = bits(w, 11, 1), l = bits(w, 21, 1);
  return vm(w, 0) + (bits(w, 22, 1) ? h * 8 : (h << 1 | l) * 4);
}

// Unscaled and indexed: a signed imm9. Pairs: a signed imm7 scaled by the register's size (4 for LDPSW, whose bit 31 is 0).
constexpr u64 simm9(u32 w, u64) { return static_cast<u64>(signed_bits(w, 12, 9)); }
constexpr u64 pair_offset(u32 w, u64) { return static_cast<u64>(signed_bits(w, 15, 7)) << (2 + bits(w, 31, 1)); }

// CASP's pairs: the register after an even rs or rt.
constexpr u64 rs_next(u32 w, u64) { return write_slot(bits(w, 16, 5) + 1); }
constexpr u64 rs_next_read(u32 w, u64) { return read_slot(bits(w, 16, 5) + 1); }
constexpr u64 rt_next_read(u32 w, u64) { return read_slot(bits(w, 0, 5) + 1); }

// Words that an operand function has no meaning for are unallocated: decode() refuses them. Null: every word will do.
using Function = u64 (*)(u32, u64);
using Condition = bool (*)(u32);
template <Function>
inline constexpr Condition allows = nullptr;

constexpr u64 ones(int count) { return count == 64 ? ~u64{0} : (u64{1} << count) - 1; }
constexpr int register_bits(u32 w) { return bits(w, 31, 1) != 0 ? 64 : 32; }
constexpr u64 width_mask(u32 w) { return ones(register_bits(w)); }

// Shifted registers: imm6, which must be less than the register's width.
constexpr u64 shift_amount(u32 w, u64) { return bits(w, 10, 6); }
constexpr bool shift_amount_allowed(u32 w) { return bits(w, 31, 1) != 0 || bits(w, 15, 1) == 0; }
template <>
inline constexpr Condition allows<shift_amount> = shift_amount_allowed;

// Extended registers: a left shift by 0 to 4.
constexpr u64 extend_shift(u32 w, u64) { return bits(w, 10, 3); }
constexpr bool extend_shift_allowed(u32 w) { return bits(w, 10, 3) <= 4; }
template <>
inline constexpr Condition allows<extend_shift> = extend_shift_allowed;

// Logical immediates: DecodeBitMasks() of N:immr:imms. A run of imms+1 ones in an element of 2 to 64 bits, rotated, replicated.
constexpr int bitmask_element_log2(u32 w) { return 31 - __builtin_clz((bits(w, 22, 1) << 6 | (~w >> 10 & 63)) | 1); }
constexpr u64 bitmask(u32 w, u64) {
  int size = 1 << bitmask_element_log2(w);
  int run = static_cast<int>(bits(w, 10, 6)) & (size - 1), rotation = static_cast<int>(bits(w, 16, 6)) & (size - 1);
  u64 element = ones(run + 1);
  if (rotation != 0) element = (element >> rotation | element << (size - rotation)) & ones(size);
  for (; size < 64; size *= 2) element |= element << size;
  return element & width_mask(w);
}
constexpr bool bitmask_allowed(u32 w) {
  u32 size_mask = (1u << bitmask_element_log2(w)) - 1;
  if (bits(w, 31, 1) == 0 && bits(w, 22, 1) != 0) return false;
  return size_mask != 0 && (bits(w, 10, 6) & size_mask) != size_mask;
}
template <>
inline constexpr Condition allows<bitmask> = bitmask_allowed;

// Move wide: imm16 << 16 * hw, its inverse, and bare.
constexpr u64 imm16(u32 w, u64) { return bits(w, 5, 16); }
constexpr u64 shifted_imm16(u32 w, u64) { return u64{bits(w, 5, 16)} << (16 * bits(w, 21, 2)); }
constexpr u64 inverted_imm16(u32 w, u64 pc) { return ~shifted_imm16(w, pc) & width_mask(w); }

// ADR and ADRP.
constexpr i64 adr_offset(u32 w) { return signed_bits(w, 5, 19) * 4 + bits(w, 29, 2); }
constexpr u64 adr_target(u32 w, u64 pc) { return pc + static_cast<u64>(adr_offset(w)); }
constexpr u64 adrp_target(u32 w, u64 pc) { return (pc & ~u64{4095}) + (static_cast<u64>(adr_offset(w)) << 12); }

// Bitfields: the field is (x << left) >> right; BFM instead rotates right by immr and inserts under a mask.
constexpr u64 immr(u32 w, u64) { return bits(w, 16, 6); }
constexpr bool bitfield_allowed(u32 w) {
  return bits(w, 31, 1) == bits(w, 22, 1) && (bits(w, 31, 1) != 0 || (bits(w, 21, 1) | bits(w, 15, 1)) == 0);
}
constexpr u64 field_left(u32 w, u64) { return static_cast<u64>(register_bits(w) - 1) - bits(w, 10, 6); }
constexpr u64 field_right(u32 w, u64 pc) {
  u32 imms = bits(w, 10, 6), immr = bits(w, 16, 6);
  return imms >= immr ? field_left(w, pc) + immr : immr - imms - 1;
}
constexpr u64 field_rotation(u32 w, u64) { return bits(w, 16, 6); }
constexpr u64 field_mask(u32 w, u64) {
  u32 imms = bits(w, 10, 6), immr = bits(w, 16, 6);
  if (imms >= immr) return ones(static_cast<int>(imms - immr + 1));
  return ones(static_cast<int>(imms + 1)) << (static_cast<u32>(register_bits(w)) - immr) & width_mask(w);
}
template <>
inline constexpr Condition allows<field_left> = bitfield_allowed;
template <>
inline constexpr Condition allows<field_mask> = bitfield_allowed;

// EXTR: lsb, and what is left of the register's width after one more shift by 1.
constexpr u64 extract_lsb(u32 w, u64) { return bits(w, 10, 6); }
constexpr u64 extract_rest(u32 w, u64) { return static_cast<u64>(register_bits(w) - 1) - bits(w, 10, 6); }
template <>
inline constexpr Condition allows<extract_lsb> = bitfield_allowed;

// CCMP and CCMN (nzcv_bytes is above).
constexpr u64 imm5(u32 w, u64) { return bits(w, 16, 5); }

// MRS of an identification register.
constexpr u64 id_register(u32 w, u64) { return id_register_value(bits(w, 8, 4), bits(w, 5, 3)); }
constexpr bool id_register_allowed(u32 w) { return id_register_emulated(bits(w, 8, 4), bits(w, 5, 3)); }
template <>
inline constexpr Condition allows<id_register> = id_register_allowed;

}  // namespace ferry::aarch64::operand
