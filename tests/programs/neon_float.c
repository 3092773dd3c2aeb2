// Advanced SIMD on floating point: an intrinsic a line, over random bits, ordinary numbers, infinities, NaNs and subnormals.
#include <arm_neon.h>

#include "program.h"

enum { rounds = 300 };

static void fill_floats(float* f, int n) {
  for (int i = 0; i < n; i++) {
    uint64_t r = next_random();
    uint32_t bits = (uint32_t)(r >> 32);
    static const uint32_t edges[] = {0,          0x80000000, 0x3f800000, 0x7f800000, 0xff800000, 0x7fc00000,
                                     0x7fa00001, 1,          0x807fffff, 0x7f7fffff, 0x4f000000, 0xcf000001};
    switch (r % 4) {
      case 0:
        bits = edges[r / 4 % 12];
        break;
      case 1:
      case 2: {
        float number = (float)(int32_t)bits / 65536.0f;
        memcpy(&bits, &number, 4);
        break;
      }
      default:
        break;
    }
    memcpy(f + i, &bits, 4);
  }
}
static void fill_doubles(double* d, int n) {
  for (int i = 0; i < n; i++) {
    uint64_t r = next_random(), bits = next_random();
    static const uint64_t edges[] = {0,
                                     1ull << 63,
                                     0x3ff0000000000000,
                                     0x7ff0000000000000,
                                     0xfff0000000000000,
                                     0x7ff8000000000000,
                                     0x7ff4000000000001,
                                     1,
                                     0x800fffffffffffff,
                                     0x7fefffffffffffff,
                                     0x43e0000000000000,
                                     0xc3e0000000000001};
    switch (r % 4) {
      case 0:
        bits = edges[r / 4 % 12];
        break;
      case 1:
      case 2: {
        double number = (double)(int64_t)bits / 4294967296.0;
        memcpy(&bits, &number, 8);
        break;
      }
      default:
        break;
    }
    memcpy(d + i, &bits, 8);
  }
}

#define RUN(name, type, fill, expression)                           \
  do {                                                              \
    uint64_t hash = HASH_START;                                     \
    for (int i = 0; i < rounds; i++) {                              \
      type a, b, c;                                                 \
      fill((void*)&a, (int)(sizeof a / sizeof a[0]));               \
      fill((void*)&b, (int)(sizeof b / sizeof b[0]));               \
      fill((void*)&c, (int)(sizeof c / sizeof c[0]));               \
      HASH(hash, (expression));                                     \
      (void)a, (void)b, (void)c;                                    \
    }                                                               \
    uint64_t fpsr;                                                  \
    __asm__ volatile("mrs %0, fpsr\n\tmsr fpsr, xzr" : "=r"(fpsr)); \
    HASH(hash, fpsr & 0x9f);                                        \
    print_hash(name, hash);                                         \
  } while (0)

