// Advanced SIMD floating point: DDI 0487 C7.2. Every form is one function of 16 bytes of lanes: the 64-bit and scalar
// forms read zeros above their lanes and write zeros there.
#include "translator/aarch64/semantics/fp.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_float.def"
#define FERRY_SECTION_NAME vector_float

namespace ferry::aarch64 {

// Bytes of a vector form by Q, of a scalar by sz. A vector of one double does not exist.
constexpr int vector_bytes(int q) { return q ? 16 : 8; }
constexpr int scalar_bytes(int sz) { return 4 << sz; }
template <int q, int sz>
inline constexpr bool is_arrangement = q == 1 || sz == 0;

// ---- What the lanes of the rows become.
template <int sz, int bytes>
FERRY_INLINE LanesOf<sz> read_divisor(VSrc source) {
  if constexpr (sz == 0 && bytes == 8)
    return __builtin_bit_cast(LanesOf<0>, RawVector{source.as<u64>(), 0x3f8000003f800000});
  else
    return read_lanes<sz, bytes>(source);
}

// By element: the element in each lane that counts.
template <int sz, int bytes>
FERRY_INLINE LanesOf<sz> read_element(VSrc source) {
  ScalarOf<sz> e = source.as<ScalarOf<sz>>();
  if constexpr (bytes == scalar_bytes(sz))
    return LanesOf<sz>{e};
  else if constexpr (sz == 1)
    return LanesOf<1>{e, e};
  else if constexpr (bytes == 8)
    return LanesOf<0>{e, e};
  else
    return LanesOf<0>{e, e, e, e};
}

// The even (0) or odd (1) lanes of n:m, as the pairwise forms take them.
template <int odd, int bytes, class V>
FERRY_INLINE V pair_operand(V n, V m) {
  if constexpr (sz_of<V> == 1)
    return __builtin_shufflevector(n, m, odd, 2 + odd);
  else if constexpr (bytes == 8)
    return __builtin_shufflevector(n, m, odd, 4 + odd, 2, 3);
  else
    return __builtin_shufflevector(n, m, odd, 2 + odd, 4 + odd, 6 + odd);
}

// Out of line whatever the operands: rare, and long where the host has no such instruction.
#define OUT_OF_LINE_1(function)                                                          \
  template <int bytes, class V>                                                          \
  FERRY_INLINE V function(Cpu& cpu, V a) {                                               \
    if constexpr (sz_of<V> == 0)                                                         \
      return (V)call_out<ferry_a64_##function##_s>(&cpu, to_float_lanes(a), u32{bytes}); \
    else                                                                                 \
      return (V)call_out<ferry_a64_##function##_d>(&cpu, to_float_lanes(a), u32{bytes}); \
  }
OUT_OF_LINE_1(reciprocal_estimate)
OUT_OF_LINE_1(root_estimate)
OUT_OF_LINE_1(reciprocal_exponent)

#define OUT_OF_LINE_2(function)                                                                             \
  template <int bytes, class V>                                                                             \
  FERRY_INLINE V function(Cpu& cpu, V a, V b) {                                                             \
    if constexpr (sz_of<V> == 0)                                                                            \
      return (V)call_out<ferry_a64_##function##_s>(&cpu, to_float_lanes(a), to_float_lanes(b), u32{bytes}); \
    else                                                                                                    \
      return (V)call_out<ferry_a64_##function##_d>(&cpu, to_float_lanes(a), to_float_lanes(b), u32{bytes}); \
  }
OUT_OF_LINE_2(multiply_extended)
OUT_OF_LINE_2(reciprocal_step)
OUT_OF_LINE_2(root_step)

// ---- Conversions of lanes.
template <bool is_unsigned, int bytes, class V>
FERRY_INLINE V from_integers(BitsLanesOf<sz_of<V>> a) {
  using Bits = BitsOf<sz_of<V>>;
  using Signed = SignedOf<sz_of<V>>;
#if defined(__aarch64__)
  constexpr bool has_instruction = true;
#else
  constexpr bool has_instruction = sizeof(Bits) == 4 && !is_unsigned;
#endif
  if constexpr (has_instruction && is_unsigned)
    return __builtin_convertvector(a, V);
  else if constexpr (has_instruction)
    return __builtin_convertvector((SignedLanesOf<sz_of<V>>)a, V);
  V result{};
  for (unsigned i = 0; i < bytes / sizeof(Bits); i++) {
    if constexpr (is_unsigned)
      result[i] = from_integer<ScalarOf<sz_of<V>>>(static_cast<Bits>(a[i]));
    else
      result[i] = from_integer<ScalarOf<sz_of<V>>>(static_cast<Signed>(a[i]));
  }
  return result;
}

template <Rounding rounding, bool is_unsigned, int bytes, class V>
FERRY_INLINE BitsLanesOf<sz_of<V>> to_integers_out_of_line(Cpu& cpu, V a, u64 fraction_bits) {
  constexpr u32 conversion = IntegerConversion::of(rounding, is_unsigned, sz_of<V> == 1).value;
  if constexpr (sz_of<V> == 0) {
    return (BitsLanesOf<0>)call_out<ferry_a64_to_integers_s>(&cpu, to_float_lanes(a), conversion, fraction_bits,
                                                             u32{bytes});
  } else {
    return (BitsLanesOf<1>)call_out<ferry_a64_to_integers_d>(&cpu, to_float_lanes(a), conversion, fraction_bits,
                                                             u32{bytes});
  }
}

template <Rounding rounding, bool is_unsigned, int bytes, class V>
FERRY_INLINE BitsLanesOf<sz_of<V>> to_integers(Cpu& cpu, V a) {
  constexpr int sz = sz_of<V>;
#if defined(__x86_64__)
  if constexpr (sz == 0 && !is_unsigned) {
    LanesOf<0> integral = a;
    if constexpr (rounding != Rounding::zero) integral = round_to_integral<integral_of(rounding)>(a);
#if defined(FERRY_BITCODE)
    SignedLanesOf<0> result;  // as in truncate_to_signed()
    asm volatile("vcvttps2dq %1, %0" : "=x"(result) : "x"(integral));
#else
    SignedLanesOf<0> result = (SignedLanesOf<0>)__builtin_ia32_cvttps2dq(integral);
#endif
    SignedLanesOf<0> indefinite = result == SignedLanesOf<0>{} + static_cast<i32>(0x80000000);
    if (__builtin_expect(__builtin_ia32_movmskps((LanesOf<0>)indefinite) != 0, 0)) {
      return to_integers_out_of_line<rounding, is_unsigned, bytes>(cpu, a, 0);
    }
    if constexpr (rounding != Rounding::zero) {
      LanesOf<0> unused;
      asm volatile("vroundps $4, %1, %0" : "=x"(unused) : "x"(a));  // raises inexact
    }
    return (BitsLanesOf<0>)result;
  }
#endif
  if constexpr (rounding != Rounding::zero) {
    return to_integers_out_of_line<rounding, is_unsigned, bytes>(cpu, a, 0);
  } else {
    BitsLanesOf<sz> result{};
#pragma clang loop unroll(full)
    for (unsigned i = 0; i < bytes / sizeof(BitsOf<sz>); i++) {
      ScalarOf<sz> lane = a[i];
      if constexpr (is_unsigned)
        result[i] = to_integer<rounding, UnsignedOf<sz>>(cpu, lane);
      else
        result[i] = static_cast<BitsOf<sz>>(to_integer<rounding, SignedOf<sz>>(cpu, lane));
    }
    return result;
  }
}

// ---- Three registers of the same type, or two. The body sees `bytes`, and lanes n and m.
#define BODY_2(expression)                                                                   \
  [[maybe_unused]] LanesOf<sz> n = read_lanes<sz, bytes>(rn), m = read_lanes<sz, bytes>(rm); \
  write_lanes<bytes>(rd, expression);
#define VECTOR_2(name, expression)                \
  template <int q, int sz>                        \
    requires is_arrangement<q, sz>                \
  SEM name(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) { \
    (void)cpu;                                    \
    constexpr int bytes = vector_bytes(q);        \
    BODY_2(expression)                            \
  }
#define SCALAR_2(name, expression)                \
  template <int sz>                               \
  SEM name(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) { \
    (void)cpu;                                    \
    constexpr int bytes = scalar_bytes(sz);       \
    BODY_2(expression)                            \
  }
#define VECTOR_AND_SCALAR_2(name, expression) VECTOR_2(name##_vector, expression) SCALAR_2(name##_scalar, expression)
#define PAIRS (pair_operand<0, bytes>(n, m)), (pair_operand<1, bytes>(n, m))

VECTOR_2(fadd_vector, fp_add(cpu, n, m))
VECTOR_2(fsub_vector, fp_sub(cpu, n, m))
VECTOR_2(fmul_vector, fp_mul(cpu, n, m))
VECTOR_2(fdiv_vector, fp_div(cpu, n, (read_divisor<sz, bytes>(rm))))
VECTOR_2(fmla_vector, (fp_mul_add<false, false>(cpu, read_lanes<sz, bytes>(rd), n, m)))
VECTOR_2(fmls_vector, (fp_mul_add<false, true>(cpu, read_lanes<sz, bytes>(rd), n, m)))
VECTOR_2(fmax_vector, fp_min_max<0>(cpu, n, m))
VECTOR_2(fmin_vector, fp_min_max<select_minimum>(cpu, n, m))
VECTOR_2(fmaxnm_vector, fp_min_max<select_number>(cpu, n, m))
VECTOR_2(fminnm_vector, fp_min_max<select_minimum | select_number>(cpu, n, m))
VECTOR_2(faddp_vector, fp_add(cpu, PAIRS))
VECTOR_2(fmaxp_vector, fp_min_max<0>(cpu, PAIRS))
VECTOR_2(fminp_vector, fp_min_max<select_minimum>(cpu, PAIRS))
VECTOR_2(fmaxnmp_vector, fp_min_max<select_number>(cpu, PAIRS))
VECTOR_2(fminnmp_vector, fp_min_max<select_minimum | select_number>(cpu, PAIRS))
VECTOR_AND_SCALAR_2(fabd, magnitude(fp_sub(cpu, n, m)))
VECTOR_AND_SCALAR_2(fmulx, multiply_extended<bytes>(cpu, n, m))
VECTOR_AND_SCALAR_2(frecps, reciprocal_step<bytes>(cpu, n, m))
VECTOR_AND_SCALAR_2(frsqrts, root_step<bytes>(cpu, n, m))
// == is quiet, the others signal invalid for every NaN.
VECTOR_AND_SCALAR_2(fcmeq, n == m)
VECTOR_AND_SCALAR_2(fcmge, n >= m)
VECTOR_AND_SCALAR_2(fcmgt, n > m)
VECTOR_AND_SCALAR_2(facge, magnitude(n) >= magnitude(m))
VECTOR_AND_SCALAR_2(facgt, magnitude(n) > magnitude(m))

#define BODY_1(expression)                                    \
  [[maybe_unused]] LanesOf<sz> n = read_lanes<sz, bytes>(rn); \
  write_lanes<bytes>(rd, expression);
#define VECTOR_1(name, expression)         \
  template <int q, int sz>                 \
    requires is_arrangement<q, sz>         \
  SEM name(Cpu& cpu, VDst rd, VSrc rn) {   \
    (void)cpu;                             \
    constexpr int bytes = vector_bytes(q); \
    BODY_1(expression)                     \
  }
#define SCALAR_1(name, expression)          \
  template <int sz>                         \
  SEM name(Cpu& cpu, VDst rd, VSrc rn) {    \
    (void)cpu;                              \
    constexpr int bytes = scalar_bytes(sz); \
    BODY_1(expression)                      \
  }
#define VECTOR_AND_SCALAR_1(name, expression) VECTOR_1(name##_vector, expression) SCALAR_1(name##_scalar, expression)
#define VECTOR_AND_LANE_1(name, expression) VECTOR_1(name##_vector, expression) SCALAR_1(name##_lane, expression)

VECTOR_1(frintn_vector, fp_round_to_integral<Integral::nearest_even>(cpu, n))
VECTOR_1(frintm_vector, fp_round_to_integral<Integral::minus_infinity>(cpu, n))
VECTOR_1(frintp_vector, fp_round_to_integral<Integral::plus_infinity>(cpu, n))
VECTOR_1(frintz_vector, fp_round_to_integral<Integral::zero>(cpu, n))
VECTOR_1(frinta_vector, fp_round_to_integral<Integral::nearest_away>(cpu, n))
VECTOR_1(frintx_vector, fp_round_to_integral<Integral::exact>(cpu, n))
VECTOR_1(frinti_vector, fp_round_to_integral<Integral::current>(cpu, n))
VECTOR_1(fabs_vector, magnitude(n))
VECTOR_1(fneg_vector, -n)
VECTOR_1(fsqrt_vector, fp_sqrt(cpu, n))
VECTOR_AND_SCALAR_1(frecpe, reciprocal_estimate<bytes>(cpu, n))
VECTOR_AND_SCALAR_1(frsqrte, root_estimate<bytes>(cpu, n))
SCALAR_1(frecpx, reciprocal_exponent<bytes>(cpu, n))
VECTOR_AND_SCALAR_1(fcmeq_zero, n == LanesOf<sz>{})
VECTOR_AND_SCALAR_1(fcmge_zero, n >= LanesOf<sz>{})
VECTOR_AND_SCALAR_1(fcmgt_zero, n > LanesOf<sz>{})
VECTOR_AND_SCALAR_1(fcmle_zero, n <= LanesOf<sz>{})
VECTOR_AND_SCALAR_1(fcmlt_zero, n < LanesOf<sz>{})
VECTOR_1(scvtf_vector, (from_integers<false, bytes, LanesOf<sz>>((BitsLanesOf<sz>)n)))
VECTOR_1(ucvtf_vector, (from_integers<true, bytes, LanesOf<sz>>((BitsLanesOf<sz>)n)))
VECTOR_AND_LANE_1(fcvtns, (to_integers<Rounding::nearest_even, false, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtnu, (to_integers<Rounding::nearest_even, true, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtms, (to_integers<Rounding::minus_infinity, false, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtmu, (to_integers<Rounding::minus_infinity, true, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtps, (to_integers<Rounding::plus_infinity, false, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtpu, (to_integers<Rounding::plus_infinity, true, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtas, (to_integers<Rounding::nearest_away, false, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtau, (to_integers<Rounding::nearest_away, true, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtzs, (to_integers<Rounding::zero, false, bytes>(cpu, n)))
VECTOR_AND_LANE_1(fcvtzu, (to_integers<Rounding::zero, true, bytes>(cpu, n)))

template <int sz>
SEM scvtf_lane(Cpu&, VDst rd, VSrc rn) {
  rd = from_integer<ScalarOf<sz>>(static_cast<SignedOf<sz>>(rn.as<BitsOf<sz>>()));
}

template <int sz>
SEM ucvtf_lane(Cpu&, VDst rd, VSrc rn) {
  rd = from_integer<ScalarOf<sz>>(rn.as<BitsOf<sz>>());
}

template <int q>
SEM urecpe(Cpu& cpu, VDst rd, VSrc rn) {
  rd = call_out<ferry_a64_unsigned_reciprocal_estimate>(&cpu, to_float_lanes(read_lanes<0, vector_bytes(q)>(rn)),
                                                        u32{vector_bytes(q)});
}

template <int q>
SEM ursqrte(Cpu& cpu, VDst rd, VSrc rn) {
  rd = call_out<ferry_a64_unsigned_root_estimate>(&cpu, to_float_lanes(read_lanes<0, vector_bytes(q)>(rn)),
                                                  u32{vector_bytes(q)});
}

// ---- Lengthening and narrowing. Q takes the source from, or puts the result into, the upper half.
template <int q>
FERRY_INLINE void write_half(VDst rd, u64 half) {
  if constexpr (q)
    rd = RawVector{rd.as<u64>(), half};
  else
    rd = half;
}

typedef float TwoSingles __attribute__((vector_size(8)));

template <int q, int sz>
SEM fcvtn(Cpu& cpu, VDst rd, VSrc rn) {
  if constexpr (sz == 0) {
    write_half<q>(rd, call_out<ferry_a64_singles_to_halves>(&cpu, to_float_lanes(rn.as<LanesOf<0>>())));
  } else {
    u64 narrow = __builtin_bit_cast(u64, __builtin_convertvector(rn.as<LanesOf<1>>(), TwoSingles));
    LanesOf<0> result = __builtin_bit_cast(LanesOf<0>, RawVector{narrow, 0});
    write_half<q>(rd, __builtin_bit_cast(RawVector, choose_nan(cpu, result, result))[0]);
  }
}

template <int q, int sz>
SEM fcvtl(Cpu& cpu, VDst rd, VSrc rn) {
  u64 half = rn.as<RawVector>()[q];
  if constexpr (sz == 0) {
    rd = call_out<ferry_a64_halves_to_singles>(&cpu, half);
  } else {
    LanesOf<1> result = __builtin_convertvector(__builtin_bit_cast(TwoSingles, half), LanesOf<1>);
    rd = choose_nan(cpu, result, result);
  }
}

template <int q>
SEM fcvtxn_vector(Cpu& cpu, VDst rd, VSrc rn) {
  RawVector n = rn.as<RawVector>();
  u64 low = call_out<ferry_a64_double_to_single_odd>(&cpu, static_cast<u64>(n[0]));
  u64 high = call_out<ferry_a64_double_to_single_odd>(&cpu, static_cast<u64>(n[1]));
  write_half<q>(rd, high << 32 | low);
}

template <int...>
SEM fcvtxn_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  rd = static_cast<u32>(call_out<ferry_a64_double_to_single_odd>(&cpu, rn.as<u64>()));
}

// ---- Across the lanes, and the pair of a register.
template <u32 select>
FERRY_INLINE void reduce(Cpu& cpu, VDst rd, VSrc rn) {
  LanesOf<0> n = rn.as<LanesOf<0>>();
  LanesOf<0> pairs = fp_min_max<select>(cpu, pair_operand<0, 16>(n, n), pair_operand<1, 16>(n, n));
  write_lanes<4>(rd, fp_min_max<select>(cpu, pairs, __builtin_shufflevector(pairs, pairs, 1, 1, 1, 1)));
}
template <int...>
SEM fmaxv(Cpu& cpu, VDst rd, VSrc rn) {
  reduce<0>(cpu, rd, rn);
}
template <int...>
SEM fminv(Cpu& cpu, VDst rd, VSrc rn) {
  reduce<select_minimum>(cpu, rd, rn);
}
template <int...>
SEM fmaxnmv(Cpu& cpu, VDst rd, VSrc rn) {
  reduce<select_number>(cpu, rd, rn);
}
template <int...>
SEM fminnmv(Cpu& cpu, VDst rd, VSrc rn) {
  reduce<select_minimum | select_number>(cpu, rd, rn);
}

template <int sz>
SEM faddp_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  LanesOf<sz> n = rn.as<LanesOf<sz>>();
  ScalarOf<sz> first = n[0], second = n[1];
  rd = fp_add(cpu, first, second);
}

template <u32 select, int sz>
FERRY_INLINE void min_max_of_pair(Cpu& cpu, VDst rd, VSrc rn) {
  LanesOf<sz> n = rn.as<LanesOf<sz>>();
  ScalarOf<sz> first = n[0], second = n[1];
  write_lanes<scalar_bytes(sz)>(rd, fp_min_max<select>(cpu, LanesOf<sz>{first}, LanesOf<sz>{second}));
}
template <int sz>
SEM fmaxp_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  min_max_of_pair<0, sz>(cpu, rd, rn);
}
template <int sz>
SEM fminp_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  min_max_of_pair<select_minimum, sz>(cpu, rd, rn);
}
template <int sz>
SEM fmaxnmp_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  min_max_of_pair<select_number, sz>(cpu, rd, rn);
}
template <int sz>
SEM fminnmp_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  min_max_of_pair<select_minimum | select_number, sz>(cpu, rd, rn);
}

// ---- Fixed point. Scaling by a power of two after rounding is exact: the result is never subnormal.
template <bool is_unsigned, int sz, int bytes>
FERRY_INLINE void from_fixed(VDst rd, VSrc rn, u64 factor) {
  ScalarOf<sz> f = __builtin_bit_cast(ScalarOf<sz>, static_cast<BitsOf<sz>>(factor));
  write_lanes<bytes>(rd,
                     from_integers<is_unsigned, bytes, LanesOf<sz>>((BitsLanesOf<sz>)read_lanes<sz, bytes>(rn)) * f);
}
template <bool is_unsigned, int sz, int bytes>
FERRY_INLINE void to_fixed(Cpu& cpu, VDst rd, VSrc rn, u64 fraction_bits) {
  write_lanes<bytes>(
      rd, to_integers_out_of_line<Rounding::zero, is_unsigned, bytes>(cpu, read_lanes<sz, bytes>(rn), fraction_bits));
}

#define FIXED_POINT(letter, is_unsigned)                                    \
  template <int q>                                                          \
  SEM letter##cvtf_vector_fix_s(Cpu&, VDst rd, VSrc rn, Imm64 factor) {     \
    from_fixed<is_unsigned, 0, vector_bytes(q)>(rd, rn, factor);            \
  }                                                                         \
  template <int...>                                                         \
  SEM letter##cvtf_vector_fix_d(Cpu&, VDst rd, VSrc rn, Imm64 factor) {     \
    from_fixed<is_unsigned, 1, 16>(rd, rn, factor);                         \
  }                                                                         \
  template <int...>                                                         \
  SEM letter##cvtf_lane_fix_s(Cpu&, VDst rd, VSrc rn, Imm64 factor) {       \
    from_fixed<is_unsigned, 0, 4>(rd, rn, factor);                          \
  }                                                                         \
  template <int...>                                                         \
  SEM letter##cvtf_lane_fix_d(Cpu&, VDst rd, VSrc rn, Imm64 factor) {       \
    from_fixed<is_unsigned, 1, 8>(rd, rn, factor);                          \
  }                                                                         \
  template <int q>                                                          \
  SEM fcvtz##letter##_vector_fix_s(Cpu& cpu, VDst rd, VSrc rn, UImm bits) { \
    to_fixed<is_unsigned, 0, vector_bytes(q)>(cpu, rd, rn, bits);           \
  }                                                                         \
  template <int...>                                                         \
  SEM fcvtz##letter##_vector_fix_d(Cpu& cpu, VDst rd, VSrc rn, UImm bits) { \
    to_fixed<is_unsigned, 1, 16>(cpu, rd, rn, bits);                        \
  }                                                                         \
  template <int...>                                                         \
  SEM fcvtz##letter##_lane_fix_s(Cpu& cpu, VDst rd, VSrc rn, UImm bits) {   \
    to_fixed<is_unsigned, 0, 4>(cpu, rd, rn, bits);                         \
  }                                                                         \
  template <int...>                                                         \
  SEM fcvtz##letter##_lane_fix_d(Cpu& cpu, VDst rd, VSrc rn, UImm bits) {   \
    to_fixed<is_unsigned, 1, 8>(cpu, rd, rn, bits);                         \
  }
