// Sequences of random instructions and short branches forward, run by the baseline as blocks, against the reference one instruction
// at a time and against the oracle: how stencils compose, which flags are left out because they are dead, and that a fault in
// the middle leaves the exact state of its instruction's start.
//   FERRY_TEST_SEED=n   other blocks             FERRY_TEST_CASES=n   blocks (default 4000)
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "translator/aarch64/fp_control.h"

namespace ferry::test {
namespace {

using aarch64::Field;
using aarch64::Instruction;
using aarch64::Row;
using aarch64::RowId;

u64 from_environment(const char* name, u64 otherwise) {
  const char* text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

const Row& row_of(u32 word) { return aarch64::rows[static_cast<int>(*aarch64::find_row(word))]; }

bool is_memory(u32 word) { return (word & 0x0a000000) == 0x08000000; }
bool is_cache(u32 word) { return (word & 0xfff80000) == 0xd5080000; }

// Registers that are kept for loads and stores: an address where nothing is, bases, of which the first stays aligned, and offsets.
constexpr u32 nowhere = 19, first_base = 20, first_offset = 24, first_free = 28;
bool is_kept(u32 r) { return r >= nowhere && r < first_free; }

// CONSTRAINED UNPREDICTABLE: later instructions may see either value.
bool loads_one_register_twice(u32 word, std::string_view row) {
  bool pair = row.starts_with("ldp") || row.starts_with("ldnp") || row == "ldxp" || row == "ldaxp";
  return pair && (word & 31) == (word >> 10 & 31);
}

// Does the word write SP? The flag setters of these groups write XZR.
bool writes_sp(u32 word, const Row& row) {
  bool immediate = (word & 0x1c000000) == 0x10000000, extended = (word & 0x1f200000) == 0x0b200000;
  return (immediate || extended) && !row.writes_flags() && (word & 31) == 31;
}

class BlockGenerator {
 public:
  explicit BlockGenerator(u64 seed) : random_(seed), generator_(seed) {
    for (const Row& row : aarch64::rows) {
      Instruction instruction{};
      instruction.row = static_cast<RowId>(&row - aarch64::rows);
      std::string_view name = row.name;
      bool literal = name.ends_with("_lit") || name.find("literal") != name.npos;
      bool lasts = name.find("tpidr") != name.npos;  // from one block to the next
      if (aarch64::control_of(instruction) != semantic::Control::next || !oracle_knows(name) || literal || lasts)
        continue;
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
    c.state = generator_.state(0x8b000000);
    c.state.fpcr &= ~u64{aarch64::fpcr_fz};  // what x86-64 hosts do not tell then adds up
    c.state.x[nowhere] = ORACLE_WINDOW + 16 * ORACLE_WINDOW_SIZE;
    for (u32 r = first_base; r < first_offset; r++) c.state.x[r] = c.state.sp + random_() % 64 * 16 - 512;
    for (u32 r = first_offset; r < first_free; r++) c.state.x[r] = random_() % 8 * 8;
    return c;
  }

 private:
  const Row& row() {
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

  // An allocated word that leaves the kept registers alone, but for the writeback of loads and stores.
  u32 word() {
    for (;;) {
      const Row& r = row();
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
      Instruction instruction{};
      if (!aarch64::decode(result, GuestAddr{ORACLE_CODE}, instruction) || aarch64::reference(instruction) == nullptr)
        continue;
      if (instruction.row != static_cast<RowId>(&r - aarch64::rows)) continue;
      if (is_exclusive(result)) {
        bool is_load = (result & 0x00400000) != 0;
        // A store of another size than the load's may succeed or fail.
        if (!is_load && exclusive_access(result) != monitor_) continue;
        monitor_ = exclusive_access(result);
      }
      return result;
    }
  }

  std::mt19937_64 random_;
  CaseGenerator generator_;
  u32 monitor_ = ~0u;  // exclusive_access() of the block's last exclusive
  std::vector<const Row*> all_, general_, flags_;
};

std::string describe(const BlockCase& c) {
  std::string text;
  for (size_t n = 0; n < c.words.size(); n++) {
    char line[256];
    bool known = aarch64::find_row(c.words[n]).has_value();
    snprintf(line, sizeof line, "  %#llx: %08x %s", static_cast<unsigned long long>(c.state.pc + 4 * n), c.words[n],
             known ? row_of(c.words[n]).name : "undefined");
    text += line;
    for (int i = 0; known && i < row_of(c.words[n]).pattern.field_count; i++) {
      const Field& f = row_of(c.words[n]).pattern.fields[i];
      snprintf(line, sizeof line, " %.*s=%u", f.name_length, f.name, f.extract(c.words[n]));
      text += line;
    }
    text += "\n";
  }
  return text;
}

std::string compare(OracleResult expected, OracleResult actual) {
  expected.fault_address = actual.fault_address = 0;
#if defined(__x86_64__)
  // Underflow of a result that was rounded up to the smallest normal number is not told: semantics/fp.h.
  expected.state.fpsr &= ~u64{aarch64::fpsr_ufc};
  actual.state.fpsr &= ~u64{aarch64::fpsr_ufc};
#endif
  return differences(expected, actual);
}

TEST(RandomBlocks, BaselineAgreesWithTheReferenceAndTheOracle) {
  Machine& machine = Machine::instance();
  BlockGenerator generator(from_environment("FERRY_TEST_SEED", 20261120));
  std::vector<BlockCase> cases;
  for (u64 n = from_environment("FERRY_TEST_CASES", 4000); n != 0; n--) cases.push_back(generator.block());
  ASSERT_LE(cases.size(), ORACLE_CODE_SIZE / ORACLE_BLOCK_SLOT);
  auto expected = ask_oracle(cases);
  ASSERT_TRUE(expected.has_value());

  size_t instructions = 0, completed = 0, late_faults = 0, shown = 0, differ = 0;
  for (size_t i = 0; i < cases.size(); i++) machine.place_block(i, cases[i].words);
  for (size_t i = 0; i < cases.size(); i++) {
    const BlockCase& c = cases[i];
    const OracleResult& theirs = (*expected)[i];
    u64 executed = (theirs.state.pc - c.state.pc) / 4;
    instructions += executed;
    completed += theirs.signal == 0;
    late_faults += (theirs.signal == SIGSEGV || theirs.signal == SIGBUS) && executed > 1;

    OracleResult reference = machine.run(Tier::reference, c.state, c.words.size());
    OracleResult translated = machine.run(Tier::baseline, c.state, c.words.size());
    OracleResult again = machine.run(Tier::baseline, c.state, c.words.size());
    std::string by_reference = compare(theirs, reference), by_baseline = compare(theirs, translated);
    std::string text;
    if (!by_reference.empty()) text += "reference, one by one:\n" + by_reference;
    if (!by_baseline.empty()) text += "baseline:\n" + by_baseline;
    if (compare(translated, again) != "") text += "baseline, the second time:\n" + compare(translated, again);
    if (text.empty()) continue;
    differ++;
    if (shown++ < 5) ADD_FAILURE() << "block " << i << ":\n" << describe(c) << text;
  }
  EXPECT_EQ(differ, 0u);
  // The generator is worth something: most instructions run, many blocks fault in the middle.
  EXPECT_GT(completed, cases.size() / 4);
  EXPECT_GT(late_faults, cases.size() / 50);
  printf("%zu blocks, %zu instructions executed, %zu blocks completed, %zu faulted after their first instruction\n",
         cases.size(), instructions, completed, late_faults);
}

}  // namespace
}  // namespace ferry::test
