// Sequences of random instructions and short branches forward, run by the baseline as blocks, against the reference one instruction
// at a time and against the oracle: how stencils compose, which flags are left out because they are dead, and that a fault in
// the middle leaves the exact state of its instruction's start.
//   FERRY_TEST_SEED=n   other blocks             FERRY_TEST_CASES=n   blocks (default 4000)
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/translator/aarch64/block_generator.h"
#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "translator/aarch64/fp_control.h"

namespace ferry::test {
namespace {

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
