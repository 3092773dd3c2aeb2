// Random blocks as regions against the baseline: how instructions compose in SSA form, and that a fault in the middle leaves what
// the baseline's leaves. Some blocks have entries in their middle, too.
//   FERRY_TEST_SEED=n   other blocks             FERRY_TEST_CASES=n   blocks (default 1500)
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/translator/aarch64/block_generator.h"
#include "tests/translator/aarch64/region_tier.h"

namespace ferry::test {
namespace {

struct BlockRun {
  BlockCase block;
  OracleResult result;
  translator::Exit exit;
};

TEST(RegionBlocks, AgreeWithTheBaseline) {
  Machine& machine = Machine::instance();
  u64 seed = from_environment("FERRY_TEST_SEED", 20261120);
  BlockGenerator generator(seed);
  std::mt19937_64 random(seed);
  std::vector<BlockRun> runs;
  std::vector<Piece> pieces;
  for (u64 n = from_environment("FERRY_TEST_CASES", 1500); n != 0; n--) {
    BlockCase block = generator.block();
    block.state.pc = ORACLE_CODE + runs.size() * ORACLE_BLOCK_SLOT;
    machine.place_block(runs.size(), block.words);
    Piece piece{block.state.pc, static_cast<u32>(block.words.size()), {block.state.pc}};
    if (random() % 4 == 0) piece.entries.push_back(piece.begin + random() % piece.words * 4);
    pieces.push_back(piece);
    runs.push_back({block, {}, {}});
  }
  size_t late_faults = 0, completed = 0, differ = 0;
  for (BlockRun& run : runs) {
    run.result = machine.run(Tier::baseline, run.block.state, run.block.words.size());
    run.exit = machine.last_exit();
    completed += run.result.signal == 0;
    late_faults += run.exit.reason == translator::ExitReason::fault && run.result.state.pc != run.block.state.pc;
  }
  install_regions(pieces);
  for (const BlockRun& run : runs) {
    OracleResult result = machine.run(Tier::region, run.block.state, run.block.words.size());
    std::string difference =
        differences(run.result, result) + exit_differences(run.exit, machine.last_exit(), run.result.state.pc);
    if (!difference.empty() && differ++ < 5) ADD_FAILURE() << describe(run.block) << difference;
  }
  EXPECT_EQ(differ, 0u);
  EXPECT_GT(completed, runs.size() / 4);
  EXPECT_GT(late_faults, runs.size() / 50);
  printf("%zu blocks, %zu completed, %zu faulted after their first instruction\n", runs.size(), completed, late_faults);
}

}  // namespace
}  // namespace ferry::test
