// Random words of a row and random register states that make instructions do something: numbers at the ends of ranges,
// special floating-point values, addresses in the data window.
#pragma once
#include <cstdlib>
#include <iterator>
#include <random>
#include <string_view>

#include "tests/translator/aarch64/sentence.h"
#include "translator/aarch64/encodings.h"

namespace ferry::test {

// What is unmapped for the oracle is a sanitizer's own memory here: then addresses stay in the window.
#if defined(__has_feature)
inline constexpr bool only_in_window = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool only_in_window = false;
#endif

// Rows that the oracle is not asked about: their outcome is the implementation's business, or qemu-user takes liberties (it keeps
// reserved bits of FPCR and FPSR, and cleans caches at addresses that are not mapped).
inline bool oracle_knows(std::string_view row) {
  static constexpr std::string_view unknown[] = {"mrs_id",         "mrs_ctr_el0", "mrs_dczid_el0", "mrs_cntfrq_el0",
                                                 "mrs_cntvct_el0", "msr_fpcr",    "msr_fpsr",      "dc_cvac",
                                                 "dc_cvau",        "dc_civac"};
  for (std::string_view name : unknown) {
    if (row == name) return false;
  }
  return true;
}

// FERRY_TEST_SEED, FERRY_TEST_CASES and the like.
inline u64 from_environment(const char* name, u64 otherwise) {
  const char* text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

class CaseGenerator {
 public:
  explicit CaseGenerator(u64 seed) : random_(seed) {}

  // A word of the row with these variant fields; the others random. Registers stay mostly distinct from 31.
  u32 word(const aarch64::Row& row, u32 variant) {
    for (;;) {
      u32 result = row.pattern.value;
      int variant_field = 0;
      for (int i = 0; i < row.pattern.field_count; i++) {
        const aarch64::Field& field = row.pattern.fields[i];
        u32 value = field.variant
                        ? variant_value(field, static_cast<u32>(row.pattern.variant_field(variant, variant_field++)))
                        : random_field(field);
        result |= value << field.low & field.mask();
      }
      if (row.pattern.matches(result)) return result;
    }
  }

  OracleState state(u32 word) {
    OracleState s{};
    for (u64& x : s.x) x = interesting();
    for (auto& v : s.v) {
      v[0] = vector_half();
      v[1] = vector_half();
    }
    u64 base = ORACLE_WINDOW + ORACLE_WINDOW_SIZE / 2;
    s.sp = base;
    s.nzcv = random_() & 0xf0000000;
    bool load_or_store = (word & 0x0a000000) == 0x08000000 || (word & 0xfff80000) == 0xd5080000;
    if (load_or_store) {
      // Rn is the base, Rm an offset; sometimes misaligned, sometimes nowhere.
      u32 rn = word >> 5 & 31, rm = word >> 16 & 31;
      if ((chance(3) || only_in_window) && rm != 31) s.x[rm] = random_() % 64;
      u64 address = base + (chance(4) ? random_() % 64 : random_() % 32 * 16);
      // Misaligned, a store exclusive faults whatever the monitor holds (J1, ExclusiveMonitorsPass); qemu looks at the monitor first.
      // It does not check LDAPR at all.
      bool keep_aligned = (word & 0x3fc00000) == 0x08000000 || (word & 0x3fe0fc00) == 0x38a0c000;
      if (keep_aligned) address = base + random_() % 32 * 16;
      if ((!chance(16) || keep_aligned || only_in_window) && rn != 31) s.x[rn] = address;
      if ((word & 0xfff80000) == 0xd5080000 && (word & 31) != 31) s.x[word & 31] = address;
    }
    if (chance(3)) s.fpcr = fpcr();
    if (chance(4)) s.fpsr = random_() & 0x0800001f;
    return s;
  }

  // The default state of sentences with only the word's own registers set, for sentences that read well.
  OracleState plain_state(const aarch64::Row& row, u32 word, u64 pc) {
    OracleState plain = default_state(pc), full = state(word);
    for (int i = 0; i < row.pattern.field_count; i++) {
      const aarch64::Field& field = row.pattern.fields[i];
      if (field.width != 5 || field.name[0] != 'r') continue;
      u32 r = field.extract(word);
      bool is_vector = std::string_view(row.name).find("vector") != std::string_view::npos;
      if (r != 31 && !is_vector) plain.x[r] = full.x[r];
      plain.v[r][0] = full.v[r][0];
      plain.v[r][1] = full.v[r][1];
    }
    if (row.reads_flags()) plain.nzcv = full.nzcv;
    return plain;
  }

 private:
  bool chance(u32 n) { return random_() % n == 0; }

  u32 random_field(const aarch64::Field& field) {
    u32 value = static_cast<u32>(random_());
    u32 all = static_cast<u32>((u64{1} << field.width) - 1);
    bool is_register = field.width == 5 && field.name[0] == 'r';
    if (is_register) return chance(8) ? 31 : value % 31;
    if (chance(8)) return chance(2) ? all : 0;
    if (field.width >= 7 && field.width <= 12 && !chance(4)) return value & 0xf;  // offsets that stay in the window
    return value & all;
  }

  // A value of the field that selects this variant.
  u32 variant_value(const aarch64::Field& field, u32 selected) {
    if (field.selector == aarch64::Selector::value) return selected;
    u32 others = static_cast<u32>(random_());
    if (field.selector == aarch64::Selector::highest_bit) return (others & ((1u << selected) - 1)) | 1u << selected;
    return ((others << 1 | 1) << selected) & static_cast<u32>((1u << field.width) - 1);
  }

  u64 interesting() {
    static constexpr u64 values[] = {
        0, 1, 2, ~u64{0}, u64{1} << 63, ~(u64{1} << 63), 0x80000000, 0x7fffffff, 0xffffffff, 31, 32, 63, 64};
    switch (random_() % 4) {
      case 0:
        return values[random_() % std::size(values)];
      case 1:
        return random_() % 256;
      case 2:
        return static_cast<u64>(static_cast<i64>(static_cast<i32>(random_())));
      default:
        return random_();
    }
  }

  u64 vector_half() {
    static constexpr u64 doubles[] = {0,
                                      u64{1} << 63,
                                      0x3ff0000000000000,
                                      0xbff0000000000000,
                                      0x7ff0000000000000,
                                      0xfff0000000000000,
                                      0x7ff8000000000001,
                                      0xfff8000000000002,
                                      0x7ff0000000000003,
                                      0xfff4000000000004,
                                      1,
                                      0x000fffffffffffff,
                                      0x0010000000000000,
                                      0x7fefffffffffffff,
                                      0x41dfffffffc00000,
                                      0xc1e0000000000000,
                                      0x43e0000000000000,
                                      0x3fe0000000000000,
                                      0x4004000000000000,
                                      0x4330000000000001};
    static constexpr u32 floats[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00001,
                                     0xffc00002, 0x7f800003, 0xffa00004, 1,          0x007fffff, 0x00800000, 0x7f7fffff,
                                     0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x40200000, 0x4b000001};
    auto one_float = [&] {
      if (chance(2)) return floats[random_() % std::size(floats)];
      u32 exponent = 0x3f800000 + static_cast<u32>(random_() % 64 - 32) * 0x800000;
      return (exponent & 0x7f800000) | static_cast<u32>(random_() & 0x807fffff);
    };
    switch (random_() % 6) {
      case 0:
        return doubles[random_() % std::size(doubles)];
      case 1:
        return u64{one_float()} << 32 | one_float();
      case 2:
        return (0x3ff0000000000000 + (random_() % 128 - 64) * 0x10000000000000) ^ (random_() & 0x800fffffffffffff);
      case 3:
        return interesting();
      case 4: {  // bytes at the ends of their ranges
        static constexpr u8 bytes[] = {0, 1, 0x7f, 0x80, 0x81, 0xff};
        u64 value = 0;
        for (int i = 0; i < 8; i++) value = value << 8 | bytes[random_() % std::size(bytes)];
        return value;
      }
      default:
        return random_();
    }
  }

  u64 fpcr() {
    u64 value = (random_() & 3) << 22;     // RMode
    if (chance(4)) value |= u64{1} << 24;  // FZ
    if (chance(4)) value |= u64{1} << 25;  // DN
    return value;
  }

  std::mt19937_64 random_;
};

}  // namespace ferry::test
