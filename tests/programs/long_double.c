// 128-bit floating point, which AArch64 does in software, and conversions between it and everything else.
#include <float.h>
#include <math.h>

#include "program.h"

static long double input(void) {
  long double value = (long double)(int64_t)next_random() + (long double)next_random() / 18446744073709551616.0L;
  return ldexpl(value, (int)(next_random() % 200) - 160);
}

int main(void) {
  printf("%d %d %.33Lg %.33Lg\n", LDBL_MANT_DIG, LDBL_MAX_EXP, LDBL_MAX, LDBL_EPSILON);
  uint64_t arithmetic = HASH_START, conversions = HASH_START, comparisons = HASH_START;
  for (int i = 0; i < 20000; i++) {
    long double a = input(), b = input(), c = i % 7 ? a : b;
    HASH(arithmetic, a + b);
    HASH(arithmetic, a - b);
    HASH(arithmetic, a * b);
    HASH(arithmetic, a / b);
    HASH(arithmetic, -a);
    HASH(conversions, (double)a);
    HASH(conversions, (float)b);
    HASH(conversions, (int64_t)a);
    HASH(conversions, (uint64_t)fabsl(b));
    HASH(conversions, (int)a);
    HASH(conversions, (long double)(double)a);
    HASH(conversions, (long double)(float)b);
    HASH(conversions, (long double)(int64_t)next_random());
    HASH(conversions, (long double)next_random());
    HASH(comparisons, (a < b) | (a <= c) << 1 | (a == c) << 2 | (a >= b) << 3 | (a > c) << 4 | (a != b) << 5);
    if (i % 20 == 0) HASH(arithmetic, sqrtl(fabsl(a)));
  }
  print_hash("arithmetic", arithmetic);
  print_hash("conversions", conversions);
  print_hash("comparisons", comparisons);
  printf("%.30Lf %.30Lf %.30Lf\n", sinl(1.0L), expl(1.0L), logl(10.0L));
  return 0;
}
