// Floating point to the bit: NaN propagation, rounding modes, exception flags, subnormals, saturating conversions, minimum
// and maximum, fused operations. Operands come from volatile memory so that nothing is folded at compile time.
#include <fenv.h>
#include <math.h>

#include "program.h"

#pragma STDC FENV_ACCESS ON

static const uint64_t double_bits[] = {0,
                                       0x8000000000000000,
                                       1,
                                       0x800fffffffffffff,
                                       0x0010000000000000,
                                       0x3ff0000000000000,
                                       0xbff0000000000000,
                                       0x3fe0000000000000,
                                       0x4004000000000000,
                                       0x3fb999999999999a,
                                       0x7fefffffffffffff,
                                       0x7ff0000000000000,
                                       0xfff0000000000000,
                                       0x7ff8000000000000,
                                       0xfff8000000001234,
                                       0x7ff0000000000001,
                                       0xfff4000000000000,
                                       0x41dfffffffc00000,
                                       0xc1e0000000000000,
                                       0x41efffffffe00000,
                                       0x43e0000000000000,
                                       0x43f0000000000000,
                                       0x4330000000000001};
enum { count = sizeof double_bits / sizeof double_bits[0] };

static volatile double doubles[count];
static volatile float floats[count];

// The instruction itself: the compiler must not choose another.
#define TWO(type, constraint, width, instruction, a, b)                                                   \
  ({                                                                                                      \
    type r_, a_ = (a), b_ = (b);                                                                          \
    __asm__ volatile(instruction " %" width "0, %" width "1, %" width "2" : "=w"(r_) : "w"(a_), "w"(b_)); \
    r_;                                                                                                   \
  })
#define ONE(type, width, instruction, a)                                            \
  ({                                                                                \
    type r_, a_ = (a);                                                              \
    __asm__ volatile(instruction " %" width "0, %" width "1" : "=w"(r_) : "w"(a_)); \
    r_;                                                                             \
  })
#define THREE(type, width, instruction, a, b, c)                                       \
  ({                                                                                   \
    type r_, a_ = (a), b_ = (b), c_ = (c);                                             \
    __asm__ volatile(instruction " %" width "0, %" width "1, %" width "2, %" width "3" \
                     : "=w"(r_)                                                        \
                     : "w"(a_), "w"(b_), "w"(c_));                                     \
    r_;                                                                                \
  })
#define CONVERT(type, out, from, width, instruction, a)                           \
  ({                                                                              \
    type r_;                                                                      \
    from a_ = (a);                                                                \
    __asm__ volatile(instruction " %" out "0, %" width "1" : "=r"(r_) : "w"(a_)); \
    r_;                                                                           \
  })

static int flushing;
// A result rounded up to the smallest normal number has underflowed on AArch64, which tells before rounding, but not on x86-64.
static uint64_t not_told;
static uint64_t flags(void) {
  uint64_t fpsr;
  __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
  __asm__ volatile("msr fpsr, xzr");
  // What flushing to zero adds to the flags is not told by x86-64: only results are compared then.
  return flushing ? 0 : fpsr & 0x9f & ~not_told;
}

#define EACH_PAIR(name, ...)            \
  do {                                  \
    uint64_t hash = HASH_START;         \
    flags();                            \
    for (int i = 0; i < count; i++)     \
      for (int j = 0; j < count; j++) { \
        __VA_ARGS__;                    \
        HASH(hash, flags());            \
      }                                 \
    printf("%-8s ", mode);              \
    print_hash(name, hash);             \
  } while (0)

#define PAIRED(instruction)                                                                       \
  EACH_PAIR(instruction, HASH(hash, TWO(double, "w", "d", instruction, doubles[i], doubles[j]))); \
  EACH_PAIR(instruction "_s", HASH(hash, TWO(float, "w", "s", instruction, floats[i], floats[j])))
#define SINGLE(instruction)                                                                  \
  EACH_PAIR(instruction, if (j == 0) HASH(hash, ONE(double, "d", instruction, doubles[i]))); \
  EACH_PAIR(instruction "_s", if (j == 0) HASH(hash, ONE(float, "s", instruction, floats[i])))
#define TRIPLE(instruction)                                                                                 \
  EACH_PAIR(instruction,                                                                                    \
            HASH(hash, THREE(double, "d", instruction, doubles[i], doubles[j], doubles[(i + j) % count]))); \
  EACH_PAIR(instruction "_s",                                                                               \
            HASH(hash, THREE(float, "s", instruction, floats[i], floats[j], floats[(i * 3 + j) % count])))
#define TO_INTEGER(instruction)                                                                                       \
  EACH_PAIR(instruction "_xd", if (j == 0) HASH(hash, CONVERT(uint64_t, "x", double, "d", instruction, doubles[i]))); \
  EACH_PAIR(instruction "_wd", if (j == 0) HASH(hash, CONVERT(uint64_t, "w", double, "d", instruction, doubles[i]))); \
  EACH_PAIR(instruction "_xs", if (j == 0) HASH(hash, CONVERT(uint64_t, "x", float, "s", instruction, floats[i])));   \
  EACH_PAIR(instruction "_ws", if (j == 0) HASH(hash, CONVERT(uint64_t, "w", float, "s", instruction, floats[i])))

