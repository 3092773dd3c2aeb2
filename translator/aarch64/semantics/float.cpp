// Scalar floating point: DDI 0487 C7.2.
#include "translator/aarch64/semantics/fp.h"

#define FERRY_SECTION "translator/aarch64/encodings/float.def"
#define FERRY_SECTION_NAME float

namespace ferry::aarch64 {

// ---- One source.
template <int sz>
SEM fmov_reg(Cpu&, VDst rd, VSrc rn) {
  rd = rn.as<BitsOf<sz>>();
}

template <int sz>
SEM fabs_scalar(Cpu&, VDst rd, VSrc rn) {
  rd = rn.as<BitsOf<sz>>() & ~sign_bit<sz>;
}

template <int sz>
SEM fneg_scalar(Cpu&, VDst rd, VSrc rn) {
  rd = rn.as<BitsOf<sz>>() ^ sign_bit<sz>;
}

template <int sz>
SEM fsqrt_scalar(Cpu& cpu, VDst rd, VSrc rn) {
  rd = fp_sqrt(cpu, rn.as<ScalarOf<sz>>());
}

#define ROUND_TO_INTEGRAL(name, mode)                                      \
  template <int sz>                                                        \
  SEM name(Cpu& cpu, VDst rd, VSrc rn) {                                   \
    rd = fp_round_to_integral<Integral::mode>(cpu, rn.as<ScalarOf<sz>>()); \
  }
ROUND_TO_INTEGRAL(frintn_scalar, nearest_even)
ROUND_TO_INTEGRAL(frintp_scalar, plus_infinity)
ROUND_TO_INTEGRAL(frintm_scalar, minus_infinity)
ROUND_TO_INTEGRAL(frintz_scalar, zero)
ROUND_TO_INTEGRAL(frinta_scalar, nearest_away)
ROUND_TO_INTEGRAL(frintx_scalar, exact)
ROUND_TO_INTEGRAL(frinti_scalar, current)

template <int...>
SEM fcvt_s_to_d(Cpu& cpu, VDst rd, VSrc rn) {
  double result = static_cast<double>(rn.as<float>());
  rd = choose_nan(cpu, result, result);
}

template <int...>
SEM fcvt_d_to_s(Cpu& cpu, VDst rd, VSrc rn) {
  float result = static_cast<float>(rn.as<double>());
  rd = choose_nan(cpu, result, result);
}

template <int sz>
SEM fcvt_to_h(Cpu& cpu, VDst rd, VSrc rn) {
  u64 bits = rn.as<BitsOf<sz>>();
  if constexpr (sz == 0)
    rd = static_cast<u16>(call_out<ferry_a64_single_to_half>(&cpu, bits));
  else
    rd = static_cast<u16>(call_out<ferry_a64_double_to_half>(&cpu, bits));
}

template <int sz>
SEM fcvt_from_h(Cpu& cpu, VDst rd, VSrc rn) {
  u64 bits = rn.as<u16>();
  if constexpr (sz == 0)
    rd = static_cast<u32>(call_out<ferry_a64_half_to_single>(&cpu, bits));
  else
    rd = call_out<ferry_a64_half_to_double>(&cpu, bits);
}

// ---- Two sources.
template <int sz>
SEM fmul_scalar(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  rd = fp_mul(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fdiv_scalar(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  rd = fp_div(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fadd_scalar(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  rd = fp_add(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fsub_scalar(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  rd = fp_sub(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fnmul(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  rd = -fp_mul(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

#define MIN_MAX(name, select)                                                                              \
  template <int sz>                                                                                        \
  SEM name(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {                                                          \
    constexpr int bytes = 4 << sz;                                                                         \
    write_lanes<bytes>(rd, fp_min_max<select>(cpu, read_lanes<sz, bytes>(rn), read_lanes<sz, bytes>(rm))); \
  }
MIN_MAX(fmax_scalar, 0)
MIN_MAX(fmin_scalar, select_minimum)
MIN_MAX(fmaxnm_scalar, select_number)
MIN_MAX(fminnm_scalar, select_minimum | select_number)

// ---- Three sources.
template <int sz>
SEM fmadd(Cpu& cpu, VDst rd, VSrc rn, VSrc rm, VSrc ra) {
  rd = fp_mul_add<false, false>(cpu, ra.as<ScalarOf<sz>>(), rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fmsub(Cpu& cpu, VDst rd, VSrc rn, VSrc rm, VSrc ra) {
  rd = fp_mul_add<false, true>(cpu, ra.as<ScalarOf<sz>>(), rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fnmadd(Cpu& cpu, VDst rd, VSrc rn, VSrc rm, VSrc ra) {
  rd = fp_mul_add<true, true>(cpu, ra.as<ScalarOf<sz>>(), rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz>
SEM fnmsub(Cpu& cpu, VDst rd, VSrc rn, VSrc rm, VSrc ra) {
  rd = fp_mul_add<true, false>(cpu, ra.as<ScalarOf<sz>>(), rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

// ---- Compare and select.
template <int sz, int flags>
SEM fcmp(Cpu& cpu, VSrc rn, VSrc rm) {
  fp_compare<false, flags>(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz, int flags>
SEM fcmp_zero(Cpu& cpu, VSrc rn) {
  fp_compare<false, flags>(cpu, rn.as<ScalarOf<sz>>(), ScalarOf<sz>{});
}

template <int sz, int flags>
SEM fcmpe(Cpu& cpu, VSrc rn, VSrc rm) {
  fp_compare<true, flags>(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
}

template <int sz, int flags>
SEM fcmpe_zero(Cpu& cpu, VSrc rn) {
  fp_compare<true, flags>(cpu, rn.as<ScalarOf<sz>>(), ScalarOf<sz>{});
}

template <bool is_signaling, int sz, int cond, int flags>
FERRY_INLINE void conditional_compare(Cpu& cpu, VSrc rn, VSrc rm, UImm nzcv) {
  if (condition_holds<cond>(cpu)) {
    fp_compare<is_signaling, flags>(cpu, rn.as<ScalarOf<sz>>(), rm.as<ScalarOf<sz>>());
  } else if constexpr (flags) {
    u32 bytes = static_cast<u32>(nzcv);
    __builtin_memcpy(&cpu.n, &bytes, sizeof bytes);
  }
}

template <int sz, int cond, int flags>
SEM fccmp(Cpu& cpu, VSrc rn, VSrc rm, UImm nzcv) {
  conditional_compare<false, sz, cond, flags>(cpu, rn, rm, nzcv);
}

template <int sz, int cond, int flags>
SEM fccmpe(Cpu& cpu, VSrc rn, VSrc rm, UImm nzcv) {
  conditional_compare<true, sz, cond, flags>(cpu, rn, rm, nzcv);
}

template <int sz, int cond>
SEM fcsel(Cpu& cpu, VDst rd, VSrc rn, VSrc rm) {
  BitsOf<sz> when_true = rn.as<BitsOf<sz>>(), when_false = rm.as<BitsOf<sz>>();
  rd = condition_holds<cond>(cpu) ? when_true : when_false;
}

// ---- Immediate, and moves between general and vector registers.
template <int sz>
SEM fmov_scalar_imm(Cpu&, VDst rd, Imm64 bits) {
  rd = static_cast<BitsOf<sz>>(bits);
}

template <int...>
SEM fmov_w_to_s(Cpu&, VDst rd, Src<0> rn) {
  rd = rn.get();
}

template <int...>
SEM fmov_s_to_w(Cpu&, Dst<0> rd, VSrc rn) {
  rd = rn.as<u32>();
}

template <int...>
SEM fmov_x_to_d(Cpu&, VDst rd, Src<1> rn) {
  rd = rn.get();
}

template <int...>
SEM fmov_d_to_x(Cpu&, Dst<1> rd, VSrc rn) {
  rd = rn.as<u64>();
}

template <int...>
SEM fmov_x_to_top(Cpu&, Dst<1> rd_top, Src<1> rn) {
  rd_top = rn;
}

template <int...>
SEM fmov_top_to_x(Cpu&, Dst<1> rd, Src<1> rn_top) {
  rd = rn_top;
}

// ---- Conversion between floating point and integer.
template <int sf, int sz>
SEM scvtf_scalar_int(Cpu&, VDst rd, Src<sf> rn) {
  rd = from_integer<ScalarOf<sz>>(static_cast<SignedOf<sf>>(rn.get()));
}

template <int sf, int sz>
SEM ucvtf_scalar_int(Cpu&, VDst rd, Src<sf> rn) {
  rd = from_integer<ScalarOf<sz>>(rn.get());
}

#define TO_INTEGER(letter, mode)                                                                            \
  template <int sf, int sz>                                                                                 \
  SEM fcvt##letter##s_scalar(Cpu& cpu, Dst<sf> rd, VSrc rn) {                                               \
    rd = static_cast<UnsignedOf<sf>>(to_integer<Rounding::mode, SignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>())); \
  }                                                                                                         \
  template <int sf, int sz>                                                                                 \
  SEM fcvt##letter##u_scalar(Cpu& cpu, Dst<sf> rd, VSrc rn) {                                               \
    rd = to_integer<Rounding::mode, UnsignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>());                            \
  }
TO_INTEGER(n, nearest_even)
TO_INTEGER(p, plus_infinity)
TO_INTEGER(m, minus_infinity)
TO_INTEGER(a, nearest_away)

template <int sf, int sz>
SEM fcvtzs_scalar_int(Cpu& cpu, Dst<sf> rd, VSrc rn) {
  rd = static_cast<UnsignedOf<sf>>(to_integer<Rounding::zero, SignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>()));
}

template <int sf, int sz>
SEM fcvtzu_scalar_int(Cpu& cpu, Dst<sf> rd, VSrc rn) {
  rd = to_integer<Rounding::zero, UnsignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>());
}

// Scaling by a power of two after rounding is exact: the result is never subnormal.
template <int sf, int sz, int scale_5>
  requires(sf == 1 || scale_5 == 1)
SEM scvtf_scalar_fix(Cpu&, VDst rd, Src<sf> rn, Imm64 factor) {
  rd = from_integer<ScalarOf<sz>>(static_cast<SignedOf<sf>>(rn.get())) *
       __builtin_bit_cast(ScalarOf<sz>, static_cast<BitsOf<sz>>(factor));
}

template <int sf, int sz, int scale_5>
  requires(sf == 1 || scale_5 == 1)
SEM ucvtf_scalar_fix(Cpu&, VDst rd, Src<sf> rn, Imm64 factor) {
  rd = from_integer<ScalarOf<sz>>(rn.get()) * __builtin_bit_cast(ScalarOf<sz>, static_cast<BitsOf<sz>>(factor));
}

template <int sf, int sz, int scale_5>
  requires(sf == 1 || scale_5 == 1)
SEM fcvtzs_scalar_fix(Cpu& cpu, Dst<sf> rd, VSrc rn, UImm fraction_bits) {
  rd = static_cast<UnsignedOf<sf>>(
      to_integer_out_of_line<Rounding::zero, SignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>(), fraction_bits));
}

template <int sf, int sz, int scale_5>
  requires(sf == 1 || scale_5 == 1)
SEM fcvtzu_scalar_fix(Cpu& cpu, Dst<sf> rd, VSrc rn, UImm fraction_bits) {
  rd = to_integer_out_of_line<Rounding::zero, UnsignedOf<sf>>(cpu, rn.as<ScalarOf<sz>>(), fraction_bits);
}

#undef ROUND_TO_INTEGRAL
#undef MIN_MAX
#undef TO_INTEGER
#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
