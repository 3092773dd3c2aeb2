// Floating point out of line: DDI 0487 J1.3, shared/functions/float. Everything works on representations, so that NaNs
// and flags are exact on either host; only the fused steps at the end compute with the host's instructions.
#include "translator/aarch64/helpers_float.h"

#include <bit>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#pragma STDC FENV_ACCESS ON
#pragma STDC FP_CONTRACT OFF

namespace ferry::aarch64 {
namespace {

constexpr u32 invalid = fpsr_ioc, divide_by_zero = fpsr_dzc, overflow = fpsr_ofc, underflow = fpsr_ufc,
              inexact = fpsr_ixc;

// Raises flags where the guest's are kept while translated code runs: in the host's.
void raise(u32 flags) {
#if defined(__x86_64__)
  u32 host = (flags & invalid) | (flags & ~invalid) << 1;  // MXCSR has the denormal flag at bit 1
  if ((_mm_getcsr() & host) != host) _mm_setcsr(_mm_getcsr() | host);
#else
  u64 fpsr;
  asm volatile("mrs %0, fpsr" : "=r"(fpsr));
  asm volatile("msr fpsr, %0" ::"r"(fpsr | flags));
#endif
}

struct Single {
  using Bits = u32;
  using Scalar = float;
  typedef u32 Lanes __attribute__((vector_size(16)));
  static constexpr int fraction_bits = 23, exponent_bits = 8;
};
struct Double {
  using Bits = u64;
  using Scalar = double;
  typedef u64 Lanes __attribute__((vector_size(16)));
  static constexpr int fraction_bits = 52, exponent_bits = 11;
};
struct Half {
  using Bits = u16;
  static constexpr int fraction_bits = 10, exponent_bits = 5;
};

// A representation taken apart.
template <class F>
struct Parts {
  using Bits = typename F::Bits;
  static constexpr int width = sizeof(Bits) * 8;
  static constexpr u64 exponent_mask = (u64{1} << F::exponent_bits) - 1;
  static constexpr u64 fraction_mask = (u64{1} << F::fraction_bits) - 1;
  static constexpr u64 sign_mask = u64{1} << (width - 1);
  static constexpr u64 quiet_mask = u64{1} << (F::fraction_bits - 1);
  static constexpr u64 infinity = exponent_mask << F::fraction_bits;
  static constexpr u64 default_nan = infinity | quiet_mask;
  static constexpr int bias = (1 << (F::exponent_bits - 1)) - 1;

  u64 bits;

