// The optional AES, SHA, CRC and polynomial instructions, where AT_HWCAP offers them, against plain C.
#include <arm_acle.h>
#include <arm_neon.h>
#include <sys/auxv.h>

#include "program.h"

static uint32_t plain_crc(uint32_t crc, uint64_t value, int bytes, uint32_t polynomial) {
  for (int i = 0; i < bytes * 8; i++) {
    uint32_t bit = (crc ^ (uint32_t)(value >> i)) & 1;
    crc = crc >> 1 ^ (bit ? polynomial : 0);
  }
  return crc;
}

static void crc(void) {
  for (int i = 0; i < 500; i++) {
    uint32_t start = (uint32_t)next_random();
    uint64_t v = next_random();
    CHECK(__crc32b(start, (uint8_t)v) == plain_crc(start, v, 1, 0xedb88320) &&
          __crc32h(start, (uint16_t)v) == plain_crc(start, v, 2, 0xedb88320));
    CHECK(__crc32w(start, (uint32_t)v) == plain_crc(start, v, 4, 0xedb88320) &&
          __crc32d(start, v) == plain_crc(start, v, 8, 0xedb88320));
    CHECK(__crc32cb(start, (uint8_t)v) == plain_crc(start, v, 1, 0x82f63b78) &&
          __crc32cd(start, v) == plain_crc(start, v, 8, 0x82f63b78));
  }
}

static uint8_t multiply(uint8_t a, uint8_t b) {
  uint8_t r = 0;
  for (; b; b >>= 1, a = (uint8_t)(a << 1 ^ (a >> 7) * 0x1b)) r ^= b & 1 ? a : 0;
  return r;
}

static uint8_t substitute(uint8_t x) {
  uint8_t inverse = 0;
  for (int i = 1; x && i < 256; i++)
    if (multiply(x, (uint8_t)i) == 1) inverse = (uint8_t)i;
  uint8_t r = 0x63;
  for (int i = 0; i < 5; i++)
    r ^= (uint8_t)(inverse << i | inverse >> (8 - i) % 8 * (i != 0)) * (i != 0) | (i == 0 ? inverse : 0);
  return r;
}

static void aes(void) {
  uint8_t box[256], inverse[256];
  for (int i = 0; i < 256; i++) box[i] = substitute((uint8_t)i), inverse[box[i]] = (uint8_t)i;
  CHECK(box[0] == 0x63 && box[0x53] == 0xed);
  for (int n = 0; n < 200; n++) {
    uint8_t state[16], key[16], out[16], mixed[16];
    for (int i = 0; i < 16; i++) state[i] = (uint8_t)next_random(), key[i] = (uint8_t)next_random();
    vst1q_u8(out, vaeseq_u8(vld1q_u8(state), vld1q_u8(key)));
    for (int i = 0; i < 16; i++) CHECK(out[i] == box[state[(i * 5) % 16] ^ key[(i * 5) % 16]]);
    vst1q_u8(out, vaesdq_u8(vld1q_u8(state), vld1q_u8(key)));
    for (int i = 0; i < 16; i++) CHECK(out[i] == inverse[state[(i * 13) % 16] ^ key[(i * 13) % 16]]);
    vst1q_u8(out, vaesmcq_u8(vld1q_u8(state)));
    for (int i = 0; i < 16; i++) {
      const uint8_t* c = state + i / 4 * 4;
      mixed[i] = multiply(c[i % 4], 2) ^ multiply(c[(i + 1) % 4], 3) ^ c[(i + 2) % 4] ^ c[(i + 3) % 4];
      CHECK(out[i] == mixed[i]);
    }
    vst1q_u8(out, vaesimcq_u8(vld1q_u8(mixed)));
    CHECK(memcmp(out, state, 16) == 0);
  }
}

static uint32_t rotate_right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha256(void) {
  for (int n = 0; n < 200; n++) {
    uint32_t s[8], w[4], out[8];
    for (int i = 0; i < 8; i++) s[i] = (uint32_t)next_random();
    for (int i = 0; i < 4; i++) w[i] = (uint32_t)next_random();
    uint32x4_t abcd = vld1q_u32(s), efgh = vld1q_u32(s + 4), words = vld1q_u32(w);
    vst1q_u32(out, vsha256hq_u32(abcd, efgh, words));
    vst1q_u32(out + 4, vsha256h2q_u32(efgh, abcd, words));
    for (int i = 0; i < 4; i++) {
      uint32_t choose = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
      uint32_t t1 = s[7] + (rotate_right(s[4], 6) ^ rotate_right(s[4], 11) ^ rotate_right(s[4], 25)) + choose + w[i];
      uint32_t t2 = (rotate_right(s[0], 2) ^ rotate_right(s[0], 13) ^ rotate_right(s[0], 22)) + majority;
      memmove(s + 1, s, 28);
      s[4] += t1;
      s[0] = t1 + t2;
    }
    CHECK(memcmp(out, s, 32) == 0);
    uint32_t a[4], b[4], scheduled[4];
    for (int i = 0; i < 4; i++) a[i] = (uint32_t)next_random(), b[i] = (uint32_t)next_random();
    vst1q_u32(scheduled, vsha256su0q_u32(vld1q_u32(a), vld1q_u32(b)));
    for (int i = 0; i < 4; i++) {
      uint32_t next = i < 3 ? a[i + 1] : b[0];
      CHECK(scheduled[i] == a[i] + (rotate_right(next, 7) ^ rotate_right(next, 18) ^ next >> 3));
    }
  }
}

static void sha1(void) {
  for (int n = 0; n < 200; n++) {
    uint32_t s[5], w[4], out[4];
    for (int i = 0; i < 5; i++) s[i] = (uint32_t)next_random();
    for (int i = 0; i < 4; i++) w[i] = (uint32_t)next_random();
    vst1q_u32(out, vsha1cq_u32(vld1q_u32(s), s[4], vld1q_u32(w)));
    CHECK(vsha1h_u32(s[0]) == rotate_right(s[0], 2));
    for (int i = 0; i < 4; i++) {
      uint32_t t = rotate_right(s[0], 27) + ((s[1] & s[2]) | (~s[1] & s[3])) + s[4] + w[i];
      s[4] = s[3], s[3] = s[2], s[2] = rotate_right(s[1], 2), s[1] = s[0], s[0] = t;
    }
    CHECK(memcmp(out, s, 16) == 0);
  }
}

static void polynomial(void) {
  for (int n = 0; n < 200; n++) {
    uint64_t a = next_random(), b = next_random();
    unsigned __int128 expected = 0, found = (unsigned __int128)vmull_p64(a, b);
    for (int i = 0; i < 64; i++) expected ^= b >> i & 1 ? (unsigned __int128)a << i : 0;
    CHECK(found == expected);
  }
}

int main(void) {
  unsigned long offered = getauxval(AT_HWCAP);
  if (offered & 1 << 7) crc();
  if (offered & 1 << 3) aes();
  if (offered & 1 << 6) sha256();
  if (offered & 1 << 5) sha1();
  if (offered & 1 << 4) polynomial();
  puts("what is offered is right");
  return 0;
}
