// The cryptographic extension: DDI 0487 C7.2. The rounds are helpers; message schedules and the mixing of columns are vector code.
#include "translator/aarch64/helpers_vector.h"
#include "translator/aarch64/semantics/vector.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_crypto.def"
#define FERRY_SECTION_NAME vector_crypto

namespace ferry::aarch64 {

using Words = Lanes<u32>;

// ---- AES.

template <int...>
SEM aese(Cpu&, VDst vd, VSrc vn) {
  put(vd, call_out<ferry_a64_aes_encrypt>(get<u64>(vd) ^ get<u64>(vn)));
}
template <int...>
SEM aesd(Cpu&, VDst vd, VSrc vn) {
  put(vd, call_out<ferry_a64_aes_decrypt>(get<u64>(vd) ^ get<u64>(vn)));
}

// Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
FERRY_INLINE Bytes times_x(Bytes v) { return (v << 1) ^ (as<Bytes>(as<Lanes<i8>>(v) < 0) & 0x1b); }
// Each byte replaced by the one `n` rows below in its column.
template <int n, int... i>
FERRY_INLINE Bytes rows_up(Bytes v, Ints<i...>) {
  return __builtin_shufflevector(v, v, (i / 4 * 4 + (i + n) % 4)...);
}

// 2, 3, 1, 1 times the bytes from each row on.
FERRY_INLINE Bytes mix_columns(Bytes v) {
  Bytes next = rows_up<1>(v, IntsBelow<16>{});
  Bytes pairs = v ^ next;
  return times_x(pairs) ^ next ^ rows_up<2>(pairs, IntsBelow<16>{});
}

template <int...>
SEM aesmc(Cpu&, VDst vd, VSrc vn) {
  put(vd, mix_columns(get<u8>(vn)));
}

// The inverse's 14, 11, 13, 9 are 2, 3, 1, 1 times 5, 0, 4, 0.
template <int...>
SEM aesimc(Cpu&, VDst vd, VSrc vn) {
  Bytes v = get<u8>(vn);
  put(vd, mix_columns(v ^ times_x(times_x(v ^ rows_up<2>(v, IntsBelow<16>{})))));
}

// ---- SHA-1.

template <class V>
FERRY_INLINE V rotate_left(V v, int by) {
  return (v << by) | (v >> (32 - by));
}
template <class V>
FERRY_INLINE V rotate_right(V v, int by) {
  return rotate_left(v, 32 - by);
}

#define SHA1_ROUNDS(name, helper)                                        \
  template <int...>                                                      \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {                            \
    put(vd, call_out<helper>(get<u64>(vd), vn.as<u32>(), get<u64>(vm))); \
  }
SHA1_ROUNDS(sha1c, ferry_a64_sha1_choose)
SHA1_ROUNDS(sha1p, ferry_a64_sha1_parity)
SHA1_ROUNDS(sha1m, ferry_a64_sha1_majority)

template <int...>
SEM sha1h(Cpu&, VDst vd, VSrc vn) {
  vd = rotate_left(vn.as<u32>(), 30);
}

template <int...>
SEM sha1su0(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  Words d = get<u32>(vd), n = get<u32>(vn);
  put(vd, __builtin_shufflevector(d, n, 2, 3, 4, 5) ^ d ^ get<u32>(vm));
}

template <int...>
SEM sha1su1(Cpu&, VDst vd, VSrc vn) {
  Words v = get<u32>(vd) ^ __builtin_shufflevector(get<u32>(vn), Words{}, 1, 2, 3, 4);
  // The last word's schedule needs the first of this result.
  put(vd, rotate_left(v, 1) ^ __builtin_shufflevector(rotate_left(v, 2), Words{}, 4, 4, 4, 0));
}

// ---- SHA-256.

template <int...>
SEM sha256h(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  put(vd, call_out<ferry_a64_sha256_abcd>(get<u64>(vd), get<u64>(vn), get<u64>(vm)));
}
template <int...>
SEM sha256h2(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  put(vd, call_out<ferry_a64_sha256_efgh>(get<u64>(vn), get<u64>(vd), get<u64>(vm)));
}

template <int...>
SEM sha256su0(Cpu&, VDst vd, VSrc vn) {
  Words d = get<u32>(vd), next = __builtin_shufflevector(d, get<u32>(vn), 1, 2, 3, 4);
  put(vd, d + (rotate_right(next, 7) ^ rotate_right(next, 18) ^ (next >> 3)));
}

FERRY_INLINE Words sigma1(Words v) { return rotate_right(v, 17) ^ rotate_right(v, 19) ^ (v >> 10); }

template <int...>
SEM sha256su1(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  Words n = get<u32>(vn), m = get<u32>(vm);
  Words sum = get<u32>(vd) + __builtin_shufflevector(n, m, 1, 2, 3, 4);
  // The upper two words depend on the lower two of the result.
  Words low = sum + sigma1(__builtin_shufflevector(m, Words{}, 2, 3, 4, 4));
  Words high = sum + sigma1(__builtin_shufflevector(low, Words{}, 4, 4, 0, 1));
  put(vd, __builtin_shufflevector(low, high, 0, 1, 6, 7));
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