  u64 sign() const { return bits & sign_mask; }
  u64 exponent() const { return bits >> F::fraction_bits & exponent_mask; }
  u64 fraction() const { return bits & fraction_mask; }
  u64 magnitude() const { return bits & ~sign_mask; }
  bool is_nan() const { return magnitude() > infinity; }
  bool is_signaling() const { return is_nan() && (bits & quiet_mask) == 0; }
  bool is_quiet() const { return is_nan() && (bits & quiet_mask) != 0; }
  bool is_infinity() const { return magnitude() == infinity; }
  bool is_zero() const { return magnitude() == 0; }
  bool is_subnormal() const { return exponent() == 0 && fraction() != 0; }
};

// IDC has no counterpart in x86-64's sticky flags.
void raise_input_denormal([[maybe_unused]] Cpu& cpu) {
#if defined(__x86_64__)
  cpu.fpsr |= fpsr_idc;
#else
  raise(fpsr_idc);
#endif
}

// FPUnpack()'s flushing of inputs.
template <class F>
Parts<F> flushed(Cpu& cpu, u64 bits) {
  Parts<F> parts{bits};
  if ((cpu.fpcr & fpcr_fz) == 0 || !parts.is_subnormal()) return parts;
  raise_input_denormal(cpu);
  return {parts.sign()};
}

template <class F>
u64 quieted(Cpu& cpu, Parts<F> nan) {
  return (cpu.fpcr & fpcr_dn) != 0 ? Parts<F>::default_nan : nan.bits | Parts<F>::quiet_mask;
}

// FPProcessNaN(), which unlike quieted() raises.
template <class F>
u64 process_nan(Cpu& cpu, Parts<F> nan) {
  if (nan.is_signaling()) raise(invalid);
  return quieted<F>(cpu, nan);
}

template <class F>
u64 chosen_nan(Cpu& cpu, Parts<F> a, Parts<F> b) {
  if (a.is_signaling()) return quieted<F>(cpu, a);
  if (b.is_signaling()) return quieted<F>(cpu, b);
  if (a.is_nan()) return quieted<F>(cpu, a);
  if (b.is_nan()) return quieted<F>(cpu, b);
  return Parts<F>::default_nan;
}

template <class F>
FloatLanes nans_2(Cpu& cpu, FloatLanes a, FloatLanes b, FloatLanes result) {
  using Lanes = typename F::Lanes;
  Lanes as = std::bit_cast<Lanes>(a), bs = std::bit_cast<Lanes>(b), results = std::bit_cast<Lanes>(result);
  for (unsigned i = 0; i < 16 / sizeof(typename F::Bits); i++) {
    if (!Parts<F>{results[i]}.is_nan()) continue;
    results[i] = static_cast<typename F::Bits>(chosen_nan<F>(cpu, {as[i]}, {bs[i]}));
  }
  return std::bit_cast<FloatLanes>(results);
}

template <class F>
u64 chosen_nan_3(Cpu& cpu, Parts<F> addend, Parts<F> a, Parts<F> b) {
  bool is_invalid_product =
      (a.is_infinity() && flushed<F>(cpu, b.bits).is_zero()) || (flushed<F>(cpu, a.bits).is_zero() && b.is_infinity());
  if (addend.is_quiet() && is_invalid_product) {
    raise(invalid);  // x86 need not have
    return Parts<F>::default_nan;
  }
  if (addend.is_signaling()) return quieted<F>(cpu, addend);
  if (a.is_signaling() || b.is_signaling() || !addend.is_nan()) return chosen_nan<F>(cpu, a, b);
  return quieted<F>(cpu, addend);
}

template <class F>
FloatLanes nans_3(Cpu& cpu, FloatLanes addend, FloatLanes a, FloatLanes b, FloatLanes result) {
  using Lanes = typename F::Lanes;
  Lanes addends = std::bit_cast<Lanes>(addend), as = std::bit_cast<Lanes>(a), bs = std::bit_cast<Lanes>(b);
  Lanes results = std::bit_cast<Lanes>(result);
  for (unsigned i = 0; i < 16 / sizeof(typename F::Bits); i++) {
    if (!Parts<F>{results[i]}.is_nan()) continue;
    results[i] = static_cast<typename F::Bits>(chosen_nan_3<F>(cpu, {addends[i]}, {as[i]}, {bs[i]}));
  }
  return std::bit_cast<FloatLanes>(results);
}

// Representations order as signed magnitudes.
template <class F>
i64 order(Parts<F> a) {
  i64 magnitude = static_cast<i64>(a.magnitude());
  return a.sign() != 0 ? -magnitude - 1 : magnitude;
}

template <class F>
u64 min_max(Cpu& cpu, Parts<F> a, Parts<F> b, u32 select) {
  u64 replacement = Parts<F>::infinity | ((select & select_minimum) != 0 ? 0 : Parts<F>::sign_mask);
  if ((select & select_number) != 0 && a.is_quiet() != b.is_quiet()) {
    if (a.is_quiet())
      a.bits = replacement;
    else
      b.bits = replacement;
  }
  if (a.is_nan() || b.is_nan()) {
    if (a.is_signaling() || b.is_signaling()) raise(invalid);
    return chosen_nan<F>(cpu, a, b);
  }
  bool a_is_less = order(a) < order(b);
  return a_is_less == ((select & select_minimum) != 0) ? a.bits : b.bits;
}

template <class F>
FloatLanes min_max_lanes(Cpu& cpu, FloatLanes a, FloatLanes b, u32 select) {
  using Lanes = typename F::Lanes;
  Lanes as = std::bit_cast<Lanes>(a), bs = std::bit_cast<Lanes>(b), results{};
  for (unsigned i = 0; i < 16 / sizeof(typename F::Bits); i++) {
    results[i] = static_cast<typename F::Bits>(min_max<F>(cpu, flushed<F>(cpu, as[i]), flushed<F>(cpu, bs[i]), select));
  }
  return std::bit_cast<FloatLanes>(results);
}

// A nonzero finite number as mantissa * 2^exponent.
struct Number {
  u64 mantissa;
  int exponent;
};

template <class F>
Number number_of(Parts<F> parts) {
  int exponent = static_cast<int>(parts.exponent());
  if (exponent == 0) return {parts.fraction(), 1 - Parts<F>::bias - F::fraction_bits};
  return {parts.fraction() | u64{1} << F::fraction_bits, exponent - Parts<F>::bias - F::fraction_bits};
}

// What a shift to the right cuts off, against half of the last place that stays.
enum class Lost { nothing, less_than_half, half, more_than_half };

Lost lost_by_shift(u64 mantissa, int shift) {
  if (shift <= 0 || mantissa == 0) return Lost::nothing;
  if (shift > 64) return Lost::less_than_half;
  u64 lost = shift == 64 ? mantissa : mantissa & ((u64{1} << shift) - 1);
  u64 half = u64{1} << (shift - 1);
  if (lost == 0) return Lost::nothing;
  return lost < half ? Lost::less_than_half : lost == half ? Lost::half : Lost::more_than_half;
}

bool rounds_away_from_zero(Rounding rounding, bool is_negative, bool is_odd, Lost lost) {
  switch (rounding) {
    case Rounding::nearest_even:
      return lost == Lost::more_than_half || (lost == Lost::half && is_odd);
    case Rounding::nearest_away:
      return lost >= Lost::half;
    case Rounding::plus_infinity:
      return lost != Lost::nothing && !is_negative;
    case Rounding::minus_infinity:
      return lost != Lost::nothing && is_negative;
    case Rounding::zero:
    case Rounding::odd:
      return false;
  }
  return false;
}

// FPCR.RMode.
Rounding current_rounding(Cpu& cpu) { return static_cast<Rounding>(cpu.fpcr >> 22 & 3); }

// FPToFixed(), with saturation.
template <class F>
u64 to_integer(Cpu& cpu, u64 bits, IntegerConversion conversion, int fraction_bits) {
  Parts<F> parts = flushed<F>(cpu, bits);
  if (parts.is_nan()) {
    raise(invalid);
    return 0;
  }
  if (parts.is_zero()) return 0;
  bool is_negative = parts.sign() != 0;
  int width = conversion.is_64() ? 64 : 32;
  u128 limit = conversion.is_unsigned() ? (is_negative ? 0 : (u128{1} << width) - 1)
                                        : (u128{1} << (width - 1)) - (is_negative ? 0 : 1);
  Number number = number_of(parts);
  int exponent = number.exponent + fraction_bits;
  u128 magnitude;
  Lost lost = Lost::nothing;
  if (parts.is_infinity() || exponent > 64) {
    magnitude = limit + 1;
  } else if (exponent >= 0) {
    magnitude = u128{number.mantissa} << exponent;
  } else {
    lost = lost_by_shift(number.mantissa, -exponent);
    magnitude = -exponent > 63 ? 0 : number.mantissa >> -exponent;
    if (rounds_away_from_zero(conversion.rounding(), is_negative, (magnitude & 1) != 0, lost)) magnitude++;
  }
  if (magnitude > limit) {
    raise(invalid);
    magnitude = limit;
  } else if (lost != Lost::nothing) {
    raise(inexact);
  }
  u64 result = static_cast<u64>(is_negative ? -magnitude : magnitude);
  return conversion.is_64() ? result : static_cast<u32>(result);
}

template <class F>
FloatLanes to_integers(Cpu& cpu, FloatLanes a, IntegerConversion conversion, int fraction_bits, u32 bytes) {
  using Lanes = typename F::Lanes;
  Lanes as = std::bit_cast<Lanes>(a), results{};
  for (unsigned i = 0; i < bytes / sizeof(typename F::Bits); i++) {
    results[i] = static_cast<typename F::Bits>(to_integer<F>(cpu, as[i], conversion, fraction_bits));
  }
  return std::bit_cast<FloatLanes>(results);
}

// FPRoundBase() into a narrower format. `flushes`: results that would be subnormal become zero. `alternative`: AHP.
template <class F>
u64 rounded(u64 sign, Number number, Rounding rounding, bool flushes, bool alternative) {
  int top = 63 - std::countl_zero(number.mantissa);
  int exponent = number.exponent + top + Parts<F>::bias;  // biased, unless subnormal
  bool is_tiny = exponent < 1;
  if (is_tiny && flushes) {
    raise(underflow);
    return sign;
  }
  int shift = top - F::fraction_bits + (is_tiny ? 1 - exponent : 0);
  Lost lost = lost_by_shift(number.mantissa, shift);
  u64 fraction = shift > 63 ? 0 : shift >= 0 ? number.mantissa >> shift : number.mantissa << -shift;
  if (rounding == Rounding::odd && lost != Lost::nothing) fraction |= 1;
  if (rounds_away_from_zero(rounding, sign != 0, (fraction & 1) != 0, lost)) fraction++;
  // The hidden bit counts into the exponent: a carry out of the fraction does the right thing.
  u64 magnitude = fraction + (is_tiny ? 0 : static_cast<u64>(exponent - 1) << F::fraction_bits);
  if (is_tiny && lost != Lost::nothing) raise(underflow);
  if (alternative) {
    constexpr u64 largest = Parts<F>::sign_mask - 1;
    if (magnitude > largest) {
      raise(invalid);
      return sign | largest;
    }
  } else if (magnitude >= Parts<F>::infinity) {
    raise(overflow | inexact);
    bool to_infinity = rounding == Rounding::nearest_even || (rounding == Rounding::plus_infinity && sign == 0) ||
                       (rounding == Rounding::minus_infinity && sign != 0);
    return sign | (Parts<F>::infinity - (to_infinity ? 0 : 1));
  }
  if (lost != Lost::nothing) raise(inexact);
  return sign | magnitude;
}

// FPConvertNaN(): the payload's upper bits stay.
template <class To, class From>
u64 converted_nan(Cpu& cpu, Parts<From> nan) {
  if (nan.is_signaling()) raise(invalid);
  if ((cpu.fpcr & fpcr_dn) != 0) return Parts<To>::default_nan;
  u64 sign = nan.sign() != 0 ? Parts<To>::sign_mask : 0;
  constexpr int narrower = From::fraction_bits - To::fraction_bits;
  u64 payload;
  if constexpr (narrower >= 0)
    payload = nan.fraction() >> narrower;
  else
    payload = nan.fraction() << -narrower;
  return sign | Parts<To>::default_nan | payload;
}

template <class From>
u64 to_half(Cpu& cpu, u64 bits) {
  bool alternative = (cpu.fpcr & fpcr_ahp) != 0;
  Parts<From> from = flushed<From>(cpu, bits);
  u64 sign = from.sign() != 0 ? Parts<Half>::sign_mask : 0;
  if (from.is_nan()) {
    if (!alternative) return converted_nan<Half>(cpu, from);
    raise(invalid);
    return sign;
  }
  if (from.is_infinity()) {
    if (!alternative) return sign | Parts<Half>::infinity;
    raise(invalid);
    return sign | (Parts<Half>::sign_mask - 1);
  }
  if (from.is_zero()) return sign;
  return rounded<Half>(sign, number_of(from), current_rounding(cpu), false, alternative);
}

template <class To>
u64 from_half(Cpu& cpu, u64 bits) {
  bool alternative = (cpu.fpcr & fpcr_ahp) != 0;
  Parts<Half> from{bits};
  u64 sign = from.sign() != 0 ? Parts<To>::sign_mask : 0;
  if (!alternative && from.is_nan()) return converted_nan<To>(cpu, from);
  if (!alternative && from.is_infinity()) return sign | Parts<To>::infinity;
  if (from.is_zero()) return sign;
  return rounded<To>(sign, number_of(from), Rounding::nearest_even, false, false);
}

u64 double_to_single_odd(Cpu& cpu, u64 bits) {
  Parts<Double> from = flushed<Double>(cpu, bits);
  u64 sign = from.sign() != 0 ? Parts<Single>::sign_mask : 0;
  if (from.is_nan()) return converted_nan<Single>(cpu, from);
  if (from.is_infinity()) return sign | Parts<Single>::infinity;
  if (from.is_zero()) return sign;
  return rounded<Single>(sign, number_of(from), Rounding::odd, (cpu.fpcr & fpcr_fz) != 0, false);
}

// ---- Estimates. RecipEstimate() and RecipSqrtEstimate() of 9-bit fixed-point numbers.
u64 reciprocal_of_9_bits(u64 a) {
  a = a * 2 + 1;
  return ((u64{1} << 19) / a + 1) / 2;
}

u64 root_of_9_bits(u64 a) {
  a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
  u64 b = 512;
  while (a * (b + 1) * (b + 1) < u64{1} << 28) b++;
  return (b + 1) / 2;
}

u64 unsigned_reciprocal_estimate(Cpu&, u64 a) {
  return (a >> 31) == 0 ? 0xffffffff : reciprocal_of_9_bits(a >> 23) << 23;
}
u64 unsigned_root_estimate(Cpu&, u64 a) { return (a >> 30) == 0 ? 0xffffffff : root_of_9_bits(a >> 23) << 23; }

// The fraction as the pseudocode's 52 bits.
template <class F>
u64 wide_fraction(Parts<F> a) {
  return a.fraction() << (52 - F::fraction_bits);
}
constexpr u64 wide_mask = (u64{1} << 52) - 1;

template <class F>
u64 reciprocal_estimate(Cpu& cpu, u64 bits) {
  Parts<F> a = flushed<F>(cpu, bits);
  constexpr int bias = Parts<F>::bias;
  if (a.is_nan()) return process_nan<F>(cpu, a);
  if (a.is_infinity()) return a.sign();
  if (a.is_zero()) {
    raise(divide_by_zero);
    return a.sign() | Parts<F>::infinity;
  }
  if (a.magnitude() < u64{1} << (F::fraction_bits - 2)) {  // below 2^(-bias - 1): the reciprocal is too large
    raise(overflow | inexact);
    Rounding rounding = current_rounding(cpu);
    bool to_infinity = rounding == Rounding::nearest_even ||
                       rounding == (a.sign() != 0 ? Rounding::minus_infinity : Rounding::plus_infinity);
    return a.sign() | (Parts<F>::infinity - (to_infinity ? 0 : 1));
  }
  if ((cpu.fpcr & fpcr_fz) != 0 && a.exponent() >= static_cast<u64>(2 * bias - 1)) {  // the reciprocal is subnormal
    raise(underflow);
    return a.sign();
  }
  u64 fraction = wide_fraction(a);
  int exponent = static_cast<int>(a.exponent());
  if (exponent == 0) {
    if ((fraction >> 51) == 0) {
      exponent = -1;
      fraction = fraction << 2 & wide_mask;
    } else {
      fraction = fraction << 1 & wide_mask;
    }
  }
  int result_exponent = 2 * bias - 1 - exponent;
  fraction = (reciprocal_of_9_bits(256 | fraction >> 44) & 255) << 44;
  if (result_exponent <= 0) {
    fraction = (fraction | u64{1} << 52) >> (1 - result_exponent);
    result_exponent = 0;
  }
  return a.sign() | static_cast<u64>(result_exponent) << F::fraction_bits | fraction >> (52 - F::fraction_bits);
}

template <class F>
u64 root_estimate(Cpu& cpu, u64 bits) {
  Parts<F> a = flushed<F>(cpu, bits);
  if (a.is_nan()) return process_nan<F>(cpu, a);
  if (a.is_zero()) {
    raise(divide_by_zero);
    return a.sign() | Parts<F>::infinity;
  }
  if (a.sign() != 0) {
    raise(invalid);
    return Parts<F>::default_nan;
  }
  if (a.is_infinity()) return 0;
  u64 fraction = wide_fraction(a);
  int exponent = static_cast<int>(a.exponent());
  if (exponent == 0) {
    for (; (fraction >> 51) == 0; exponent--) fraction = fraction << 1 & wide_mask;
    fraction = fraction << 1 & wide_mask;
  }
  u64 scaled = (exponent & 1) == 0 ? 256 | fraction >> 44 : 128 | fraction >> 45;
  int result_exponent = (3 * Parts<F>::bias - 1 - exponent) / 2;
  return static_cast<u64>(result_exponent) << F::fraction_bits | (root_of_9_bits(scaled) & 255)
                                                                     << (F::fraction_bits - 8);
}

template <class F>
u64 reciprocal_exponent(Cpu& cpu, u64 bits) {
  Parts<F> a = flushed<F>(cpu, bits);
  if (a.is_nan()) return process_nan<F>(cpu, a);
  u64 exponent = a.exponent() == 0 ? Parts<F>::exponent_mask - 1 : ~a.exponent() & Parts<F>::exponent_mask;
  return a.sign() | exponent << F::fraction_bits;
}

// ---- Products that define infinity times zero.
template <class F>
bool is_infinity_times_zero(Cpu& cpu, u64 a, u64 b) {
  Parts<F> x = flushed<F>(cpu, a), y = flushed<F>(cpu, b);
  return (x.is_infinity() && y.is_zero()) || (x.is_zero() && y.is_infinity());
}

template <class F>
typename F::Scalar scalar_of(u64 bits) {
  return std::bit_cast<typename F::Scalar>(static_cast<typename F::Bits>(bits));
}
template <class F>
u64 bits_of(typename F::Scalar a) {
  return std::bit_cast<typename F::Bits>(a);
}

// NaNs of the operands, whose signaling ones raise; 0 when there are none.
template <class F>
u64 operand_nan(Cpu& cpu, u64 first, u64 second) {
  Parts<F> a = flushed<F>(cpu, first), b = flushed<F>(cpu, second);
  if (!a.is_nan() && !b.is_nan()) return 0;
  if (a.is_signaling() || b.is_signaling()) raise(invalid);
  return chosen_nan<F>(cpu, a, b);
}

template <class F>
u64 multiply_extended(Cpu& cpu, u64 a, u64 b) {
  if (u64 nan = operand_nan<F>(cpu, a, b)) return nan;
  if (is_infinity_times_zero<F>(cpu, a, b)) return ((a ^ b) & Parts<F>::sign_mask) | bits_of<F>(2.0f);
  return bits_of<F>(scalar_of<F>(a) * scalar_of<F>(b));
}

// 2 - a * b.
template <class F>
u64 reciprocal_step(Cpu& cpu, u64 a, u64 b) {
  a ^= Parts<F>::sign_mask;
  if (u64 nan = operand_nan<F>(cpu, a, b)) return nan;
  if (is_infinity_times_zero<F>(cpu, a, b)) return bits_of<F>(2.0f);
  typename F::Scalar two = 2.0f;
  return bits_of<F>(__builtin_elementwise_fma(scalar_of<F>(a), scalar_of<F>(b), two));
}

// (3 - a * b) / 2 in one rounding: halves the product where it may overflow, and what is exact in any case otherwise.
template <class F>
u64 root_step(Cpu& cpu, u64 a, u64 b) {
  using Scalar = typename F::Scalar;
  a ^= Parts<F>::sign_mask;
  if (u64 nan = operand_nan<F>(cpu, a, b)) return nan;
  if (is_infinity_times_zero<F>(cpu, a, b)) return bits_of<F>(1.5f);
  Scalar half = 0.5f, three = 3.0f, one_and_half = 1.5f;
  bool a_is_large = Parts<F>{a}.exponent() >= static_cast<u64>(Parts<F>::bias);
  if (a_is_large) return bits_of<F>(__builtin_elementwise_fma(scalar_of<F>(a) * half, scalar_of<F>(b), one_and_half));
  return bits_of<F>(__builtin_elementwise_fma(scalar_of<F>(a), scalar_of<F>(b), three) * half);
}

// `function` of the lanes of the low `bytes` bytes.
template <class F, auto function>
FloatLanes each_lane(Cpu& cpu, FloatLanes a, u32 bytes) {
  using Lanes = typename F::Lanes;
  Lanes as = std::bit_cast<Lanes>(a), results{};
  for (unsigned i = 0; i < bytes / sizeof(typename F::Bits); i++)
    results[i] = static_cast<typename F::Bits>(function(cpu, as[i]));
  return std::bit_cast<FloatLanes>(results);
}
template <class F, auto function>
FloatLanes each_lane(Cpu& cpu, FloatLanes a, FloatLanes b, u32 bytes) {
  using Lanes = typename F::Lanes;
  Lanes as = std::bit_cast<Lanes>(a), bs = std::bit_cast<Lanes>(b), results{};
  for (unsigned i = 0; i < bytes / sizeof(typename F::Bits); i++) {
    results[i] = static_cast<typename F::Bits>(function(cpu, as[i], bs[i]));
  }
  return std::bit_cast<FloatLanes>(results);
}

}  // namespace
}  // namespace ferry::aarch64

