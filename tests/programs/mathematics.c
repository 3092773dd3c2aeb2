// The math library over many inputs, results hashed bit by bit: what the program prints is the same on every AArch64.
#define _GNU_SOURCE
#include <complex.h>
#include <math.h>

#include "program.h"

static double double_input(int i) {
  static const double edges[] = {
      0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, 5e-324, INFINITY, -INFINITY, 3.141592653589793, 1e9, -1e-9};
  if (i < (int)(sizeof edges / sizeof edges[0])) return edges[i];
  double unit = (double)(int64_t)next_random() / 9223372036854775808.0;
  return ldexp(unit, (int)(next_random() % 60) - 30);
}

// A NaN's sign and payload are not specified by C: only that it is one is hashed.
#define HASH_NUMBER(hash, value)    \
  do {                              \
    __typeof__(value) v_ = (value); \
    if (isnan(v_))                  \
      HASH(hash, 'n');              \
    else                            \
      HASH(hash, v_);               \
  } while (0)

#define UNARY(function)                                                                    \
  do {                                                                                     \
    uint64_t hash = HASH_START;                                                            \
    random_state = 12345;                                                                  \
    for (int i = 0; i < 1500; i++) HASH_NUMBER(hash, function(double_input(i)));           \
    for (int i = 0; i < 1500; i++) HASH_NUMBER(hash, function##f((float)double_input(i))); \
    print_hash(#function, hash);                                                           \
  } while (0)

#define TWO(function)                                                                                      \
  do {                                                                                                     \
    uint64_t hash = HASH_START;                                                                            \
    random_state = 54321;                                                                                  \
    for (int i = 0; i < 1500; i++) HASH_NUMBER(hash, function(double_input(i), double_input(i * 7 % 40))); \
    for (int i = 0; i < 1500; i++)                                                                         \
      HASH_NUMBER(hash, function##f((float)double_input(i), (float)double_input(i * 3 % 40)));             \
    print_hash(#function, hash);                                                                           \
  } while (0)

#define TO_INTEGER(function)                                                        \
  do {                                                                              \
    uint64_t hash = HASH_START;                                                     \
    random_state = 777;                                                             \
    for (int i = 0; i < 1500; i++) HASH(hash, function(double_input(i)));           \
    for (int i = 0; i < 1500; i++) HASH(hash, function##f((float)double_input(i))); \
    print_hash(#function, hash);                                                    \
  } while (0)

int main(void) {
  UNARY(sin);
  UNARY(cos);
  UNARY(tan);
  UNARY(asin);
  UNARY(acos);
  UNARY(atan);
  UNARY(sinh);
  UNARY(cosh);
  UNARY(tanh);
  UNARY(asinh);
  UNARY(acosh);
  UNARY(atanh);
  UNARY(exp);
  UNARY(exp2);
  UNARY(exp10);
  UNARY(expm1);
  UNARY(log);
  UNARY(log2);
  UNARY(log10);
  UNARY(log1p);
  UNARY(logb);
  UNARY(sqrt);
  UNARY(cbrt);
  UNARY(erf);
  UNARY(erfc);
  UNARY(tgamma);
  UNARY(lgamma);
  UNARY(floor);
  UNARY(ceil);
  UNARY(trunc);
  UNARY(round);
  UNARY(roundeven);
  UNARY(rint);
  UNARY(nearbyint);
  UNARY(fabs);
  UNARY(j0);
  UNARY(y1);
  TWO(pow);
  TWO(atan2);
  TWO(hypot);
  TWO(fmod);
  TWO(remainder);
  TWO(fmin);
  TWO(fmax);
  TWO(fdim);
  TWO(copysign);
  TWO(nextafter);
  TO_INTEGER(lround);
  TO_INTEGER(llrint);
  TO_INTEGER(lrint);
  uint64_t hash = HASH_START;
  for (int i = 0; i < 3000; i++) {
    double a = double_input(i), b = double_input(i), c = double_input(i), integral;
    int exponent, quotient;
    HASH_NUMBER(hash, fma(a, b, c));
    HASH_NUMBER(hash, fmaf((float)a, (float)b, (float)c));
    HASH_NUMBER(hash, frexp(a, &exponent));
    HASH_NUMBER(hash, modf(b, &integral));
    HASH_NUMBER(hash, remquo(a, b, &quotient));
    HASH_NUMBER(hash, scalbn(c, i % 50 - 25));
    HASH_NUMBER(hash, creal(cexp(a / 1e9 + b / 1e9 * I)));
  }
  print_hash("others", hash);
  return 0;
}
