// Random blocks: instructions that go on and short branches forward, with registers kept for addresses so that most accesses
// hit the window and some fault. For the tests that compare how tiers compose instructions.
#pragma once
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "translator/aarch64/decode.h"
#include "translator/aarch64/fp_control.h"

namespace ferry::test {

inline const aarch64::Row& row_of(u32 word) { return aarch64::rows[static_cast<int>(*aarch64::find_row(word))]; }

inline bool is_memory(u32 word) { return (word & 0x0a000000) == 0x08000000; }
inline bool is_cache(u32 word) { return (word & 0xfff80000) == 0xd5080000; }

// Registers that are kept for loads and stores: an address where nothing is, bases, of which the first stays aligned, and offsets.
inline constexpr u32 nowhere = 19, first_base = 20, first_offset = 24, first_free = 28;
inline bool is_kept(u32 r) { return r >= nowhere && r < first_free; }

// CONSTRAINED UNPREDICTABLE: later instructions may see either value.
inline bool loads_one_register_twice(u32 word, std::string_view row) {
  bool pair = row.starts_with("ldp") || row.starts_with("ldnp") || row == "ldxp" || row == "ldaxp";
  return pair && (word & 31) == (word >> 10 & 31);
}

// Does the word write SP? The flag setters of these groups write XZR.
inline bool writes_sp(u32 word, const aarch64::Row& row) {
  bool immediate = (word & 0x1c000000) == 0x10000000, extended = (word & 0x1f200000) == 0x0b200000;
  return (immediate || extended) && !row.writes_flags() && (word & 31) == 31;
}

class BlockGenerator {
 public:
  explicit BlockGenerator(u64 seed) : random_(seed), generator_(seed) {
    for (const aarch64::Row& row : aarch64::rows) {
      auto id = static_cast<aarch64::RowId>(&row - aarch64::rows);
      std::string_view name = row.name;
      bool literal = name.ends_with("_lit") || name.find("literal") != name.npos;
      bool lasts = name.find("tpidr") != name.npos;  // from one block to the next
      if (aarch64::control_of(id) != semantic::Control::next || !oracle_knows(name) || literal || lasts) continue;
      all_.push_back(&row);
      bool simd = (row.pattern.value & row.pattern.mask & 0x04000000) != 0;
      if (!simd) general_.push_back(&row);
      if (row.flags != aarch64::Flags::_) flags_.push_back(&row);
    }
  }

  BlockCase block() {
    BlockCase c;
    monitor_ = ~0u;
    for (u64 count = 4 + random_() % 21; c.words.size() < count;) {
      u64 kind = random_() % 256;
      c.words.push_back(kind == 0 ? 0 /* UDF */ : kind < 24 ? branch() : word());
    }
    c.state = state();
    return c;
  }

  // What blocks start with, but for the pc: addresses in the registers that are kept for them.
  OracleState state() {
    OracleState state = generator_.state(0x8b000000);
    state.fpcr &= ~u64{aarch64::fpcr_fz};  // what x86-64 hosts do not tell then adds up
    state.x[nowhere] = ORACLE_WINDOW + 16 * ORACLE_WINDOW_SIZE;
    for (u32 r = first_base; r < first_offset; r++) state.x[r] = state.sp + random_() % 64 * 16 - 512;
    for (u32 r = first_offset; r < first_free; r++) state.x[r] = random_() % 8 * 8;
    return state;
  }

