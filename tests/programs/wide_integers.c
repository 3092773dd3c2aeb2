// 128-bit integers: what the compiler builds from carries, high products and library calls.
#include "program.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

static u128 input(void) {
  u128 value = (u128)next_random() << 64 | next_random();
  return value >> (next_random() & 127);
}

int main(void) {
  uint64_t hash = HASH_START, divisions = HASH_START;
  for (int i = 0; i < 30000; i++) {
    u128 a = input(), b = input() | 1;
    unsigned shift = (unsigned)(next_random() & 127);
    HASH(hash, a + b);
    HASH(hash, a - b);
    HASH(hash, a * b);
    HASH(hash, a << shift);
    HASH(hash, a >> shift);
    HASH(hash, (i128)a >> shift);
    HASH(hash, (a < b) + 2 * ((i128)a < (i128)b) + 4 * (a == b));
    u128 out;
    HASH(hash, __builtin_add_overflow(a, b, &out));
    HASH(hash, __builtin_mul_overflow(a, b, &out));
    HASH(hash, (double)a);
    HASH(hash, (float)(i128)b);
    HASH(divisions, a / b);
    HASH(divisions, a % b);
    HASH(divisions, (i128)a / (i128)b);
    HASH(divisions, (i128)a % (i128)b);
    HASH(divisions, (u128)(double)(uint64_t)a);
  }
  print_hash("arithmetic", hash);
  print_hash("divisions", divisions);
  return 0;
}