using namespace ferry;
using namespace ferry::aarch64;

#define EACH_1(name, suffix, ...)                                          \
  FloatLanes ferry_a64_##name##suffix(Cpu* cpu, FloatLanes a, u32 bytes) { \
    return each_lane<__VA_ARGS__>(*cpu, a, bytes);                         \
  }
#define EACH_2(name, suffix, format)                                                     \
  FloatLanes ferry_a64_##name##suffix(Cpu* cpu, FloatLanes a, FloatLanes b, u32 bytes) { \
    return each_lane<format, name<format>>(*cpu, a, b, bytes);                           \
  }
#define BOTH(format, suffix)                                                                                           \
  FERRY_KEEPS_REGISTERS FloatLanes ferry_a64_nans_2##suffix(Cpu* cpu, FloatLanes a, FloatLanes b, FloatLanes result) { \
    return nans_2<format>(*cpu, a, b, result);                                                                         \
  }                                                                                                                    \
  FERRY_KEEPS_REGISTERS FloatLanes ferry_a64_nans_3##suffix(Cpu* cpu, FloatLanes addend, FloatLanes a, FloatLanes b,   \
                                                            FloatLanes result) {                                       \
    return nans_3<format>(*cpu, addend, a, b, result);                                                                 \
  }                                                                                                                    \
  FERRY_KEEPS_REGISTERS FloatLanes ferry_a64_min_max##suffix(Cpu* cpu, FloatLanes a, FloatLanes b, u32 select) {       \
    return min_max_lanes<format>(*cpu, a, b, select);                                                                  \
  }                                                                                                                    \
  u64 ferry_a64_to_integer##suffix(Cpu* cpu, u64 bits, u32 conversion, u64 fraction_bits) {                            \
    return to_integer<format>(*cpu, bits, {conversion}, static_cast<int>(fraction_bits));                              \
  }                                                                                                                    \
  FloatLanes ferry_a64_to_integers##suffix(Cpu* cpu, FloatLanes a, u32 conversion, u64 fraction_bits, u32 bytes) {     \
    return to_integers<format>(*cpu, a, {conversion}, static_cast<int>(fraction_bits), bytes);                         \
  }                                                                                                                    \
  EACH_1(reciprocal_estimate, suffix, format, reciprocal_estimate<format>)                                             \
  EACH_1(root_estimate, suffix, format, root_estimate<format>)                                                         \
  EACH_1(reciprocal_exponent, suffix, format, reciprocal_exponent<format>)                                             \
  EACH_2(multiply_extended, suffix, format)                                                                            \
  EACH_2(reciprocal_step, suffix, format)                                                                              \
  EACH_2(root_step, suffix, format)

