// Advanced SIMD out of line: polynomial products, AES and SHA rounds. With host instructions where this machine has them
// (they are not in the baseline that ferry is compiled for), else portably: FIPS 197, FIPS 180-4.
#include "translator/aarch64/helpers_vector.h"

#include <array>
#include <bit>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ferry::aarch64 {

using Block = HelperVector;
using ByteBlock = u8 __attribute__((vector_size(16)));
using WordBlock = u32 __attribute__((vector_size(16)));

// ---- Portable forms.

Block portable::polynomial_multiply(u64 a, u64 b) {
  u64 low = 0, high = 0;
  for (int i = 0; i < 64; i++) {
    u64 selected = 0 - (b >> i & 1);
    low ^= (a << i) & selected;
    if (i != 0) high ^= (a >> (64 - i)) & selected;
  }
  return Block{low, high};
}

namespace {
struct Substitution {
  u8 forward[256], backward[256];
};

constexpr u8 field_multiply(u8 a, u8 b) {
  u8 product = 0;
  for (; b != 0; b = static_cast<u8>(b >> 1), a = static_cast<u8>(a << 1 ^ (a >> 7) * 0x1b)) {
    if (b & 1) product ^= a;
  }
  return product;
}

// FIPS 197 5.1.1: the inverse in GF(2^8), then an affine map. 3 generates the field, 0xf6 is its inverse.
constexpr Substitution make_substitution() {
  Substitution s{};
  u8 value = 1, inverse = 1;
  for (int i = 0; i < 256; i++) {
    u8 x = i == 255 ? 0 : value, y = i == 255 ? 0 : inverse;
    u8 image = static_cast<u8>(y ^ std::rotl(y, 1) ^ std::rotl(y, 2) ^ std::rotl(y, 3) ^ std::rotl(y, 4) ^ 0x63);
    s.forward[x] = image;
    s.backward[image] = x;
    value = field_multiply(value, 3);
    inverse = field_multiply(inverse, 0xf6);
  }
  return s;
}
constexpr Substitution substitution = make_substitution();
static_assert(substitution.forward[0x53] == 0xed && substitution.backward[0x63] == 0);
}  // namespace

// Row r of the state (bytes r, r + 4, ...) moves r columns left, or right.
Block portable::aes_encrypt(Block state) {
  auto in = std::bit_cast<ByteBlock>(state);
  ByteBlock out{};
  for (int i = 0; i < 16; i++) out[i] = substitution.forward[in[(i + 4 * (i % 4)) % 16]];
  return std::bit_cast<Block>(out);
}
Block portable::aes_decrypt(Block state) {
  auto in = std::bit_cast<ByteBlock>(state);
  ByteBlock out{};
  for (int i = 0; i < 16; i++) out[i] = substitution.backward[in[(i + 16 - 4 * (i % 4)) % 16]];
  return std::bit_cast<Block>(out);
}

namespace {
u32 choose(u32 x, u32 y, u32 z) { return (x & y) | (~x & z); }
u32 parity(u32 x, u32 y, u32 z) { return x ^ y ^ z; }
u32 majority(u32 x, u32 y, u32 z) { return (x & y) | (x & z) | (y & z); }

template <u32 (*function)(u32, u32, u32)>
Block sha1_rounds(Block abcd, u32 e, Block schedule) {
  auto [a, b, c, d] = std::bit_cast<std::array<u32, 4>>(abcd);
  auto words = std::bit_cast<std::array<u32, 4>>(schedule);
  for (u32 word : words) {
    u32 next = std::rotl(a, 5) + function(b, c, d) + e + word;
    e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
  }
  return std::bit_cast<Block>(WordBlock{a, b, c, d});
}

}  // namespace

portable::Sha256State portable::sha256_rounds(Block abcd, Block efgh, Block schedule) {
  auto [a, b, c, d] = std::bit_cast<std::array<u32, 4>>(abcd);
  auto [e, f, g, h] = std::bit_cast<std::array<u32, 4>>(efgh);
  auto words = std::bit_cast<std::array<u32, 4>>(schedule);
  for (u32 word : words) {
    u32 first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choose(e, f, g) + word;
    u32 second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority(a, b, c);
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
  }
  return {std::bit_cast<Block>(WordBlock{a, b, c, d}), std::bit_cast<Block>(WordBlock{e, f, g, h})};
}

// ---- Host instructions.

