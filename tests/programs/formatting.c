// Numbers to text and back: printf and scanf conversions, strtod's rounding, hexadecimal floats.
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "program.h"

static void integers(void) {
  static const long long numbers[] = {0, 1, -1, 42, -12345, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN, 1000000007};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    long long n = numbers[i];
    printf("[%lld] [%llu] [%llx] [%#llo] [%+20lld] [%-20lld] [%020lld] [%.25lld] [%hhd] [%hd] [% d]\n", n, n, n, n, n,
           n, n, n, (signed char)n, (short)n, (int)n);
  }
}

static void floats(void) {
  static const double numbers[] = {0.0,
                                   -0.0,
                                   1.0,
                                   -1.5,
                                   0.1,
                                   1.0 / 3,
                                   2.5,
                                   3.5,
                                   1e15,
                                   1e16,
                                   123456789.987654321,
                                   1e100,
                                   1e-100,
                                   DBL_MAX,
                                   DBL_MIN,
                                   DBL_TRUE_MIN,
                                   INFINITY,
                                   -INFINITY,
                                   6.02214076e23,
                                   9007199254740993.0};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    double d = numbers[i];
    printf("[%f] [%e] [%g] [%a] [%.0f] [%.17g] [%+12.3f] [%-12.3e] [%#g] [%Lg]\n", d, d, d, d, d, d, d, d, d,
           (long double)d * 3);
  }
  printf("%f %d\n", NAN, signbit(-NAN) != 0);
}

static void parsed(void) {
  static const char* const texts[] = {"0",
                                      "-0",
                                      "1",
                                      "0.1",
                                      "1e308",
                                      "1.7976931348623157e308",
                                      "1.7976931348623159e308",
                                      "4.9e-324",
                                      "2.4703282292062327e-324",
                                      "2.4703282292062328e-324",
                                      "0x1.8p3",
                                      "0x.00001p-1060",
                                      "inf",
                                      "nan",
                                      "9007199254740993",
                                      "9007199254740992.99999999999999999999",
                                      "123456789012345678901234567890",
                                      "2.2250738585072011e-308",
                                      "1.00000000000000011102230246251565404236316680908203126",
                                      "  -12.5xyz"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    char* end;
    errno = 0;
    double d = strtod(texts[i], &end);
    uint64_t bits;
    memcpy(&bits, &d, 8);
    printf("strtod %s -> %016" PRIx64 " rest '%s' errno %d; strtof %a; strtold %La\n", texts[i], bits, end, errno,
           (double)strtof(texts[i], NULL), strtold(texts[i], NULL));
  }
  long l;
  unsigned u;
  double d;
  char word[20], set[20];
  int n = sscanf("  -77 0xff 3.25e2 word abc123", "%ld %x %lf %19s %19[a-c]", &l, &u, &d, word, set);
  printf("sscanf %d: %ld %u %g %s %s\n", n, l, u, d, word, set);
  errno = 0;
  printf("%ld %d\n", strtol("99999999999999999999", NULL, 10), errno);
  printf("%lu %ld\n", strtoul("zz", NULL, 36), strtol("-0b", NULL, 16));
}

static void round_trips(void) {
  uint64_t hash = HASH_START;
  for (int i = 0; i < 20000; i++) {
    uint64_t bits = next_random();
    double d, back;
    memcpy(&d, &bits, 8);
    if (!isfinite(d)) continue;
    char text[64];
    snprintf(text, sizeof text, "%.17g", d);
    back = strtod(text, NULL);
    CHECK(memcmp(&d, &back, 8) == 0);
    hash = hash_bytes(hash, text, strlen(text));
  }
  print_hash("round trips", hash);
}

int main(void) {
  integers();
  floats();
  parsed();
  round_trips();
  return 0;
}