  // An allocated word that leaves the kept registers alone, but for the writeback of loads and stores.
  u32 word() {
    for (;;) {
      const aarch64::Row& r = row();
      u32 variant = static_cast<u32>(random_() % (1u << r.pattern.variant_bits));
      if (!r.pattern.variant_allowed(variant)) continue;
      u32 result = generator_.word(r, variant);
      u32 base = base_for(r.name, result);
      if (loads_one_register_twice(result, r.name)) continue;
      if (is_cache(result)) {
        result = (result & ~31u) | first_base;  // qemu tells a wrong pc when DC ZVA faults
      } else if (is_memory(result)) {
        result = (result & ~(31u << 5)) | base << 5;
        bool offset = false;
        for (int i = 0; i < r.pattern.field_count; i++)
          offset |= std::string_view(r.pattern.fields[i].name, r.pattern.fields[i].name_length) == "rm";
        if (offset) result = (result & ~(31u << 16)) | (first_offset + static_cast<u32>(random_() % 4)) << 16;
        if (is_kept(result & 31) || is_kept(result >> 10 & 31) || (!offset && is_kept(result >> 16 & 31))) continue;
      } else if (is_kept(result & 31) || writes_sp(result, r)) {
        continue;
      }
      aarch64::Instruction instruction{};
      if (!aarch64::decode(result, GuestAddr{ORACLE_CODE}, instruction) || aarch64::reference(instruction) == nullptr)
        continue;
      if (instruction.row != static_cast<aarch64::RowId>(&r - aarch64::rows)) continue;
      if (is_exclusive(result)) {
        bool is_load = (result & 0x00400000) != 0;
        // A store of another size than the load's may succeed or fail.
        if (!is_load && exclusive_access(result) != monitor_) continue;
        monitor_ = exclusive_access(result);
      }
      return result;
    }
  }

 private:
  const aarch64::Row& row() {
    switch (random_() % 3) {
      case 0:
        return *flags_[random_() % flags_.size()];
      case 1:
        return *general_[random_() % general_.size()];
      default:
        return *all_[random_() % all_.size()];
    }
  }

  // Over one to three words; BRKs follow the last word.
  u32 branch() {
    u32 words = 2 + static_cast<u32>(random_() % 3), any = static_cast<u32>(random_());
    switch (random_() % 4) {
      case 0:
        return 0x34000000 | (any & 0x8100001f) | words << 5;  // CBZ, CBNZ
      case 1:
        return 0x36000000 | (any & 0x81f8001f) | words << 5;  // TBZ, TBNZ
      default:
        return 0x54000000 | (any & 15) | words << 5;  // B.cond
    }
  }

  // Load-exclusives and store-exclusives; what they have in common when one may follow the other.
  static bool is_exclusive(u32 word) {
    bool is_casp = (word & 0x80200000) == 0x00200000;
    return (word & 0x3f800000) == 0x08000000 && !is_casp;
  }
  static u32 exclusive_access(u32 word) { return word & 0xc0200000; }

  u32 base_for(std::string_view row, u32 word) {
    // Whether a misaligned address faults before the monitor is looked at is the implementation's choice.
    if (is_exclusive(word) || row == "ldapr") return first_base;  // and qemu 7.2 has none of LDAPR's alignment faults
    if (random_() % 64 == 0) return nowhere;
    if (random_() % 5 == 0) return 31;
    bool writes_back = row.find("_post") != row.npos || row.find("_pre") != row.npos;
    return first_base + static_cast<u32>(writes_back ? 1 + random_() % 3 : random_() % 4);
  }

  std::mt19937_64 random_;
  CaseGenerator generator_;
  u32 monitor_ = ~0u;  // exclusive_access() of the block's last exclusive
  std::vector<const aarch64::Row*> all_, general_, flags_;
};

inline std::string describe(const BlockCase& c) {
  std::string text;
  for (size_t n = 0; n < c.words.size(); n++) {
    char line[256];
    bool known = aarch64::find_row(c.words[n]).has_value();
    snprintf(line, sizeof line, "  %#llx: %08x %s", static_cast<unsigned long long>(c.state.pc + 4 * n), c.words[n],
             known ? row_of(c.words[n]).name : "undefined");
    text += line;
    for (int i = 0; known && i < row_of(c.words[n]).pattern.field_count; i++) {
      const aarch64::Field& f = row_of(c.words[n]).pattern.fields[i];
      snprintf(line, sizeof line, " %.*s=%u", f.name_length, f.name, f.extract(c.words[n]));
      text += line;
    }
    text += "\n";
  }
  return text;
}

}  // namespace ferry::test
