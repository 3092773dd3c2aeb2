// Operand functions of the Advanced SIMD sections. An element of a register is an operand whose slot lies in the register's.
#pragma once
#include "translator/aarch64/operands.h"

namespace ferry::aarch64::operand {

// The registers after vt in a list of structures; V0 follows V31.
constexpr u64 vt_1(u32 w, u64) { return vector_slot((bits(w, 0, 5) + 1) % 32); }
constexpr u64 vt_2(u32 w, u64) { return vector_slot((bits(w, 0, 5) + 2) % 32); }
constexpr u64 vt_3(u32 w, u64) { return vector_slot((bits(w, 0, 5) + 3) % 32); }

// Loads and stores. The access size of single registers is opc<1>:size, of pairs opc.
constexpr u64 scaled_imm12_simd(u32 w, u64) { return u64{bits(w, 10, 12)} << (bits(w, 23, 1) << 2 | bits(w, 30, 2)); }
constexpr u64 scaled_imm7_simd(u32 w, u64) { return static_cast<u64>(signed_bits(w, 15, 7) * (4 << bits(w, 30, 2))); }

// Load/store single structure: one element, its index in the upper bits of Q:S:size, its size in opcode<2:1> (and size<0>
// for doublewords).
constexpr u64 structure_element(u32 w, u32 n) {
  u32 scale = bits(w, 14, 2);
  if (scale == 2) scale += bits(w, 10, 1);
  u32 index = (bits(w, 30, 1) << 3 | bits(w, 10, 3)) >> scale;
  return vector_slot((bits(w, 0, 5) + n) % 32) + (u64{index} << scale);
}
constexpr u64 element(u32 w, u64) { return structure_element(w, 0); }
constexpr u64 element_1(u32 w, u64) { return structure_element(w, 1); }
constexpr u64 element_2(u32 w, u64) { return structure_element(w, 2); }
constexpr u64 element_3(u32 w, u64) { return structure_element(w, 3); }

// Table lookups: the registers after vn.
constexpr u64 vn_1(u32 w, u64) { return vector_slot((bits(w, 5, 5) + 1) % 32); }
constexpr u64 vn_2(u32 w, u64) { return vector_slot((bits(w, 5, 5) + 2) % 32); }
constexpr u64 vn_3(u32 w, u64) { return vector_slot((bits(w, 5, 5) + 3) % 32); }

// Copies: imm5 is index:1:zeros, the zeros' number being the element's size.
constexpr int imm5_scale(u32 w) { return __builtin_ctz(bits(w, 16, 4) | 8); }
constexpr u64 vn_element(u32 w, u64) {
  int scale = imm5_scale(w);
  return vector_slot(bits(w, 5, 5)) + (u64{bits(w, 16, 5)} >> (scale + 1) << scale);
}
// INS (element): the source's index is in imm4.
constexpr u64 vn_element_imm4(u32 w, u64) {
  int scale = imm5_scale(w);
  return vector_slot(bits(w, 5, 5)) + (bits(w, 11, 4) >> scale << scale);
}

// By element: index H:L:M of halfwords in V0..V15, H:L of words.
constexpr u64 vm_element(u32 w, u64) {
  u32 h = bits(w, 11, 1), l = bits(w, 21, 1), m = bits(w, 20, 1);
  if (bits(w, 22, 2) == 1) return vector_slot(bits(w, 16, 4)) + 2 * (h << 2 | l << 1 | m);
  return vector_slot(bits(w, 16, 5)) + 4 * (h << 1 | l);
}

// Shifts by immediate: immh:immb is the amount above the element's bits, or below twice the bits. The right shift is given less 1,
// which is below the element's bits for all amounts.
constexpr u32 shift_element_bits(u32 w) { return 8u << (31 - __builtin_clz(bits(w, 19, 4) | 1)); }
constexpr u64 left_shift(u32 w, u64) { return bits(w, 16, 7) - shift_element_bits(w); }
// Signed lanes may as well be shifted by one less than their bits as by all of them.
constexpr u64 right_shift_signed(u32 w, u64) {
  u64 amount = 2 * shift_element_bits(w) - bits(w, 16, 7);
  return amount == shift_element_bits(w) ? amount - 1 : amount;
}
constexpr u64 right_shift_less_1(u32 w, u64) { return 2 * shift_element_bits(w) - bits(w, 16, 7) - 1; }

// AdvSIMDExpandImm(), and its inverse for MVNI and BIC.
constexpr u64 vector_immediate(u32 w, u64) {
  u32 cmode = bits(w, 12, 4), op = bits(w, 29, 1);
  u64 imm8 = bits(w, 16, 3) << 5 | bits(w, 5, 5), result = 0;
  if (cmode < 8) {
    result = (imm8 << (cmode >> 1) * 8) * 0x0000000100000001;
  } else if (cmode < 12) {
    result = (imm8 << (cmode >> 1 & 1) * 8) * 0x0001000100010001;
  } else if (cmode < 14) {
    result = (cmode == 12 ? imm8 << 8 | 0xff : imm8 << 16 | 0xffff) * 0x0000000100000001;
  } else if (cmode == 14 && op == 0) {
    result = imm8 * 0x0101010101010101;
  } else if (cmode == 14) {
    for (int i = 0; i < 8; i++) result |= (imm8 >> i & 1) * u64{0xff} << i * 8;
  } else {
    result = expand_float_imm8(static_cast<u32>(imm8), op == 1) * (op == 1 ? 1 : 0x0000000100000001);
  }
  return op == 1 && cmode < 14 ? ~result : result;
}

}  // namespace ferry::aarch64::operand
