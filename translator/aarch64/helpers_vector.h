// Functions that Advanced SIMD stencils call out of line: what needs host instructions beyond the baseline that stencils are
// compiled for, chosen at run time, or is large. As helpers.h says: no locks, no allocation.
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {
typedef u64 HelperVector __attribute__((vector_size(16)));

// What the helpers below do on machines without the instructions; tests compare the two.
namespace portable {
struct Sha256State {
  HelperVector abcd, efgh;
};
HelperVector polynomial_multiply(u64 a, u64 b);
HelperVector aes_encrypt(HelperVector state);
HelperVector aes_decrypt(HelperVector state);
Sha256State sha256_rounds(HelperVector abcd, HelperVector efgh, HelperVector schedule);
}  // namespace portable
}  // namespace ferry::aarch64

extern "C" {
// The 128-bit product of polynomials over {0,1}.
ferry::aarch64::HelperVector ferry_a64_polynomial_multiply(ferry::u64 a, ferry::u64 b);

// AESE and AESD after the key is added: rows shifted and bytes substituted, and back.
ferry::aarch64::HelperVector ferry_a64_aes_encrypt(ferry::aarch64::HelperVector state);
ferry::aarch64::HelperVector ferry_a64_aes_decrypt(ferry::aarch64::HelperVector state);

// Four rounds of SHA-1 by the function of SHA1C, SHA1P and SHA1M: the new a, b, c, d.
ferry::aarch64::HelperVector ferry_a64_sha1_choose(ferry::aarch64::HelperVector abcd, ferry::u32 e,
                                                   ferry::aarch64::HelperVector schedule);
ferry::aarch64::HelperVector ferry_a64_sha1_parity(ferry::aarch64::HelperVector abcd, ferry::u32 e,
                                                   ferry::aarch64::HelperVector schedule);
ferry::aarch64::HelperVector ferry_a64_sha1_majority(ferry::aarch64::HelperVector abcd, ferry::u32 e,
                                                     ferry::aarch64::HelperVector schedule);

// Four rounds of SHA-256: the new a, b, c, d (SHA256H) or e, f, g, h (SHA256H2).
ferry::aarch64::HelperVector ferry_a64_sha256_abcd(ferry::aarch64::HelperVector abcd, ferry::aarch64::HelperVector efgh,
                                                   ferry::aarch64::HelperVector schedule);
ferry::aarch64::HelperVector ferry_a64_sha256_efgh(ferry::aarch64::HelperVector abcd, ferry::aarch64::HelperVector efgh,
                                                   ferry::aarch64::HelperVector schedule);
}