namespace {
using portable::Sha256State;
#if defined(__x86_64__)
[[gnu::target("pclmul")]] Block polynomial_multiply_host(u64 a, u64 b) {
  return std::bit_cast<Block>(
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<i64>(a)), _mm_cvtsi64_si128(static_cast<i64>(b)), 0));
}
[[gnu::target("aes")]] Block aes_encrypt_host(Block state) {
  return std::bit_cast<Block>(_mm_aesenclast_si128(std::bit_cast<__m128i>(state), _mm_setzero_si128()));
}
[[gnu::target("aes")]] Block aes_decrypt_host(Block state) {
  return std::bit_cast<Block>(_mm_aesdeclast_si128(std::bit_cast<__m128i>(state), _mm_setzero_si128()));
}
// SHA256RNDS2 does two rounds on c, d, g, h and a, b, e, f, each from high to low.
[[gnu::target("sha,sse4.1")]] Sha256State sha256_rounds_host(Block abcd, Block efgh, Block schedule) {
  __m128i low = std::bit_cast<__m128i>(abcd), high = std::bit_cast<__m128i>(efgh),
          words = std::bit_cast<__m128i>(schedule);
  __m128i feba = _mm_shuffle_epi32(_mm_unpacklo_epi64(low, high), 0x1b),
          hgdc = _mm_shuffle_epi32(_mm_unpackhi_epi64(low, high), 0x1b);
  __m128i after_two = _mm_sha256rnds2_epu32(hgdc, feba, words);
  __m128i after_four = _mm_sha256rnds2_epu32(feba, after_two, _mm_shuffle_epi32(words, 0x0e));
  // What was a, b, e, f two rounds ago is c, d, g, h now.
  __m128i badc = _mm_unpackhi_epi64(after_four, after_two), fehg = _mm_unpacklo_epi64(after_four, after_two);
  return {std::bit_cast<Block>(_mm_shuffle_epi32(badc, 0xb1)), std::bit_cast<Block>(_mm_shuffle_epi32(fehg, 0xb1))};
}
#define FERRY_HOST_HAS(feature) __builtin_cpu_supports(feature)
#else
// AArch64 hosts take the portable forms.
#define FERRY_HOST_HAS(feature) false
#define polynomial_multiply_host portable::polynomial_multiply
#define aes_encrypt_host portable::aes_encrypt
#define aes_decrypt_host portable::aes_decrypt
#define sha256_rounds_host portable::sha256_rounds
#endif

}  // namespace
}  // namespace ferry::aarch64

using namespace ferry;
using namespace ferry::aarch64;

extern "C" {

HelperVector ferry_a64_polynomial_multiply(u64 a, u64 b) {
  return FERRY_HOST_HAS("pclmul") ? polynomial_multiply_host(a, b) : portable::polynomial_multiply(a, b);
}
HelperVector ferry_a64_aes_encrypt(HelperVector state) {
  return FERRY_HOST_HAS("aes") ? aes_encrypt_host(state) : portable::aes_encrypt(state);
}
HelperVector ferry_a64_aes_decrypt(HelperVector state) {
  return FERRY_HOST_HAS("aes") ? aes_decrypt_host(state) : portable::aes_decrypt(state);
}

HelperVector ferry_a64_sha1_choose(HelperVector abcd, u32 e, HelperVector schedule) {
  return sha1_rounds<choose>(abcd, e, schedule);
}
HelperVector ferry_a64_sha1_parity(HelperVector abcd, u32 e, HelperVector schedule) {
  return sha1_rounds<parity>(abcd, e, schedule);
}
HelperVector ferry_a64_sha1_majority(HelperVector abcd, u32 e, HelperVector schedule) {
  return sha1_rounds<majority>(abcd, e, schedule);
}

HelperVector ferry_a64_sha256_abcd(HelperVector abcd, HelperVector efgh, HelperVector schedule) {
  return (FERRY_HOST_HAS("sha") ? sha256_rounds_host(abcd, efgh, schedule)
                                : portable::sha256_rounds(abcd, efgh, schedule))
      .abcd;
}
HelperVector ferry_a64_sha256_efgh(HelperVector abcd, HelperVector efgh, HelperVector schedule) {
  return (FERRY_HOST_HAS("sha") ? sha256_rounds_host(abcd, efgh, schedule)
                                : portable::sha256_rounds(abcd, efgh, schedule))
      .efgh;
}

}  // extern "C"
