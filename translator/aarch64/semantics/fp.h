// What the floating-point semantics share: the Arm ARM's rules (DDI 0487 A1.5, J1.3) on top of the host's instructions.
// Translated code runs under the guest's rounding and flushing, and the host's sticky flags are the guest's, so every operation
// must raise what ARM raises and nothing more: no speculation, no second rounding.
// On an x86-64 host the hot path is the host's instruction and a branch that is taken when a NaN came out, because x86 chooses
// NaNs otherwise. On an AArch64 host the instruction already does what the guest's does.
// Known differences on x86-64: underflow is detected after rounding (ARM: before), so a result that was rounded up to the smallest
// normal number does not raise UFC, and with FPCR.FZ set is not flushed; with FZ set, IDC is not raised by flushed operands and
// a flushed result raises IXC beside UFC.
#pragma once
// To the end of the including file.
#pragma STDC FENV_ACCESS ON
#pragma STDC FP_CONTRACT OFF
#include "translator/aarch64/helpers_float.h"
#include "translator/aarch64/semantics/semantics.h"

namespace ferry::aarch64 {

// A format by the encodings' sz bit, and 16 bytes of its lanes.
template <int sz>
struct Format;
template <>
struct Format<0> {
  using Scalar = float;
  using Bits = u32;
  typedef float Lanes __attribute__((vector_size(16)));
  typedef u32 BitsLanes __attribute__((vector_size(16)));
  typedef i32 SignedLanes __attribute__((vector_size(16)));
  static constexpr int fraction_bits = 23;
  static constexpr u32 default_nan = 0x7fc00000;
};
template <>
struct Format<1> {
  using Scalar = double;
  using Bits = u64;
  typedef double Lanes __attribute__((vector_size(16)));
  typedef u64 BitsLanes __attribute__((vector_size(16)));
  typedef i64 SignedLanes __attribute__((vector_size(16)));
  static constexpr int fraction_bits = 52;
  static constexpr u64 default_nan = 0x7ff8000000000000;
};
template <int sz>
using ScalarOf = typename Format<sz>::Scalar;
template <int sz>
using BitsOf = typename Format<sz>::Bits;
template <int sz>
using LanesOf = typename Format<sz>::Lanes;
template <int sz>
using BitsLanesOf = typename Format<sz>::BitsLanes;
template <int sz>
using SignedLanesOf = typename Format<sz>::SignedLanes;

// The sz of a scalar or vector type, and its kind.
template <class V>
inline constexpr int sz_of = 0;
template <>
inline constexpr int sz_of<double> = 1;
template <>
inline constexpr int sz_of<LanesOf<1>> = 1;
template <class V>
inline constexpr bool is_lanes = sizeof(V) == 16;

template <int sz>
inline constexpr BitsOf<sz> sign_bit = BitsOf<sz>{1} << (sizeof(BitsOf<sz>) * 8 - 1);

// ---- The low `bytes` bytes of a register as lanes; the lanes above are zero, with which no operation raises a flag
// but a division.
template <int sz, int bytes>
FERRY_INLINE LanesOf<sz> read_lanes(VSrc source) {
  if constexpr (bytes == 16)
    return source.as<LanesOf<sz>>();
  else if constexpr (bytes == 8)
    return __builtin_bit_cast(LanesOf<sz>, RawVector{source.as<u64>(), 0});
  else
    return __builtin_bit_cast(LanesOf<sz>, (BitsLanesOf<0>){source.as<u32>(), 0, 0, 0});
}

template <int bytes, class V>
FERRY_INLINE void write_lanes(VDst destination, V value) {
  static_assert(sizeof(V) == 16);
  RawVector raw = __builtin_bit_cast(RawVector, value);
  if constexpr (bytes == 16)
    destination = raw;
  else if constexpr (bytes == 8)
    destination = static_cast<u64>(raw[0]);
  else
    destination = static_cast<u32>(raw[0]);
}

template <class V>
FERRY_INLINE FloatLanes to_float_lanes(V value) {
  if constexpr (is_lanes<V>)
    return __builtin_bit_cast(FloatLanes, value);
  else
    return __builtin_bit_cast(FloatLanes, LanesOf<sz_of<V>>{value});
}
template <class V>
FERRY_INLINE V from_float_lanes(FloatLanes lanes) {
  if constexpr (is_lanes<V>)
    return __builtin_bit_cast(V, lanes);
  else
    return __builtin_bit_cast(LanesOf<sz_of<V>>, lanes)[0];
}

// ---- NaNs.
#if defined(__x86_64__)
// Quiet: raises nothing for quiet NaNs.
template <class V>
FERRY_INLINE bool any_unordered(V a, V b) {
  if constexpr (!is_lanes<V>)
    return __builtin_isunordered(a, b);
  else if constexpr (sz_of<V> == 0)
    return __builtin_ia32_movmskps(__builtin_ia32_cmpps(a, b, 3)) != 0;
  else
    return __builtin_ia32_movmskpd(__builtin_ia32_cmppd(a, b, 3)) != 0;
}
#endif

// FPProcessNaNs(): the result of an operation on a and b, given what the host made of it.
template <class V>
FERRY_INLINE V choose_nan([[maybe_unused]] Cpu& cpu, [[maybe_unused]] V a, [[maybe_unused]] V b, V result) {
#if defined(__x86_64__)
  if (__builtin_expect(any_unordered(result, result), 0)) {
    if constexpr (sz_of<V> == 0) {
      return from_float_lanes<V>(
          call_out<ferry_a64_nans_2_s>(&cpu, to_float_lanes(a), to_float_lanes(b), to_float_lanes(result)));
    } else {
      return from_float_lanes<V>(
          call_out<ferry_a64_nans_2_d>(&cpu, to_float_lanes(a), to_float_lanes(b), to_float_lanes(result)));
    }
  }
#endif
  return result;
}

template <class V>
FERRY_INLINE V choose_nan(Cpu& cpu, V a, V result) {
  return choose_nan(cpu, a, a, result);
}

template <class V>
FERRY_INLINE V magnitude(V value) {
  constexpr int sz = sz_of<V>;
  if constexpr (is_lanes<V>)
    return __builtin_bit_cast(V, __builtin_bit_cast(BitsLanesOf<sz>, value) & ~sign_bit<sz>);
  else
    return __builtin_bit_cast(V, __builtin_bit_cast(BitsOf<sz>, value) & ~sign_bit<sz>);
}

// ---- Arithmetic of scalars and of lanes.
template <class V>
FERRY_INLINE V fp_add(Cpu& cpu, V a, V b) {
  return choose_nan(cpu, a, b, a + b);
}
template <class V>
FERRY_INLINE V fp_sub(Cpu& cpu, V a, V b) {
  return choose_nan(cpu, a, b, a - b);
}
template <class V>
FERRY_INLINE V fp_mul(Cpu& cpu, V a, V b) {
  return choose_nan(cpu, a, b, a * b);
}
template <class V>
FERRY_INLINE V fp_div(Cpu& cpu, V a, V b) {
  return choose_nan(cpu, a, b, a / b);
}

template <class V>
FERRY_INLINE V fp_sqrt(Cpu& cpu, V a) {
  return choose_nan(cpu, a, __builtin_elementwise_sqrt(a));
}

// FPMulAdd(): addend + a * b rounded once, with the addend or the product negated by negating operands first: their NaNs change
// sign too. clang may negate b for a, so that an AArch64 host's instruction is spelled out.
template <bool negates_addend, bool negates_product, class V>
FERRY_INLINE V fp_mul_add([[maybe_unused]] Cpu& cpu, V addend, V a, V b) {
#if defined(__x86_64__)
  if constexpr (negates_addend) addend = -addend;
  if constexpr (negates_product) a = -a;
  V result = __builtin_elementwise_fma(a, b, addend);
  if (__builtin_expect(any_unordered(result, result), 0)) {
    if constexpr (sz_of<V> == 0) {
      return from_float_lanes<V>(call_out<ferry_a64_nans_3_s>(&cpu, to_float_lanes(addend), to_float_lanes(a),
                                                              to_float_lanes(b), to_float_lanes(result)));
    } else {
      return from_float_lanes<V>(call_out<ferry_a64_nans_3_d>(&cpu, to_float_lanes(addend), to_float_lanes(a),
                                                              to_float_lanes(b), to_float_lanes(result)));
    }
  }
#else
  V result = addend;
#define FERRY_MUL_ADD(instruction)                                                       \
  if constexpr (sz_of<V> == 0)                                                           \
    asm(instruction " %s0, %s1, %s2, %s3" : "=w"(result) : "w"(a), "w"(b), "w"(addend)); \
  else                                                                                   \
    asm(instruction " %d0, %d1, %d2, %d3" : "=w"(result) : "w"(a), "w"(b), "w"(addend))
#define FERRY_MUL_ADD_LANES(instruction)                                     \
  if constexpr (sz_of<V> == 0)                                               \
    asm(instruction " %0.4s, %1.4s, %2.4s" : "+w"(result) : "w"(a), "w"(b)); \
  else                                                                       \
    asm(instruction " %0.2d, %1.2d, %2.2d" : "+w"(result) : "w"(a), "w"(b))
  if constexpr (is_lanes<V> && negates_product) {
    FERRY_MUL_ADD_LANES("fmls");
  } else if constexpr (is_lanes<V>) {
    FERRY_MUL_ADD_LANES("fmla");
  } else if constexpr (negates_addend && negates_product) {
    FERRY_MUL_ADD("fnmadd");
  } else if constexpr (negates_addend) {
    FERRY_MUL_ADD("fnmsub");
  } else if constexpr (negates_product) {
    FERRY_MUL_ADD("fmsub");
  } else {
    FERRY_MUL_ADD("fmadd");
  }
#undef FERRY_MUL_ADD_LANES
#undef FERRY_MUL_ADD
#endif
  return result;
}

#if defined(__x86_64__)
// The host's minimum or maximum, which keeps the second operand when both are zeros or one is a NaN. As bits.
template <bool is_minimum, class V>
FERRY_INLINE FloatLanes host_min_max(V a, V b) {
#if defined(FERRY_BITCODE)
  V result;  // as in truncate_to_signed()
#define FERRY_MIN_MAX(instruction) asm volatile(instruction " %2, %1, %0" : "=x"(result) : "x"(a), "x"(b))
  if constexpr (sz_of<V> == 0 && is_minimum) {
    FERRY_MIN_MAX("vminps");
  } else if constexpr (sz_of<V> == 0) {
    FERRY_MIN_MAX("vmaxps");
  } else if constexpr (is_minimum) {
    FERRY_MIN_MAX("vminpd");
  } else {
    FERRY_MIN_MAX("vmaxpd");
  }
#undef FERRY_MIN_MAX
  return (FloatLanes)result;
#else
  if constexpr (sz_of<V> == 0)
    return (FloatLanes)(is_minimum ? __builtin_ia32_minps(a, b) : __builtin_ia32_maxps(a, b));
  else
    return (FloatLanes)(is_minimum ? __builtin_ia32_minpd(a, b) : __builtin_ia32_maxpd(a, b));
#endif
}
#endif

// FPMax() and relatives, of lanes.
template <u32 select, class V>
FERRY_INLINE V fp_min_max([[maybe_unused]] Cpu& cpu, V a, V b) {
#if defined(__x86_64__)
  if (__builtin_expect(any_unordered(a, b), 0)) {
    if constexpr (sz_of<V> == 0)
      return (V)call_out<ferry_a64_min_max_s>(&cpu, to_float_lanes(a), to_float_lanes(b), select);
    else
      return (V)call_out<ferry_a64_min_max_d>(&cpu, to_float_lanes(a), to_float_lanes(b), select);
  }
  if constexpr ((select & select_minimum) != 0)
    return (V)(host_min_max<true>(a, b) | host_min_max<true>(b, a));
  else
    return (V)(host_min_max<false>(a, b) & host_min_max<false>(b, a));
#else
  V result;
#define FERRY_MIN_MAX(instruction)                                           \
  if constexpr (sz_of<V> == 0)                                               \
    asm(instruction " %0.4s, %1.4s, %2.4s" : "=w"(result) : "w"(a), "w"(b)); \
  else                                                                       \
    asm(instruction " %0.2d, %1.2d, %2.2d" : "=w"(result) : "w"(a), "w"(b))
  if constexpr (select == 0) {
    FERRY_MIN_MAX("fmax");
  } else if constexpr (select == select_minimum) {
    FERRY_MIN_MAX("fmin");
  } else if constexpr (select == select_number) {
    FERRY_MIN_MAX("fmaxnm");
  } else {
    FERRY_MIN_MAX("fminnm");
  }
#undef FERRY_MIN_MAX
  return result;
#endif
}

// ---- Rounding to integral values. FRINTI and FRINTX round as FPCR says; only FRINTX raises inexact.
enum class Integral { nearest_even, plus_infinity, minus_infinity, zero, nearest_away, current, exact };

#if defined(__x86_64__)
// x86 does not round half away from zero: truncates, and adds one where half or more was cut off. All steps are exact.
template <class V>
FERRY_INLINE V round_half_away(V a) {
  constexpr int sz = sz_of<V>;
  using Bits = BitsLanesOf<sz>;
  using Signed = SignedLanesOf<sz>;
  constexpr BitsOf<sz> one =
      (BitsOf<sz>{1} << (sizeof(BitsOf<sz>) * 8 - 2)) - (BitsOf<sz>{1} << Format<sz>::fraction_bits);
  constexpr BitsOf<sz> half = one - (BitsOf<sz>{1} << Format<sz>::fraction_bits);
  constexpr BitsOf<sz> no_fraction =
      one + (static_cast<BitsOf<sz>>(Format<sz>::fraction_bits) << Format<sz>::fraction_bits);
  Bits bits = __builtin_bit_cast(Bits, a);
  Bits sign = bits & sign_bit<sz>;
  Bits is_large = (Bits)((Signed)(bits & ~sign_bit<sz>) >= (Signed)(Bits{} + no_fraction));  // NaN and infinity too
  V truncated = __builtin_elementwise_trunc(a);
  V fraction = (V)(bits & ~is_large) - (V)((Bits)truncated & ~is_large);
  Bits is_up = (Bits)((Signed)((Bits)fraction & ~sign_bit<sz>) >= (Signed)(Bits{} + half));
  V rounded = (V)((Bits)truncated & ~is_large) + (V)((is_up & one) | sign);
  return (V)((is_large & (Bits)truncated) | (~is_large & (Bits)rounded));
}
#endif

// Without NaN choice; of scalars or lanes.
template <Integral mode, class V>
FERRY_INLINE V round_to_integral(V a) {
  if constexpr (mode == Integral::nearest_even)
    return __builtin_elementwise_roundeven(a);
  else if constexpr (mode == Integral::plus_infinity)
    return __builtin_elementwise_ceil(a);
  else if constexpr (mode == Integral::minus_infinity)
    return __builtin_elementwise_floor(a);
  else if constexpr (mode == Integral::zero)
    return __builtin_elementwise_trunc(a);
  else if constexpr (mode == Integral::current)
    return __builtin_elementwise_nearbyint(a);
  else if constexpr (mode == Integral::exact)
    return __builtin_elementwise_rint(a);
  else {
    static_assert(mode == Integral::nearest_away);
#if defined(__x86_64__)
    if constexpr (is_lanes<V>)
      return round_half_away(a);
    else
      return round_half_away(LanesOf<sz_of<V>>{a})[0];
#else
    return __builtin_elementwise_round(a);
#endif
  }
}

template <Integral mode, class V>
FERRY_INLINE V fp_round_to_integral(Cpu& cpu, V a) {
  return choose_nan(cpu, a, round_to_integral<mode>(a));
}

// ---- Conversion to integers: W is u32, i32, u64 or i64.
template <Rounding rounding, class W, class T>
FERRY_INLINE W to_integer_out_of_line(Cpu& cpu, T a, u64 fraction_bits) {
  constexpr bool is_unsigned = static_cast<W>(-1) > 0;
  constexpr u32 conversion = IntegerConversion::of(rounding, is_unsigned, sizeof(W) == 8).value;
  u64 bits = __builtin_bit_cast(BitsOf<sz_of<T>>, a);
  if constexpr (sz_of<T> == 0)
    return static_cast<W>(call_out<ferry_a64_to_integer_s>(&cpu, bits, conversion, fraction_bits));
  else
    return static_cast<W>(call_out<ferry_a64_to_integer_d>(&cpu, bits, conversion, fraction_bits));
}

#if defined(__x86_64__)
// The host's "integer indefinite", the most negative number, stands for NaN and out of range.
template <class W, class T>
FERRY_INLINE W truncate_to_signed(T a) {
#if defined(FERRY_BITCODE)
  // LLVM does not know of the builtins' sticky flags: it would leave them out, or compute them where the guest does not.
  W result;
  if constexpr (sz_of<T> == 0)
    asm volatile("vcvttss2si %1, %0" : "=r"(result) : "x"(a));
  else
    asm volatile("vcvttsd2si %1, %0" : "=r"(result) : "x"(a));
  return result;
#else
  if constexpr (sz_of<T> == 0) {
    if constexpr (sizeof(W) == 4)
      return __builtin_ia32_cvttss2si(LanesOf<0>{a});
    else
      return __builtin_ia32_cvttss2si64(LanesOf<0>{a});
  } else {
    if constexpr (sizeof(W) == 4)
      return __builtin_ia32_cvttsd2si(LanesOf<1>{a});
    else
      return __builtin_ia32_cvttsd2si64(LanesOf<1>{a});
  }
#endif
}

template <class T>
FERRY_INLINE void raise_inexact_unless_integral(T a) {
  T unused;
  if constexpr (sz_of<T> == 0)
    asm volatile("vroundss $4, %1, %1, %0" : "=x"(unused) : "x"(a));
  else
    asm volatile("vroundsd $4, %1, %1, %0" : "=x"(unused) : "x"(a));
}

constexpr Integral integral_of(Rounding rounding) { return static_cast<Integral>(rounding); }

template <Rounding rounding, class W, class T>
FERRY_INLINE W to_integer(Cpu& cpu, T a) {
  T integral = a;
  if constexpr (rounding != Rounding::zero) integral = round_to_integral<integral_of(rounding)>(a);
  W result;
  if constexpr (static_cast<W>(-1) < 0) {
    result = truncate_to_signed<W>(integral);
    constexpr W indefinite = static_cast<W>(u64{1} << (sizeof(W) * 8 - 1));
    if (__builtin_expect(result == indefinite, 0)) return to_integer_out_of_line<rounding, W>(cpu, a, 0);
  } else {
    constexpr T limit = sizeof(W) == 4 ? 0x1p32 : 0x1p63, minus_one = -1.0;
    if (__builtin_expect(!(__builtin_isgreater(integral, minus_one) && __builtin_isless(integral, limit)), 0)) {
      return to_integer_out_of_line<rounding, W>(cpu, a, 0);
    }
    result = static_cast<W>(truncate_to_signed<i64>(integral));
  }
  if constexpr (rounding != Rounding::zero) raise_inexact_unless_integral(a);
  return result;
}
#else
template <Rounding rounding, class W, class T>
FERRY_INLINE W to_integer(Cpu&, T a) {
  W result;
#define FERRY_TO_INTEGER(instruction)                     \
  if constexpr (sz_of<T> == 0 && sizeof(W) == 4)          \
    asm(instruction " %w0, %s1" : "=r"(result) : "w"(a)); \
  else if constexpr (sz_of<T> == 0)                       \
    asm(instruction " %x0, %s1" : "=r"(result) : "w"(a)); \
  else if constexpr (sizeof(W) == 4)                      \
    asm(instruction " %w0, %d1" : "=r"(result) : "w"(a)); \
  else                                                    \
    asm(instruction " %x0, %d1" : "=r"(result) : "w"(a))
#define FERRY_TO_INTEGER_MODE(mode)       \
  if constexpr (static_cast<W>(-1) < 0) { \
    FERRY_TO_INTEGER("fcvt" mode "s");    \
  } else {                                \
    FERRY_TO_INTEGER("fcvt" mode "u");    \
  }
  if constexpr (rounding == Rounding::nearest_even) {
    FERRY_TO_INTEGER_MODE("n")
  } else if constexpr (rounding == Rounding::plus_infinity) {
    FERRY_TO_INTEGER_MODE("p")
  } else if constexpr (rounding == Rounding::minus_infinity) {
    FERRY_TO_INTEGER_MODE("m")
  } else if constexpr (rounding == Rounding::zero) {
    FERRY_TO_INTEGER_MODE("z")
  } else {
    FERRY_TO_INTEGER_MODE("a")
  }
#undef FERRY_TO_INTEGER_MODE
#undef FERRY_TO_INTEGER
  return result;
}
#endif

// ---- Conversion from integers.
template <class T, class W>
FERRY_INLINE T from_integer(W a) {
#if defined(__x86_64__)
  // x86 converts signed numbers only. Half of a large one, with the lost bit kept sticky, rounds as the whole.
  if constexpr (sizeof(W) == 8 && static_cast<W>(-1) > 0) {
    if (__builtin_expect(static_cast<i64>(a) < 0, 0)) {
      T half = static_cast<T>(static_cast<i64>(a >> 1 | (a & 1)));
      return half + half;
    }
    return static_cast<T>(static_cast<i64>(a));
  } else if constexpr (static_cast<W>(-1) > 0) {
    return static_cast<T>(static_cast<i64>(a));
  }
#endif
  return static_cast<T>(a);
}

// ---- Compare: FPCompare() into NZCV. The flags of a quiet compare are raised by signaling NaNs only.
#if defined(FERRY_BITCODE)
// What the optimiser can combine with the conditions that ask for it; it raises nothing. N differs from V where a is less than b
// or they are unordered.
template <class T>
FERRY_INLINE void set_compare_flags(Cpu& cpu, T a, T b) {
#pragma clang fp exceptions(ignore)
  cpu.n = a < b;
  cpu.z = a == b;
  cpu.c = !(a < b);
  cpu.v = cpu.n ^ static_cast<u8>(!(a >= b));
}
#endif

template <bool is_signaling, bool flags, class T>
FERRY_INLINE void fp_compare(Cpu& cpu, T a, T b) {
  [[maybe_unused]] bool less, equal, not_less, unordered;
#if defined(__x86_64__)
  // Operands swapped, so that each ARM flag is one condition.
#if defined(FERRY_BITCODE)
#define FERRY_COMPARE(instruction) asm volatile(instruction " %0, %1" ::"x"(a), "x"(b) : "cc")
#else
#define FERRY_COMPARE(instruction)                                                       \
  if constexpr (flags) {                                                                 \
    asm volatile(instruction " %4, %5"                                                   \
                 : "=@cca"(less), "=@cce"(equal), "=@ccbe"(not_less), "=@ccp"(unordered) \
                 : "x"(a), "x"(b));                                                      \
    equal &= !unordered;                                                                 \
  } else {                                                                               \
    asm volatile(instruction " %0, %1" ::"x"(a), "x"(b) : "cc");                         \
  }
#endif
  if constexpr (sz_of<T> == 0 && is_signaling) {
    FERRY_COMPARE("vcomiss");
  } else if constexpr (sz_of<T> == 0) {
    FERRY_COMPARE("vucomiss");
  } else if constexpr (is_signaling) {
    FERRY_COMPARE("vcomisd");
  } else {
    FERRY_COMPARE("vucomisd");
  }
#else
#if defined(FERRY_BITCODE)
#define FERRY_COMPARE(instruction, size) asm volatile(instruction " %" size "0, %" size "1" ::"w"(a), "w"(b) : "cc")
#else
#define FERRY_COMPARE(instruction, size)                                                    \
  if constexpr (flags) {                                                                    \
    asm volatile(instruction " %" size "4, %" size "5"                                      \
                 : "=@ccmi"(less), "=@cceq"(equal), "=@cccs"(not_less), "=@ccvs"(unordered) \
                 : "w"(a), "w"(b));                                                         \
  } else {                                                                                  \
    asm volatile(instruction " %" size "0, %" size "1" ::"w"(a), "w"(b) : "cc");            \
  }
#endif
  if constexpr (sz_of<T> == 0 && is_signaling) {
    FERRY_COMPARE("fcmpe", "s");
  } else if constexpr (sz_of<T> == 0) {
    FERRY_COMPARE("fcmp", "s");
  } else if constexpr (is_signaling) {
    FERRY_COMPARE("fcmpe", "d");
  } else {
    FERRY_COMPARE("fcmp", "d");
  }
#endif
#undef FERRY_COMPARE
#if defined(FERRY_BITCODE)
  if constexpr (flags) set_compare_flags(cpu, a, b);
#else
  if constexpr (flags) {
    cpu.n = less;
    cpu.z = equal;
    cpu.c = not_less;
    cpu.v = unordered;
  }
#endif
}

}  // namespace ferry::aarch64