#define EACH(name, call)                                          \
  RUN(#name "q_f32", float32x4_t, fill_floats, name##q_f32 call); \
  RUN(#name "_f32", float32x2_t, fill_floats, name##_f32 call);   \
  RUN(#name "q_f64", float64x2_t, fill_doubles, name##q_f64 call)
#define CONVERT(name, integer, wide)                                              \
  RUN(#name "q_" #integer, float32x4_t, fill_floats, name##q_##integer##_f32(a)); \
  RUN(#name "q_" #wide, float64x2_t, fill_doubles, name##q_##wide##_f64(a))

int main(void) {
  EACH(vadd, (a, b));
  EACH(vsub, (a, b));
  EACH(vmul, (a, b));
  EACH(vdiv, (a, b));
  EACH(vabd, (a, b));
  EACH(vmulx, (a, b));
  EACH(vmax, (a, b));
  EACH(vmin, (a, b));
  EACH(vmaxnm, (a, b));
  EACH(vminnm, (a, b));
  EACH(vpadd, (a, b));
  EACH(vpmax, (a, b));
  EACH(vpminnm, (a, b));
  EACH(vfma, (a, b, c));
  EACH(vfms, (a, b, c));
  EACH(vsqrt, (a));
  EACH(vabs, (a));
  EACH(vneg, (a));
  EACH(vceq, (a, b));
  EACH(vcge, (a, b));
  EACH(vcgt, (a, b));
  EACH(vcle, (a, b));
  EACH(vclt, (a, b));
  EACH(vcage, (a, b));
  EACH(vcagt, (a, b));
  EACH(vceqz, (a));
  EACH(vcgez, (a));
  EACH(vcgtz, (a));
  EACH(vclez, (a));
  EACH(vcltz, (a));
  EACH(vrnd, (a));
  EACH(vrnda, (a));
  EACH(vrndi, (a));
  EACH(vrndm, (a));
  EACH(vrndn, (a));
  EACH(vrndp, (a));
  EACH(vrndx, (a));
  EACH(vrecpe, (a));
  EACH(vrecps, (a, b));
  EACH(vrsqrte, (a));
  EACH(vrsqrts, (a, b));
  EACH(vzip1, (a, b));
  EACH(vuzp2, (a, b));
  EACH(vtrn1, (a, b));
  CONVERT(vcvt, s32, s64);
  CONVERT(vcvt, u32, u64);
  CONVERT(vcvta, s32, s64);
  CONVERT(vcvtn, u32, u64);
  CONVERT(vcvtm, s32, s64);
  CONVERT(vcvtp, u32, u64);
  RUN("vcvt_f32_s32", float32x4_t, fill_floats, vcvtq_f32_s32(vreinterpretq_s32_f32(a)));
  RUN("vcvt_f32_u32", float32x4_t, fill_floats, vcvtq_f32_u32(vreinterpretq_u32_f32(a)));
  RUN("vcvt_f64_s64", float64x2_t, fill_doubles, vcvtq_f64_s64(vreinterpretq_s64_f64(a)));
  RUN("vcvt_f64_u64", float64x2_t, fill_doubles, vcvtq_f64_u64(vreinterpretq_u64_f64(a)));
  RUN("vcvt_n_f32", float32x4_t, fill_floats, vcvtq_n_f32_s32(vreinterpretq_s32_f32(a), 12));
  RUN("vcvt_n_s32", float32x4_t, fill_floats, vcvtq_n_s32_f32(a, 9));
  RUN("vcvt_n_u64", float64x2_t, fill_doubles, vcvtq_n_u64_f64(a, 33));
  RUN("vcvt_f64_f32", float32x2_t, fill_floats, vcvt_f64_f32(a));
  RUN("vcvt_f32_f64", float64x2_t, fill_doubles, vcvt_f32_f64(a));
  RUN("vcvt_high", float32x4_t, fill_floats, vcvt_high_f64_f32(a));
  RUN("vcvtx", float64x2_t, fill_doubles, vcvtx_f32_f64(a));
  RUN("half", float32x4_t, fill_floats, vcvt_f32_f16(vcvt_f16_f32(a)));
  RUN("vfma_lane", float32x4_t, fill_floats, vfmaq_laneq_f32(a, b, c, 3));
  RUN("vmul_lane", float64x2_t, fill_doubles, vmulq_laneq_f64(a, b, 1));
  RUN("vmul_n", float32x2_t, fill_floats, vmul_n_f32(a, b[1]));
  RUN("vmaxv", float32x4_t, fill_floats, vmaxvq_f32(a));
  RUN("vminnmv", float32x4_t, fill_floats, vminnmvq_f32(a));
  RUN("vaddv", float64x2_t, fill_doubles, vaddvq_f64(a));
  RUN("vrecpe_u32", float32x4_t, fill_floats, vrecpeq_u32(vreinterpretq_u32_f32(a)));
  RUN("vrsqrte_u32", float32x4_t, fill_floats, vrsqrteq_u32(vreinterpretq_u32_f32(a)));
  return 0;
}
