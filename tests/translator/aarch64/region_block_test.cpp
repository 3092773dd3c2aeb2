// Random blocks as regions against the baseline: how instructions compose in SSA form, and that a fault in the middle leaves what
// the baseline's leaves. Some blocks have entries in their middle, too.
//   FERRY_TEST_SEED=n   other blocks             FERRY_TEST_CASES=n   blocks (default 1500)
#include <gtest/gtest.h>
#include <signal.h>

#include <bit>

#include "tests/translator/aarch64/block_generator.h"
#include "tests/translator/aarch64/region_tier.h"

namespace ferry::test {
namespace {

struct BlockRun {
  BlockCase block;
  OracleResult result;
  translator::Exit exit;
};

struct Counts {
  size_t late_faults = 0, completed = 0;
};

// Each as a region against the baseline.
Counts compare(const std::vector<BlockCase>& blocks, std::mt19937_64& random) {
  Machine& machine = Machine::instance();
  std::vector<BlockRun> runs;
  std::vector<Piece> pieces;
  for (BlockCase block : blocks) {
    block.state.pc = ORACLE_CODE + runs.size() * ORACLE_BLOCK_SLOT;
    machine.place_block(runs.size(), block.words);
    Piece piece{block.state.pc, static_cast<u32>(block.words.size()), {block.state.pc}};
    if (random() % 4 == 0) piece.entries.push_back(piece.begin + random() % piece.words * 4);
    pieces.push_back(piece);
    runs.push_back({block, {}, {}});
  }
  Counts counts;
  for (BlockRun& run : runs) {
    run.result = machine.run(Tier::baseline, run.block.state, run.block.words.size());
    run.exit = machine.last_exit();
    counts.completed += run.result.signal == 0;
    counts.late_faults += run.exit.reason == translator::ExitReason::fault && run.result.state.pc != run.block.state.pc;
  }
  install_regions(pieces);
  size_t differ = 0;
  for (const BlockRun& run : runs) {
    OracleResult result = machine.run(Tier::region, run.block.state, run.block.words.size());
    std::string difference =
        differences(run.result, result) + exit_differences(run.exit, machine.last_exit(), run.result.state.pc);
    if (!difference.empty() && differ++ < 5) ADD_FAILURE() << describe(run.block) << difference;
  }
  EXPECT_EQ(differ, 0u);
  return counts;
}

TEST(RegionBlocks, AgreeWithTheBaseline) {
  u64 seed = from_environment("FERRY_TEST_SEED", 20261120);
  BlockGenerator generator(seed);
  std::mt19937_64 random(seed);
  std::vector<BlockCase> blocks;
  for (u64 n = from_environment("FERRY_TEST_CASES", 1500); n != 0; n--) blocks.push_back(generator.block());
  Counts counts = compare(blocks, random);
  EXPECT_GT(counts.completed, blocks.size() / 4);
  EXPECT_GT(counts.late_faults, blocks.size() / 50);
  printf("%zu blocks, %zu completed, %zu faulted after their first instruction\n", blocks.size(), counts.completed,
         counts.late_faults);
}

// Operations whose results go into each other, of which a region looks for NaNs only at the end, between what has to see them.
TEST(RegionBlocks, ChainsOfFloatingPointAgreeWithTheBaseline) {
  constexpr u32 doubles = 1 << 22;
  constexpr u32 operations[] = {
      0x1e202800, 0x1e203800, 0x1e200800, 0x1e201800,
      0x1e208800, 0x1f000000, 0x1f208000,  // FADD, FSUB, FMUL, FDIV, FNMUL, FMADD, FNMSUB
      0x1e21c000, 0x4e20d400, 0x4ea0d400, 0x6e20dc00,
      0x4e20cc00, 0x6e20fc00,  // FSQRT; vectors' FADD, FSUB, FMUL, FMLA, FDIV
  };
  constexpr u32 others[] = {
      0x1e624000, 0x1e22c000, 0x1e614000, 0x1e602000,   // FCVT S, D; FCVT D, S; FNEG; FCMP
      0x5e180400, 0x9e660000, 0xfd000280, 0x9a9f17e0};  // DUP D, V.D[1]; FMOV X, D; STR D, [X20]; CSET X0, EQ
  u64 seed = from_environment("FERRY_TEST_SEED", 20261121);
  BlockGenerator generator(seed);
  std::mt19937_64 random(seed);
  auto below = [&](u64 n) { return static_cast<u32>(random() % n); };
  std::vector<BlockCase> blocks;
  for (u64 n = from_environment("FERRY_TEST_CASES", 600); n != 0; n--) {
    BlockCase block;
    u32 type = below(4) == 0 ? 0 : doubles;
    // Some of nothing else, and longer than what one check is for.
    bool long_chain = below(8) == 0;
    for (u64 count = long_chain ? 28 : 4 + below(24); count != 0; count--) {
      u32 registers = below(6) | below(6) << 5, word = operations[below(std::size(operations))] | type | below(6) << 16;
      if ((word & 0x5f000000) == 0x1f000000) word |= below(6) << 10;
      if ((word & 0xffbffc00) == 0x1e21c000) word &= ~0x001e0000u;
      if (long_chain || below(8) != 0) {
        block.words.push_back(word | registers);
        continue;
      }
      word = others[below(std::size(others))];
      if (word == 0x1e602000) registers = (registers & 0x3e0) | below(6) << 16;
      if (word == 0xfd000280) registers &= 31;
      if (word == 0x9a9f17e0) registers = 0;
      block.words.push_back(word | registers);
    }
    block.state = generator.state();
    // Mostly numbers: with a NaN in every other register hardly any block would be without one.
    for (u32 v = 0; below(3) != 0 && v < 6; v++) {
      double value = (static_cast<double>(below(2000)) - 700) / 16;
      for (u64& half : block.state.v[v]) half = std::bit_cast<u64>(value);
    }
    blocks.push_back(block);
  }
  EXPECT_GT(compare(blocks, random).completed, blocks.size() / 2);
}

}  // namespace
}  // namespace ferry::test
