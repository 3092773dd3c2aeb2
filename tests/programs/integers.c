// Integer arithmetic over edge values and random ones: every C operator in each width, carries, overflows, bit counting.
#include "program.h"

static uint64_t values[96];
enum { value_count = sizeof values / sizeof values[0] };

static void fill_values(void) {
  int n = 0;
  static const uint64_t edges[] = {0,
                                   1,
                                   2,
                                   3,
                                   7,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x7fff,
                                   0x8000,
                                   0xffff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff,
                                   0xfffffffffffffffe,
                                   0xaaaaaaaaaaaaaaaa,
                                   0x5555555555555555,
                                   0x0123456789abcdef};
  for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) values[n++] = edges[i];
  while (n < value_count) values[n++] = next_random() >> (next_random() & 63);
}

#define FOR_PAIRS                       \
  for (int i = 0; i < value_count; i++) \
    for (int j = 0; j < value_count; j++)

#define BINARY(type, name, expression)                          \
  static void name##_##type(void) {                             \
    uint64_t hash = HASH_START;                                 \
    FOR_PAIRS {                                                 \
      volatile type va = (type)values[i], vb = (type)values[j]; \
      type a = va, b = vb;                                      \
      HASH(hash, (type)(expression));                           \
    }                                                           \
    print_hash(#name "_" #type, hash);                          \
  }

#define UNSIGNED(type, bits)                                               \
  BINARY(type, add, a + b)                                                 \
  BINARY(type, subtract, a - b)                                            \
  BINARY(type, multiply, (unsigned)1 * a * b)                              \
  BINARY(type, divide, b ? a / b : 5)                                      \
  BINARY(type, remainder, b ? a % b : 6)                                   \
  BINARY(type, and_not, a & ~b)                                            \
  BINARY(type, or_not, a | ~b)                                             \
  BINARY(type, xor_not, a ^ ~b)                                            \
  BINARY(type, shift_left, a << (b & (bits - 1)))                          \
  BINARY(type, shift_right, a >> (b & (bits - 1)))                         \
  BINARY(type, rotate, (a << (b & (bits - 1))) | (a >> (-b & (bits - 1)))) \
  BINARY(type, below, a < b ? a * 3 : b + 7)                               \
  BINARY(type, multiply_add, a* b + values[(i * 7 + j) % value_count])     \
  BINARY(type, multiply_sub, values[(i * 5 + j) % value_count] - a * b)    \
  BINARY(type, overflow, __builtin_add_overflow(a, b, &a) + 2 * a)         \
  BINARY(type, underflow, __builtin_sub_overflow(a, b, &a) + 2 * a)        \
  BINARY(type, mul_overflow, __builtin_mul_overflow(a, b, &a) + 2 * a)

#define SIGNED(type, bits)                                                                \
  BINARY(type, divide, b && !(a == (type)(1ull << (bits - 1)) && b == -1) ? a / b : 5)    \
  BINARY(type, remainder, b && !(a == (type)(1ull << (bits - 1)) && b == -1) ? a % b : 6) \
  BINARY(type, shift_right, a >> (b & (bits - 1)))                                        \
  BINARY(type, less, a < b ? a ^ 3 : b ^ 7)                                               \
  BINARY(type, overflow, __builtin_add_overflow(a, b, &a) + (a & 0xff))                   \
  BINARY(type, underflow, __builtin_sub_overflow(a, b, &a) + (a & 0xff))                  \
  BINARY(type, mul_overflow, __builtin_mul_overflow(a, b, &a) + (a & 0xff))

UNSIGNED(uint8_t, 8)
UNSIGNED(uint16_t, 16)
UNSIGNED(uint32_t, 32)
UNSIGNED(uint64_t, 64)
SIGNED(int8_t, 8)
SIGNED(int16_t, 16)
SIGNED(int32_t, 32)
SIGNED(int64_t, 64)

BINARY(uint64_t, high_product, (uint64_t)(((unsigned __int128)a * b) >> 64))
BINARY(int64_t, high_product, (int64_t)(((__int128)a * b) >> 64))
BINARY(uint64_t, long_product, (uint64_t)(uint32_t)a*(uint32_t)b + values[j])
BINARY(int64_t, long_product, (int64_t)((uint64_t)((int64_t)(int32_t)a*(int32_t)b) - values[i]))
BINARY(uint64_t, leading, (a ? __builtin_clzll(a) : 64) * 100 + (b ? __builtin_ctzll(b) : 64))
BINARY(uint32_t, leading, (a ? __builtin_clz(a) : 32) * 100 + (b ? __builtin_ctz(b) : 32))
BINARY(uint64_t, population, __builtin_popcountll(a) * 65 + __builtin_parityll(b))
BINARY(uint64_t, sign_bits, __builtin_clrsbll((int64_t)a) * 64 + __builtin_clrsb((int)b))
BINARY(uint64_t, swapped, __builtin_bswap64(a) ^ __builtin_bswap32((uint32_t)b) ^ __builtin_bswap16((uint16_t)a))
BINARY(uint64_t, reversed, __builtin_bitreverse64(a) ^ __builtin_bitreverse32((uint32_t)b))
BINARY(uint64_t, field, ((a >> 13) & 0x1fff) | ((b & 0xfffff) << 20) | ((uint64_t)((int64_t)a << 30 >> 47) << 44))
BINARY(uint64_t, extended,
       (uint64_t)((int64_t)(int8_t)a + (int16_t)b) + ((uint64_t)(uint8_t)b << 3) + (uint64_t)((int64_t)(int32_t)a << 2))

static void wide_carries(void) {
  uint64_t hash = HASH_START;
  FOR_PAIRS {
    unsigned long long carry = 0, words[4];
    for (int k = 0; k < 4; k++)
      words[k] = __builtin_addcll(values[(i + k) % value_count], values[(j + k) % value_count], carry, &carry);
    HASH(hash, carry);
    for (int k = 0; k < 4; k++) words[k] = __builtin_subcll(words[k], values[(i * j + k) % value_count], carry, &carry);
    HASH(hash, carry);
    hash = hash_bytes(hash, words, sizeof words);
  }
  print_hash("wide_carries", hash);
}

#define RUN_UNSIGNED(type)                                                                                           \
  add_##type(), subtract_##type(), multiply_##type(), divide_##type(), remainder_##type(), and_not_##type(),         \
      or_not_##type(), xor_not_##type(), shift_left_##type(), shift_right_##type(), rotate_##type(), below_##type(), \
      multiply_add_##type(), multiply_sub_##type(), overflow_##type(), underflow_##type(), mul_overflow_##type()
#define RUN_SIGNED(type)                                                                                           \
  divide_##type(), remainder_##type(), shift_right_##type(), less_##type(), overflow_##type(), underflow_##type(), \
      mul_overflow_##type()

int main(void) {
  fill_values();
  RUN_UNSIGNED(uint8_t);
  RUN_UNSIGNED(uint16_t);
  RUN_UNSIGNED(uint32_t);
  RUN_UNSIGNED(uint64_t);
  RUN_SIGNED(int8_t);
  RUN_SIGNED(int16_t);
  RUN_SIGNED(int32_t);
  RUN_SIGNED(int64_t);
  high_product_uint64_t(), high_product_int64_t(), long_product_uint64_t(), long_product_int64_t();
  leading_uint64_t(), leading_uint32_t(), population_uint64_t(), sign_bits_uint64_t(), swapped_uint64_t();
  reversed_uint64_t(), field_uint64_t(), extended_uint64_t();
  wide_carries();
  return 0;
}