extern "C" {
BOTH(Single, _s)
BOTH(Double, _d)
EACH_1(unsigned_reciprocal_estimate, , Single, unsigned_reciprocal_estimate)
EACH_1(unsigned_root_estimate, , Single, unsigned_root_estimate)

u64 ferry_a64_single_to_half(Cpu* cpu, u64 bits) { return to_half<Single>(*cpu, bits); }
u64 ferry_a64_double_to_half(Cpu* cpu, u64 bits) { return to_half<Double>(*cpu, bits); }
u64 ferry_a64_half_to_single(Cpu* cpu, u64 bits) { return from_half<Single>(*cpu, bits); }
u64 ferry_a64_half_to_double(Cpu* cpu, u64 bits) { return from_half<Double>(*cpu, bits); }
u64 ferry_a64_double_to_single_odd(Cpu* cpu, u64 bits) { return double_to_single_odd(*cpu, bits); }

u64 ferry_a64_singles_to_halves(Cpu* cpu, FloatLanes a) {
  Single::Lanes as = std::bit_cast<Single::Lanes>(a);
  u64 halves = 0;
  for (int i = 0; i < 4; i++) halves |= to_half<Single>(*cpu, as[i]) << (16 * i);
  return halves;
}
FloatLanes ferry_a64_halves_to_singles(Cpu* cpu, u64 a) {
  Single::Lanes results;
  for (int i = 0; i < 4; i++) results[i] = static_cast<u32>(from_half<Single>(*cpu, a >> (16 * i) & 0xffff));
  return std::bit_cast<FloatLanes>(results);
}
}
