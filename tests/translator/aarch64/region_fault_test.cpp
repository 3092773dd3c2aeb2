// Faults in regions: every row that accesses memory, at addresses that are unmapped, read-only or inaccessible, that cross from
// one such page into another, that are misaligned or tagged or no addresses at all: in straight code and in a loop whose flags are of the
// iteration before, set on one way through it only. What is left is what the baseline leaves: registers, flags, vectors,
// memory, pc, and all that the signal tells.
//   FERRY_TEST_SEED=n    other words            FERRY_TEST_CASES=n   words a variant (default 1)
//   FERRY_TEST_ROW=name  only that row
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <map>

#include "tests/translator/aarch64/block_generator.h"
#include "tests/translator/aarch64/region_tier.h"

namespace ferry::test {
namespace {

// Behind the window, which is writable, a page that is not, then one that cannot be accessed, then nothing.
constexpr u64 read_only = ORACLE_WINDOW + ORACLE_WINDOW_SIZE, inaccessible = read_only + 0x1000,
              unmapped = inaccessible + 0x1000, writable = ORACLE_WINDOW + 0x400;

constexpr u32 base = first_base, step = 22, turns = 23, zero = first_offset;

void map_pages() {
  void* page = mmap(reinterpret_cast<void*>(read_only), 0x2000, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(page, reinterpret_cast<void*>(read_only));
  for (u64 i = 0; i < 0x1000 / 8; i++) static_cast<u64*>(page)[i] = oracle_pattern(i);
  mprotect(page, 0x1000, PROT_READ);
  mprotect(static_cast<char*>(page) + 0x1000, 0x1000, PROT_NONE);
}

void unmap_pages() { munmap(reinterpret_cast<void*>(read_only), 0x2000); }

bool is_field(const aarch64::Field& field, std::string_view name) {
  return std::string_view(field.name, field.name_length) == name;
}

// A word of the row that accesses [base + 0]: offsets zero, whatever is added later left.
u32 access_word(CaseGenerator& generator, const aarch64::Row& row, u32 variant) {
  for (;;) {
    u32 word = generator.word(row, variant);
    bool is_indexed_after = std::string_view(row.name).find("_post") != std::string::npos, good = true;
    for (int i = 0; i < row.pattern.field_count; i++) {
      const aarch64::Field& field = row.pattern.fields[i];
      bool is_offset = is_field(field, "imm12") || is_field(field, "imm9") || is_field(field, "imm7");
      if (is_offset && !is_indexed_after) word &= ~field.mask();
      if (is_field(field, "rm") && !(is_indexed_after && field.extract(word) == 31))
        word = (word & ~field.mask()) | zero << field.low;
      if (is_field(field, "rn")) word = (word & ~field.mask()) | base << field.low;
      bool is_data = is_field(field, "rt") || is_field(field, "rt2") || is_field(field, "rs");
      if (is_data && is_cache(word))
        word = (word & ~field.mask()) | base << field.low;
      else if (is_data && is_kept(field.extract(word)))
        good = false;
    }
    if (good && row.pattern.matches(word)) return word;
  }
}

bool accesses_memory(const aarch64::Row& row) {
  u32 word = row.pattern.value;
  std::string_view name = row.name;
  bool literal = name.find("_lit") != name.npos || name == "ic_ivau";
  auto id = static_cast<aarch64::RowId>(&row - aarch64::rows);
  return (is_memory(word) || is_cache(word)) && !literal && aarch64::control_of(id) == semantic::Control::next;
}

std::vector<u32> access_words() {
  std::vector<u32> words;
  CaseGenerator generator(from_environment("FERRY_TEST_SEED", 20261120));
  const char* wanted = getenv("FERRY_TEST_ROW");
  for (const aarch64::Row& row : aarch64::rows) {
    if (!accesses_memory(row) || (wanted != nullptr && std::string_view(wanted) != row.name)) continue;
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      if (!row.pattern.variant_allowed(variant)) continue;
      for (u64 n = from_environment("FERRY_TEST_CASES", 1); n != 0; n--) {
        u32 word = access_word(generator, row, variant);
        aarch64::Instruction instruction{};
        if (aarch64::decode(word, GuestAddr{ORACLE_CODE}, instruction) && aarch64::reference(instruction) != nullptr)
          words.push_back(word);
      }
    }
  }
  return words;
}

std::vector<u64> addresses(std::mt19937_64& random) {
  constexpr u64 tag = u64{0x5a} << 56;
  return {unmapped + 0x100,
          read_only + 0x100,
          inaccessible + 0x200,
          read_only - 1 - random() % 15,
          inaccessible - 1 - random() % 15,
          unmapped - 8,
          writable + 1 + random() % 15,
          writable,
          tag | writable,
          tag | (read_only + 0x40),
          tag | (unmapped + 0x40),
          tag | (read_only - 4),
          u64{1} << 52 | writable,
          ~u64{0} - 7};
}

struct Outcome {
  OracleState before;
  OracleResult result;
  translator::Exit exit;
};

struct Tally {
  size_t faults = 0, late = 0;
  std::map<std::string, int> differing;
};

// Runs each slot's words from its states by the baseline, then as regions.
Tally compare_tiers(Machine& machine, const std::vector<std::vector<u32>>& blocks, const std::vector<u32>& words,
                    std::vector<std::vector<OracleState>>& states) {
  Tally tally;
  std::vector<Piece> pieces;
  std::vector<std::vector<Outcome>> outcomes(blocks.size());
  for (size_t i = 0; i < blocks.size(); i++) {
    u64 pc = ORACLE_CODE + i * ORACLE_BLOCK_SLOT;
    machine.place_block(i, blocks[i]);
    pieces.push_back({pc, static_cast<u32>(blocks[i].size()), {}});
    for (OracleState& state : states[i]) {
      state.pc = pc;
      OracleResult result = machine.run(Tier::baseline, state, blocks[i].size());
      outcomes[i].push_back({state, result, machine.last_exit()});
      tally.faults += machine.last_exit().reason == translator::ExitReason::fault;
      // x26 counts what has been done before.
      tally.late += machine.last_exit().reason == translator::ExitReason::fault && result.state.x[26] > 2;
    }
  }
  EXPECT_TRUE(install_regions(pieces).empty());
  for (size_t i = 0; i < blocks.size(); i++) {
    for (const Outcome& expected : outcomes[i]) {
      OracleResult result = machine.run(Tier::region, expected.before, blocks[i].size());
      std::string difference = differences(expected.result, result) +
                               exit_differences(expected.exit, machine.last_exit(), expected.result.state.pc);
      const char* row = row_of(words[i]).name;
      if (difference.empty() || tally.differing[row]++ != 0) continue;
      ADD_FAILURE() << row << " " << std::hex << words[i] << " at " << expected.before.x[base] << "\n" << difference;
    }
  }
  return tally;
}

OracleState state_for(std::mt19937_64& random, CaseGenerator& generator, u64 address) {
  OracleState state = generator.state(0);
  state.sp = writable;
  state.x[base] = address;
  state.x[zero] = 0;
  for (u32 r = zero + 1; r < first_free; r++) state.x[r] = random() % 2 == 0 ? random() % 4 : random();
  return state;
}

TEST(RegionFaults, LeaveTheStateOfTheBaseline) {
  Machine& machine = Machine::instance();
  map_pages();
  std::mt19937_64 random(from_environment("FERRY_TEST_SEED", 20261120));
  CaseGenerator generator(random());
  std::vector<u32> words = access_words();
  ASSERT_FALSE(words.empty());
  std::vector<std::vector<u32>> blocks;
  std::vector<std::vector<OracleState>> states;
  for (u32 word : words) {
    // ADDS X26, X25, X27; ADD X25, X25, #1; MUL V5.8H, V5.8H, V6.8H; the access; SUBS X27, X25, X26
    blocks.push_back({0xab1b033a, 0x91000739, 0x4e669ca5, word, 0xeb1a033b});
    states.emplace_back();
    for (u64 address : addresses(random)) states.back().push_back(state_for(random, generator, address));
  }
  Tally tally = compare_tiers(machine, blocks, words, states);
  unmap_pages();
  EXPECT_GT(tally.faults, words.size() * 4);
  printf("%zu words, %zu faults, %zu rows differ\n", words.size(), tally.faults, tally.differing.size());
}

// The access walks towards a page where it faults.
TEST(RegionFaults, InLoopsLeaveTheFlagsOfTheIterationBefore) {
  Machine& machine = Machine::instance();
  map_pages();
  std::mt19937_64 random(from_environment("FERRY_TEST_SEED", 20261120) + 1);
  CaseGenerator generator(random());
  std::vector<u32> words = access_words();
  ASSERT_FALSE(words.empty());
  std::vector<std::vector<u32>> blocks;
  std::vector<std::vector<OracleState>> states;
  for (u32 word : words) {
    u32 way = static_cast<u32>(random() % 3);
    std::vector<u32> block;
    block.push_back(word);
    block.push_back(0x8b000000 | step << 16 | base << 5 | base);  // ADD base, base, step
    block.push_back(0x9100075a);                                  // ADD X26, X26, #1
    if (way != 0) block.push_back(0x3600005a);                    // TBZ X26, #0, over the next
    block.push_back(way == 2 ? 0xfa5b0b20 : 0xeb1b033f);          // CCMP X25, #27, #0, EQ; CMP X25, X27
    block.push_back(0x8b1a0339);                                  // ADD X25, X25, X26
    block.push_back(0xd1000400 | turns << 5 | turns);             // SUB turns, turns, #1
    u32 back = static_cast<u32>(block.size());
    block.push_back(0xb5000000 | (-back & 0x7ffff) << 5 | turns);  // CBNZ turns
    blocks.push_back(block);
    states.emplace_back();
    for (u64 end : {read_only, inaccessible, unmapped}) {
      u64 distance = 64 * (1 + random() % 6), misaligned = random() % 2 == 0 ? 0 : random() % 16;
      OracleState state = state_for(random, generator, end - distance + misaligned);
      state.x[26] = 0;
      state.x[step] = 16 << random() % 3;
      state.x[turns] = 40;
      states.back().push_back(state);
    }
  }
  Tally tally = compare_tiers(machine, blocks, words, states);
  unmap_pages();
  EXPECT_GT(tally.late, words.size() / 2);
  printf("%zu words, %zu faults, %zu of them after some iterations, %zu rows differ\n", words.size(), tally.faults,
         tally.late, tally.differing.size());
}

}  // namespace
}  // namespace ferry::test