static void from_integers(const char* mode) {
  EACH_PAIR("from_integers", {
    volatile uint64_t bits = double_bits[i] >> (j * 2);
    HASH(hash, (double)(int64_t)bits);
    HASH(hash, (double)bits);
    HASH(hash, (float)(int64_t)bits);
    HASH(hash, (float)bits);
    HASH(hash, (float)(int32_t)bits);
    HASH(hash, (double)(uint32_t)bits);
  });
}

static void compare(const char* mode) {
  EACH_PAIR("compare", {
    double a = doubles[i], b = doubles[j];
    uint64_t nzcv, signalling, chosen;
    __asm__ volatile("fcmp %d2, %d3\n\tmrs %0, nzcv\n\tfcmpe %d3, %d2\n\tmrs %1, nzcv"
                     : "=&r"(nzcv), "=&r"(signalling)
                     : "w"(a), "w"(b)
                     : "cc");
    __asm__ volatile("fcmp %d1, #0.0\n\tfccmp %d1, %d2, #6, ne\n\tmrs %0, nzcv"
                     : "=&r"(chosen)
                     : "w"(a), "w"(b)
                     : "cc");
    HASH(hash, nzcv);
    HASH(hash, signalling);
    HASH(hash, chosen);
  });
}

static void between_sizes(const char* mode) {
  EACH_PAIR(
      "between_sizes", if (j == 0) {
        float narrow;
        double wide;
        uint16_t half;
        double d = doubles[i];
        float f = floats[i];
        __asm__ volatile("fcvt %s0, %d1" : "=w"(narrow) : "w"(d));
        __asm__ volatile("fcvt %d0, %s1" : "=w"(wide) : "w"(f));
        __asm__ volatile("fcvt h1, %s1\n\tumov %w0, v1.h[0]" : "=r"(half) : "w"(f) : "v1");
        HASH(hash, narrow);
        HASH(hash, wide);
        (void)half;
      });
}

static void run_mode(const char* mode) {
  PAIRED("fadd");
  PAIRED("fsub");
  PAIRED("fmul");
  PAIRED("fdiv");
  PAIRED("fnmul");
  PAIRED("fmax");
  PAIRED("fmin");
  PAIRED("fmaxnm");
  PAIRED("fminnm");
  SINGLE("fsqrt");
  SINGLE("fabs");
  SINGLE("fneg");
  SINGLE("frinta");
  SINGLE("frinti");
  SINGLE("frintm");
  SINGLE("frintn");
  SINGLE("frintp");
  SINGLE("frintx");
  SINGLE("frintz");
  not_told = 8;
  TRIPLE("fmadd");
  TRIPLE("fmsub");
  TRIPLE("fnmadd");
  TRIPLE("fnmsub");
  not_told = 0;
  TO_INTEGER("fcvtzs");
  TO_INTEGER("fcvtzu");
  TO_INTEGER("fcvtns");
  TO_INTEGER("fcvtnu");
  TO_INTEGER("fcvtps");
  TO_INTEGER("fcvtmu");
  TO_INTEGER("fcvtas");
  TO_INTEGER("fcvtau");
  from_integers(mode);
  compare(mode);
  between_sizes(mode);
}

static void set_fpcr(uint64_t value) { __asm__ volatile("msr fpcr, %0" ::"r"(value)); }

int main(void) {
  for (int i = 0; i < count; i++) {
    double d;
    memcpy(&d, &double_bits[i], 8);
    doubles[i] = d;
    // The float of the same kind: sign, and the top of exponent and fraction squeezed.
    uint64_t b = double_bits[i];
    uint32_t exponent = (uint32_t)(b >> 52 & 0x7ff), f;
    if (exponent == 0x7ff)
      exponent = 0xff;
    else if (exponent != 0)
      exponent = exponent > 1023 + 127 ? 254 : exponent < 1023 - 126 ? 1 : exponent - 1023 + 127;
    f = (uint32_t)(b >> 63) << 31 | exponent << 23 | (uint32_t)(b >> 29 & 0x7fffff) | (uint32_t)((b & 0x1fffffff) != 0);
    float narrow;
    memcpy(&narrow, &f, 4);
    floats[i] = narrow;
  }
  static const struct {
    const char* name;
    uint64_t fpcr;
  } modes[] = {{"nearest", 0},    {"up", 1 << 22},       {"down", 2 << 22},
               {"zero", 3 << 22}, {"defaults", 1 << 25}, {"flush", 1 << 24}};
  for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
    flushing = modes[m].fpcr == 1 << 24;
    set_fpcr(modes[m].fpcr);
    run_mode(modes[m].name);
    set_fpcr(0);
  }
  CHECK(fesetround(FE_UPWARD) == 0 && fegetround() == FE_UPWARD);
  volatile double one = 1, three = 3;
  printf("%a", one / three);
  fesetround(FE_DOWNWARD);
  printf(" %a\n", one / three);
  fesetround(FE_TONEAREST);
  feclearexcept(FE_ALL_EXCEPT);
  volatile double zero = 0, quotient = one / zero;
  printf("%g divbyzero %d inexact %d\n", quotient, fetestexcept(FE_DIVBYZERO) != 0, fetestexcept(FE_INEXACT) != 0);
  return 0;
}
