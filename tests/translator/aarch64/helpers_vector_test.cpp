// The portable forms of the Advanced SIMD helpers against those that this machine's instructions give, and against published
// values: FIPS 197 appendix B, FIPS 180-4.
#include "translator/aarch64/helpers_vector.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>

namespace ferry::aarch64 {
namespace {

bool same(HelperVector a, HelperVector b) { return a[0] == b[0] && a[1] == b[1]; }

TEST(VectorHelpers, PortableFormsAgreeWithThisMachine) {
  std::mt19937_64 random(1);
  auto block = [&] { return HelperVector{random(), random()}; };
  for (int i = 0; i < 1000; i++) {
    HelperVector a = block(), b = block(), c = block();
    EXPECT_TRUE(same(portable::polynomial_multiply(a[0], b[0]), ferry_a64_polynomial_multiply(a[0], b[0])));
    EXPECT_TRUE(same(portable::aes_encrypt(a), ferry_a64_aes_encrypt(a)));
    EXPECT_TRUE(same(portable::aes_decrypt(a), ferry_a64_aes_decrypt(a)));
    EXPECT_TRUE(same(portable::sha256_rounds(a, b, c).abcd, ferry_a64_sha256_abcd(a, b, c)));
    EXPECT_TRUE(same(portable::sha256_rounds(a, b, c).efgh, ferry_a64_sha256_efgh(a, b, c)));
  }
}

TEST(VectorHelpers, FirstRoundOfTheAesExample) {
  using Bytes = u8 __attribute__((vector_size(16)));
  // Round 1 of FIPS 197 appendix B: "start of round", and "after ShiftRows".
  Bytes start{0x19, 0x3d, 0xe3, 0xbe, 0xa0, 0xf4, 0xe2, 0x2b, 0x9a, 0xc6, 0x8d, 0x2a, 0xe9, 0xf8, 0x48, 0x08};
  Bytes shifted{0xd4, 0xbf, 0x5d, 0x30, 0xe0, 0xb4, 0x52, 0xae, 0xb8, 0x41, 0x11, 0xf1, 0x1e, 0x27, 0x98, 0xe5};
  EXPECT_TRUE(same(portable::aes_encrypt(std::bit_cast<HelperVector>(start)), std::bit_cast<HelperVector>(shifted)));
  EXPECT_TRUE(same(portable::aes_decrypt(std::bit_cast<HelperVector>(shifted)), std::bit_cast<HelperVector>(start)));
}

TEST(VectorHelpers, PolynomialsHaveNoCarry) {
  // (x + 1)^2 = x^2 + 1, and the highest powers.
  EXPECT_TRUE(same(portable::polynomial_multiply(3, 3), HelperVector{5, 0}));
  EXPECT_TRUE(same(portable::polynomial_multiply(u64{1} << 63, u64{1} << 63), HelperVector{0, u64{1} << 62}));
}

}  // namespace
}  // namespace ferry::aarch64
