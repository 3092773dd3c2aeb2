// Advanced SIMD on integers: an intrinsic a line, each over random and extreme lanes, its results hashed.
#include <arm_neon.h>

#include "program.h"

enum { rounds = 120 };

static void fill(void* bytes, size_t size) {
  uint8_t* b = bytes;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t r = next_random();
    switch (next_random() % 6) {
      case 0:
        r = 0;
        break;
      case 1:
        r = ~0ull;
        break;
      case 2:
        r = 0x8000000080000000 | (r & 0x8080808080808080);
        break;
      case 3:
        r = 0x7fffffff7fffffff;
        break;
      default:
        break;
    }
    memcpy(b + i, &r, 8);
  }
}

static uint64_t saturated(void) {
  uint64_t fpsr;
  __asm__ volatile("mrs %0, fpsr\n\tmsr fpsr, xzr" : "=r"(fpsr));
  return fpsr >> 27 & 1;
}

#define RUN(name, type, ...)           \
  do {                                 \
    uint64_t hash = HASH_START;        \
    for (int i = 0; i < rounds; i++) { \
      type a, b, c;                    \
      fill(&a, sizeof a);              \
      fill(&b, sizeof b);              \
      fill(&c, sizeof c);              \
      HASH(hash, (__VA_ARGS__));       \
      HASH(hash, saturated());         \
      (void)a, (void)b, (void)c;       \
    }                                  \
    print_hash(name, hash);            \
  } while (0)

#define ONE(op, t, type) RUN(#op "_" #t, type, op##_##t(a))
#define TWO(op, t, type) RUN(#op "_" #t, type, op##_##t(a, b))
#define THREE(op, t, type) RUN(#op "_" #t, type, op##_##t(a, b, c))
#define BY(op, t, type, n) RUN(#op "_" #t "_" #n, type, op##_##t(a, n))
#define INTO(op, t, type, n) RUN(#op "_" #t "_" #n, type, op##_##t(a, b, n))

