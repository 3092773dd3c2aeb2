// Out-of-line floating point for stencils and regions: NaN choice after an x86 instruction produced a NaN, conversions
// that saturate, estimates, and half precision. DDI 0487 J1.3 (shared/functions/float). They run under the guest's rounding
// mode and raise the guest's flags; nothing here locks or allocates.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"
#include "translator/aarch64/fp_control.h"
#include "translator/aarch64/helpers.h"

namespace ferry::aarch64 {

// 16 bytes of lanes, as both hosts pass them in a vector register. Scalars are lane 0; what is above is ignored.
typedef u64 FloatLanes __attribute__((vector_size(16)));

enum class Rounding : u32 { nearest_even, plus_infinity, minus_infinity, zero, nearest_away, odd };

// How ferry_a64_to_integer_* converts.
struct IntegerConversion {
  u32 value;
  static constexpr IntegerConversion of(Rounding rounding, bool is_unsigned, bool is_64) {
    return {static_cast<u32>(rounding) | (is_unsigned ? 8u : 0u) | (is_64 ? 16u : 0u)};
  }
  constexpr Rounding rounding() const { return static_cast<Rounding>(value & 7); }
  constexpr bool is_unsigned() const { return (value & 8) != 0; }
  constexpr bool is_64() const { return (value & 16) != 0; }
};

// Which of the four minima and maxima: bit 0 is the minimum, bit 1 prefers numbers to quiet NaNs.
inline constexpr u32 select_minimum = 1, select_number = 2;

}  // namespace ferry::aarch64

extern "C" {
// FPProcessNaNs() for every lane of `result` that is a NaN; the default NaN where neither operand is one.
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_nans_2_s(ferry::aarch64::Cpu* cpu,
                                                                    ferry::aarch64::FloatLanes a,
                                                                    ferry::aarch64::FloatLanes b,
                                                                    ferry::aarch64::FloatLanes result);
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_nans_2_d(ferry::aarch64::Cpu* cpu,
                                                                    ferry::aarch64::FloatLanes a,
                                                                    ferry::aarch64::FloatLanes b,
                                                                    ferry::aarch64::FloatLanes result);
// FPProcessNaNs3() of addend + a * b, with "infinity times zero plus quiet NaN" invalid.
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_nans_3_s(ferry::aarch64::Cpu* cpu,
                                                                    ferry::aarch64::FloatLanes addend,
                                                                    ferry::aarch64::FloatLanes a,
                                                                    ferry::aarch64::FloatLanes b,
                                                                    ferry::aarch64::FloatLanes result);
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_nans_3_d(ferry::aarch64::Cpu* cpu,
                                                                    ferry::aarch64::FloatLanes addend,
                                                                    ferry::aarch64::FloatLanes a,
                                                                    ferry::aarch64::FloatLanes b,
                                                                    ferry::aarch64::FloatLanes result);
// FPMax(), FPMin(), FPMaxNum(), FPMinNum() of every lane; `select` as above.
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_min_max_s(ferry::aarch64::Cpu* cpu,
                                                                     ferry::aarch64::FloatLanes a,
                                                                     ferry::aarch64::FloatLanes b, ferry::u32 select);
FERRY_KEEPS_REGISTERS ferry::aarch64::FloatLanes ferry_a64_min_max_d(ferry::aarch64::Cpu* cpu,
                                                                     ferry::aarch64::FloatLanes a,
                                                                     ferry::aarch64::FloatLanes b, ferry::u32 select);
// FPToFixed(): `bits` is the number's representation, `conversion` an IntegerConversion's value.
ferry::u64 ferry_a64_to_integer_s(ferry::aarch64::Cpu* cpu, ferry::u64 bits, ferry::u32 conversion,
                                  ferry::u64 fraction_bits);
ferry::u64 ferry_a64_to_integer_d(ferry::aarch64::Cpu* cpu, ferry::u64 bits, ferry::u32 conversion,
                                  ferry::u64 fraction_bits);
// The same for the lanes of the low `bytes` bytes; the rest becomes zero.
ferry::aarch64::FloatLanes ferry_a64_to_integers_s(ferry::aarch64::Cpu* cpu, ferry::aarch64::FloatLanes a,
                                                   ferry::u32 conversion, ferry::u64 fraction_bits, ferry::u32 bytes);
ferry::aarch64::FloatLanes ferry_a64_to_integers_d(ferry::aarch64::Cpu* cpu, ferry::aarch64::FloatLanes a,
                                                   ferry::u32 conversion, ferry::u64 fraction_bits, ferry::u32 bytes);
// FPConvert() to and from half precision, and FCVTXN's rounding to odd.
ferry::u64 ferry_a64_single_to_half(ferry::aarch64::Cpu* cpu, ferry::u64 bits);
ferry::u64 ferry_a64_double_to_half(ferry::aarch64::Cpu* cpu, ferry::u64 bits);
ferry::u64 ferry_a64_half_to_single(ferry::aarch64::Cpu* cpu, ferry::u64 bits);
ferry::u64 ferry_a64_half_to_double(ferry::aarch64::Cpu* cpu, ferry::u64 bits);
ferry::u64 ferry_a64_double_to_single_odd(ferry::aarch64::Cpu* cpu, ferry::u64 bits);
// Four at once.
ferry::u64 ferry_a64_singles_to_halves(ferry::aarch64::Cpu* cpu, ferry::aarch64::FloatLanes a);
ferry::aarch64::FloatLanes ferry_a64_halves_to_singles(ferry::aarch64::Cpu* cpu, ferry::u64 a);

// The following work on the lanes of the low `bytes` bytes; the rest becomes zero.
// FPRecipEstimate(), FPRSqrtEstimate(), FPRecpX(); UnsignedRecipEstimate(), UnsignedRSqrtEstimate().
#define FERRY_LANES_1(name) \
  ferry::aarch64::FloatLanes name(ferry::aarch64::Cpu* cpu, ferry::aarch64::FloatLanes a, ferry::u32 bytes);
FERRY_LANES_1(ferry_a64_reciprocal_estimate_s)
FERRY_LANES_1(ferry_a64_reciprocal_estimate_d)
FERRY_LANES_1(ferry_a64_root_estimate_s)
FERRY_LANES_1(ferry_a64_root_estimate_d)
FERRY_LANES_1(ferry_a64_reciprocal_exponent_s)
FERRY_LANES_1(ferry_a64_reciprocal_exponent_d)
FERRY_LANES_1(ferry_a64_unsigned_reciprocal_estimate)
FERRY_LANES_1(ferry_a64_unsigned_root_estimate)
#undef FERRY_LANES_1
// FPMulX(), FPRecipStepFused(), FPRSqrtStepFused().
#define FERRY_LANES_2(name)                                                               \
  ferry::aarch64::FloatLanes name(ferry::aarch64::Cpu* cpu, ferry::aarch64::FloatLanes a, \
                                  ferry::aarch64::FloatLanes b, ferry::u32 bytes);
FERRY_LANES_2(ferry_a64_multiply_extended_s)
FERRY_LANES_2(ferry_a64_multiply_extended_d)
FERRY_LANES_2(ferry_a64_reciprocal_step_s)
FERRY_LANES_2(ferry_a64_reciprocal_step_d)
FERRY_LANES_2(ferry_a64_root_step_s)
FERRY_LANES_2(ferry_a64_root_step_d)
#undef FERRY_LANES_2
}