FIXED_POINT(s, false)
FIXED_POINT(u, true)

// ---- By element.
#define ELEMENT(name, expression)                                                    \
  template <int q, int sz, int l>                                                    \
    requires(is_arrangement<q, sz> && !(sz == 1 && l == 1))                          \
  SEM name(Cpu& cpu, VDst rd, VSrc rn, VSrc element) {                               \
    constexpr int bytes = vector_bytes(q);                                           \
    LanesOf<sz> n = read_lanes<sz, bytes>(rn), m = read_element<sz, bytes>(element); \
    write_lanes<bytes>(rd, expression);                                              \
  }                                                                                  \
  template <int sz, int l>                                                           \
    requires(!(sz == 1 && l == 1))                                                   \
  SEM name##_scalar(Cpu& cpu, VDst rd, VSrc rn, VSrc element) {                      \
    constexpr int bytes = scalar_bytes(sz);                                          \
    LanesOf<sz> n = read_lanes<sz, bytes>(rn), m = read_element<sz, bytes>(element); \
    write_lanes<bytes>(rd, expression);                                              \
  }
ELEMENT(fmul_element, fp_mul(cpu, n, m))
ELEMENT(fmla_element, (fp_mul_add<false, false>(cpu, read_lanes<sz, bytes>(rd), n, m)))
ELEMENT(fmls_element, (fp_mul_add<false, true>(cpu, read_lanes<sz, bytes>(rd), n, m)))
ELEMENT(fmulx_element, multiply_extended<bytes>(cpu, n, m))

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