#define SIGNED(F, op)       \
  F(op##q, s8, int8x16_t);  \
  F(op##q, s16, int16x8_t); \
  F(op##q, s32, int32x4_t); \
  F(op, s8, int8x8_t);      \
  F(op, s16, int16x4_t);    \
  F(op, s32, int32x2_t)
#define UNSIGNED(F, op)      \
  F(op##q, u8, uint8x16_t);  \
  F(op##q, u16, uint16x8_t); \
  F(op##q, u32, uint32x4_t); \
  F(op, u8, uint8x8_t);      \
  F(op, u16, uint16x4_t);    \
  F(op, u32, uint32x2_t)
#define WIDE(F, op)         \
  F(op##q, s64, int64x2_t); \
  F(op##q, u64, uint64x2_t)
#define BYTES(F, op)        \
  F(op##q, s8, int8x16_t);  \
  F(op##q, u8, uint8x16_t); \
  F(op, u8, uint8x8_t)
#define SMALL(F, op) \
  SIGNED(F, op);     \
  UNSIGNED(F, op)
#define ALL(F, op) \
  SMALL(F, op);    \
  WIDE(F, op)

#define LONG(F, op)       \
  F(op, s8, int8x8_t);    \
  F(op, s16, int16x4_t);  \
  F(op, s32, int32x2_t);  \
  F(op, u8, uint8x8_t);   \
  F(op, u16, uint16x4_t); \
  F(op, u32, uint32x2_t)
#define HIGH(F, op)              \
  F(op##_high, s8, int8x16_t);   \
  F(op##_high, s16, int16x8_t);  \
  F(op##_high, s32, int32x4_t);  \
  F(op##_high, u8, uint8x16_t);  \
  F(op##_high, u16, uint16x8_t); \
  F(op##_high, u32, uint32x4_t)
#define NARROW(F, op)     \
  F(op, s16, int16x8_t);  \
  F(op, s32, int32x4_t);  \
  F(op, s64, int64x2_t);  \
  F(op, u16, uint16x8_t); \
  F(op, u32, uint32x4_t); \
  F(op, u64, uint64x2_t)
#define NARROW_SIGNED(F, op) \
  F(op, s16, int16x8_t);     \
  F(op, s32, int32x4_t);     \
  F(op, s64, int64x2_t)

#define SHIFT_ALL(op, n)           \
  BY(op##q_n, s8, int8x16_t, n);   \
  BY(op##q_n, s16, int16x8_t, n);  \
  BY(op##q_n, s32, int32x4_t, n);  \
  BY(op##q_n, s64, int64x2_t, n);  \
  BY(op##q_n, u8, uint8x16_t, n);  \
  BY(op##q_n, u16, uint16x8_t, n); \
  BY(op##q_n, u32, uint32x4_t, n); \
  BY(op##q_n, u64, uint64x2_t, n); \
  BY(op##_n, s16, int16x4_t, n)
#define INTO_ALL(op, n)              \
  INTO(op##q_n, s8, int8x16_t, n);   \
  INTO(op##q_n, s16, int16x8_t, n);  \
  INTO(op##q_n, s32, int32x4_t, n);  \
  INTO(op##q_n, s64, int64x2_t, n);  \
  INTO(op##q_n, u8, uint8x16_t, n);  \
  INTO(op##q_n, u16, uint16x8_t, n); \
  INTO(op##q_n, u32, uint32x4_t, n); \
  INTO(op##q_n, u64, uint64x2_t, n)
#define SHIFT_NARROW(op, n)       \
  BY(op##_n, s16, int16x8_t, n);  \
  BY(op##_n, s32, int32x4_t, n);  \
  BY(op##_n, s64, int64x2_t, n);  \
  BY(op##_n, u16, uint16x8_t, n); \
  BY(op##_n, u32, uint32x4_t, n); \
  BY(op##_n, u64, uint64x2_t, n)

static void arithmetic(void) {
  ALL(TWO, vadd);
  ALL(TWO, vsub);
  SMALL(TWO, vmul);
  SMALL(THREE, vmla);
  SMALL(THREE, vmls);
  SMALL(TWO, vhadd);
  SMALL(TWO, vhsub);
  SMALL(TWO, vrhadd);
  ALL(TWO, vqadd);
  ALL(TWO, vqsub);
  SMALL(TWO, vabd);
  SMALL(THREE, vaba);
  SMALL(TWO, vmax);
  SMALL(TWO, vmin);
  SMALL(TWO, vpmax);
  SMALL(TWO, vpmin);
  ALL(TWO, vpadd);
  SIGNED(ONE, vabs);
  SIGNED(ONE, vneg);
  SIGNED(ONE, vqabs);
  SIGNED(ONE, vqneg);
  ONE(vabsq, s64, int64x2_t);
  ONE(vnegq, s64, int64x2_t);
  ONE(vqabsq, s64, int64x2_t);
  ONE(vqnegq, s64, int64x2_t);
  TWO(vqdmulhq, s16, int16x8_t);
  TWO(vqdmulhq, s32, int32x4_t);
  TWO(vqrdmulhq, s16, int16x8_t);
  TWO(vqrdmulhq, s32, int32x4_t);
  TWO(vqdmulh, s16, int16x4_t);
  RUN("vsqadd", uint8x16_t, vsqaddq_u8(a, vreinterpretq_s8_u8(b)));
  RUN("vuqadd", int16x8_t, vuqaddq_s16(a, vreinterpretq_u16_s16(b)));
}

static void comparisons(void) {
  ALL(TWO, vceq);
  ALL(TWO, vcge);
  ALL(TWO, vcgt);
  ALL(TWO, vcle);
  ALL(TWO, vclt);
  ALL(TWO, vtst);
  ALL(ONE, vceqz);
  SIGNED(ONE, vcgez);
  SIGNED(ONE, vcgtz);
  SIGNED(ONE, vclez);
  SIGNED(ONE, vcltz);
  ONE(vcltzq, s64, int64x2_t);
}

static void logic(void) {
  ALL(TWO, vand);
  ALL(TWO, vorr);
  ALL(TWO, veor);
  ALL(TWO, vbic);
  ALL(TWO, vorn);
  RUN("vbsl", uint8x16_t, vbslq_u8(a, b, c));
  RUN("vbif", uint32x4_t, vbslq_u32(c, a, b));
  RUN("vmvn", uint8x16_t, vmvnq_u8(a));
  BYTES(ONE, vcnt);
  SMALL(ONE, vclz);
  SIGNED(ONE, vcls);
  BYTES(ONE, vrbit);
  ONE(vrev16q, u8, uint8x16_t);
  ONE(vrev32q, u8, uint8x16_t);
  ONE(vrev32q, u16, uint16x8_t);
  ONE(vrev64q, u8, uint8x16_t);
  ONE(vrev64q, u16, uint16x8_t);
  ONE(vrev64q, u32, uint32x4_t);
  ONE(vrev64, u8, uint8x8_t);
  RUN("bic_imm", uint32x4_t, vbicq_u32(a, vdupq_n_u32(0x0000ab00)));
  RUN("orr_imm", uint16x8_t, vorrq_u16(a, vdupq_n_u16(0x5500)));
}

static void shifts(void) {
  SHIFT_ALL(vshr, 1);
  SHIFT_ALL(vshr, 7);
  SHIFT_ALL(vshl, 3);
  SHIFT_ALL(vrshr, 5);
  SHIFT_ALL(vqshl, 4);
  INTO_ALL(vsra, 3);
  INTO_ALL(vrsra, 6);
  INTO_ALL(vsli, 5);
  INTO_ALL(vsri, 2);
  SHIFT_NARROW(vshrn, 4);
  SHIFT_NARROW(vrshrn, 3);
  SHIFT_NARROW(vqshrn, 5);
  SHIFT_NARROW(vqrshrn, 2);
  BY(vqshrun_n, s16, int16x8_t, 3);
  BY(vqshrun_n, s64, int64x2_t, 9);
  BY(vqrshrun_n, s32, int32x4_t, 7);
  BY(vqshluq_n, s8, int8x16_t, 2);
  BY(vshll_n, s8, int8x8_t, 3);
  BY(vshll_n, u16, uint16x4_t, 9);
  BY(vshll_n, s32, int32x2_t, 31);
  BY(vshll_n, u8, uint8x8_t, 8);
#define VARIABLE(op)                                                   \
  RUN(#op "_s8", int8x16_t, op##q_s8(a, b));                           \
  RUN(#op "_s16", int16x8_t, op##q_s16(a, b));                         \
  RUN(#op "_s32", int32x4_t, op##q_s32(a, b));                         \
  RUN(#op "_s64", int64x2_t, op##q_s64(a, b));                         \
  RUN(#op "_u8", uint8x16_t, op##q_u8(a, vreinterpretq_s8_u8(b)));     \
  RUN(#op "_u16", uint16x8_t, op##q_u16(a, vreinterpretq_s16_u16(b))); \
  RUN(#op "_u32", uint32x4_t, op##q_u32(a, vreinterpretq_s32_u32(b))); \
  RUN(#op "_u64", uint64x2_t, op##q_u64(a, vreinterpretq_s64_u64(b))); \
  RUN(#op "_small", int8x16_t, op##q_s8(a, vandq_s8(b, vdupq_n_s8(15))))
  VARIABLE(vshl);
  VARIABLE(vrshl);
  VARIABLE(vqshl);
  VARIABLE(vqrshl);
}

static void widths(void) {
  LONG(TWO, vaddl);
  LONG(TWO, vsubl);
  LONG(TWO, vmull);
  LONG(TWO, vabdl);
  LONG(ONE, vmovl);
  HIGH(TWO, vaddl);
  HIGH(TWO, vsubl);
  HIGH(TWO, vmull);
  HIGH(TWO, vabdl);
  HIGH(ONE, vmovl);
  NARROW(ONE, vmovn);
  NARROW(ONE, vqmovn);
  NARROW_SIGNED(ONE, vqmovun);
  NARROW(TWO, vaddhn);
  NARROW(TWO, vsubhn);
  NARROW(TWO, vraddhn);
  NARROW(TWO, vrsubhn);
  RUN("vaddw", int16x8_t, vaddw_s8(a, vget_low_s8(vreinterpretq_s8_s16(b))));
  RUN("vaddw_u", uint32x4_t, vaddw_high_u16(a, vreinterpretq_u16_u32(b)));
  RUN("vsubw", uint64x2_t, vsubw_u32(a, vget_low_u32(vreinterpretq_u32_u64(b))));
  RUN("vmlal", int8x8_t, vmlal_s8(vmull_s8(a, b), b, c));
  RUN("vmlal_u", uint16x4_t, vmlal_u16(vmull_u16(a, b), b, c));
  RUN("vmlsl", int32x2_t, vmlsl_s32(vmull_s32(a, b), b, c));
  RUN("vmlsl_high", uint8x16_t, vmlsl_high_u8(vmull_high_u8(a, b), b, c));
  RUN("vabal", uint8x8_t, vabal_u8(vmull_u8(a, b), b, c));
  TWO(vqdmull, s16, int16x4_t);
  TWO(vqdmull, s32, int32x2_t);
  RUN("vqdmlal", int16x4_t, vqdmlal_s16(vqdmull_s16(a, b), b, c));
  RUN("vqdmlsl", int32x2_t, vqdmlsl_s32(vqdmull_s32(a, b), b, c));
  RUN("vmull_p8", poly8x8_t, vmull_p8(a, b));
  RUN("vmul_p8", poly8x16_t, vmulq_p8(a, b));
  RUN("vqmovn_high", int32x4_t, vqmovn_high_s32(vqmovn_s32(a), b));
  RUN("vshrn_high", uint64x2_t, vshrn_high_n_u64(vmovn_u64(a), b, 11));
  RUN("sqxtn_scalar", int16x8_t, vqmovnh_s16(vgetq_lane_s16(a, 3)));
  RUN("sqadd_scalar", int32x4_t, vqadds_s32(vgetq_lane_s32(a, 0), vgetq_lane_s32(b, 1)));
  RUN("uqsub_scalar", uint8x16_t, vqsubb_u8(vgetq_lane_u8(a, 5), vgetq_lane_u8(b, 9)));
}

static void reductions(void) {
#define ACROSS(op)                           \
  RUN(#op "_s8", int8x16_t, op##q_s8(a));    \
  RUN(#op "_s16", int16x8_t, op##q_s16(a));  \
  RUN(#op "_s32", int32x4_t, op##q_s32(a));  \
  RUN(#op "_u8", uint8x16_t, op##q_u8(a));   \
  RUN(#op "_u16", uint16x8_t, op##q_u16(a)); \
  RUN(#op "_u32", uint32x4_t, op##q_u32(a)); \
  RUN(#op "_d", uint8x8_t, op##_u8(a))
  ACROSS(vaddv);
  ACROSS(vmaxv);
  ACROSS(vminv);
  ACROSS(vaddlv);
  ACROSS(vpaddl);
  RUN("vpadal", uint8x16_t, vpadalq_u8(vpaddlq_u8(b), a));
  RUN("vpadal_s", int32x4_t, vpadalq_s32(vpaddlq_s32(b), a));
  RUN("vaddvq_s64", int64x2_t, vaddvq_s64(a));
}

static void permutations(void) {
  ALL(TWO, vzip1);
  ALL(TWO, vzip2);
  ALL(TWO, vuzp1);
  ALL(TWO, vuzp2);
  ALL(TWO, vtrn1);
  ALL(TWO, vtrn2);
  RUN("vext1", uint8x16_t, vextq_u8(a, b, 1));
  RUN("vext11", uint8x16_t, vextq_u8(a, b, 11));
  RUN("vext_d", uint8x8_t, vext_u8(a, b, 5));
  RUN("vqtbl1", uint8x16_t, vqtbl1q_u8(a, vandq_u8(b, vdupq_n_u8(31))));
  RUN("vqtbl2", uint8x16_t, vqtbl2q_u8(((uint8x16x2_t){{a, c}}), vandq_u8(b, vdupq_n_u8(63))));
  RUN("vqtbl3", uint8x16_t, vqtbl3q_u8(((uint8x16x3_t){{a, c, b}}), vandq_u8(b, vdupq_n_u8(63))));
  RUN("vqtbl4", uint8x16_t, vqtbl4q_u8(((uint8x16x4_t){{a, c, b, a}}), vandq_u8(b, vdupq_n_u8(127))));
  RUN("vqtbx1", uint8x16_t, vqtbx1q_u8(a, b, vandq_u8(c, vdupq_n_u8(31))));
  RUN("vqtbx4", uint8x16_t, vqtbx4q_u8(c, ((uint8x16x4_t){{a, c, b, a}}), vandq_u8(b, vdupq_n_u8(127))));
  RUN("vtbl1", uint8x8_t, vtbl1_u8(a, vand_u8(b, vdup_n_u8(15))));
  RUN("vdup_lane", uint16x8_t, vdupq_laneq_u16(a, 5));
  RUN("vcopy", uint32x4_t, vcopyq_laneq_u32(a, 1, b, 3));
  RUN("vset", uint8x16_t, vsetq_lane_u8((uint8_t)i, a, 9));
  RUN("vmul_lane", int16x8_t, vmulq_laneq_s16(a, b, 6));
  RUN("vmla_lane", uint32x4_t, vmlaq_laneq_u32(a, b, c, 2));
  RUN("vqdmulh_lane", int32x4_t, vqdmulhq_laneq_s32(a, b, 1));
  RUN("vmull_lane", int16x4_t, vmull_lane_s16(a, b, 3));
  RUN("sign", int8x16_t, vgetq_lane_s8(a, 15) + (int64_t)vgetq_lane_s8(b, 0) + vgetq_lane_s8(c, 7));
}

static void memory(void) {
  uint8_t in[256], out[256];
  uint64_t hash = HASH_START;
#define MOVE(n, q, t, from, to)                                              \
  do {                                                                       \
    fill(in, sizeof in);                                                     \
    memset(out, 0, sizeof out);                                              \
    vst##n##q##_##t((void*)(out + to), vld##n##q##_##t((void*)(in + from))); \
    HASH(hash, hash_bytes(7, out, sizeof out));                              \
  } while (0)
#define CROSS(n, q, t, m)                                                        \
  do {                                                                           \
    fill(in, sizeof in);                                                         \
    memset(out, 0, sizeof out);                                                  \
    __typeof__(vld##n##q##_##t((void*)in)) v = vld##n##q##_##t((void*)(in + 3)); \
    vst##m##q##_##t((void*)(out + 5), v.val[m - 1]);                             \
    HASH(hash, hash_bytes(7, out, sizeof out));                                  \
  } while (0)
  for (int i = 0; i < 50; i++) {
    MOVE(1, q, u8, 1, 3);
    MOVE(1, , u16, 2, 6);
    MOVE(2, q, u8, 7, 9);
    MOVE(2, q, u16, 0, 2);
    MOVE(2, , u32, 4, 8);
    MOVE(2, q, u64, 8, 16);
    MOVE(3, q, u8, 1, 1);
    MOVE(3, , u8, 5, 3);
    MOVE(3, q, u32, 0, 4);
    MOVE(4, q, u8, 0, 0);
    MOVE(4, q, u16, 6, 2);
    MOVE(4, , u16, 0, 10);
    MOVE(4, q, u64, 0, 8);
    CROSS(2, q, u8, 1);
    CROSS(3, q, u16, 1);
    CROSS(4, q, u32, 1);
    fill(in, sizeof in);
    uint8x16x4_t four = vld1q_u8_x4(in + 1);
    vst1q_u8_x3(out, ((uint8x16x3_t){{four.val[3], four.val[1], four.val[0]}}));
    vst1q_u8_x2(out + 100, vld1q_u8_x2(in + 50));
    uint8x16x3_t three = vld3q_lane_u8(in + 9, ((uint8x16x3_t){{four.val[0], four.val[1], four.val[2]}}), 7);
    vst3q_lane_u8(out + 60, three, 7);
    vst4q_lane_u32((uint32_t*)(void*)(out + 200), vld4q_dup_u32((uint32_t*)(void*)(in + 8)), 2);
    vst1q_lane_u64((uint64_t*)(void*)(out + 240), vreinterpretq_u64_u16(vld1q_dup_u16((uint16_t*)(void*)(in + 12))), 1);
    vst2q_u16((uint16_t*)(void*)(out + 140), vld2q_dup_u16((uint16_t*)(void*)(in + 14)));
    HASH(hash, hash_bytes(7, out, sizeof out));
  }
  print_hash("memory", hash);
}

int main(void) {
  arithmetic(), comparisons(), logic(), shifts(), widths(), reductions(), permutations(), memory();
  return 0;
}
