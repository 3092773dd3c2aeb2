// Random structured programs as regions against the baseline: the same registers, flags, memory and fault at the end, whichever
// entries the region has and whatever of the program it leaves out.
//   FERRY_TEST_SEED=n   other programs           FERRY_TEST_CASES=n   programs (default 80)
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>

#include "tests/translator/aarch64/program_generator.h"
#include "tests/translator/aarch64/region_tier.h"

namespace ferry::test {
namespace {

// Runs with a timer that asks for a poll. After a while: a program whose saved counters were overwritten may run for ever; then it is
// left, and does not count. Or soon, and again a little later each time that the program has gone on.
class Timer {
 public:
  explicit Timer(Machine& machine) : machine_(machine) {
    cpu_ = &machine.cpu();
    struct sigaction action{};
    action.sa_handler = [](int) { translator::request_poll(*cpu_); };
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGVTALRM, &action, nullptr);
    sigaction(SIGALRM, &action, nullptr);
  }
  OracleResult run(Tier tier, const OracleState& state) {
    set(ITIMER_VIRTUAL, 500000);
    OracleResult result = machine_.run(tier, state);
    set(ITIMER_VIRTUAL, 0);
    return result;
  }
  OracleResult run_with_polls(const OracleState& state) {
    soon_ = 0;
    machine_.go_on_after_polls(set_soon);
    set_soon();
    OracleResult result = machine_.run(Tier::region, state);
    set(ITIMER_REAL, 0);
    machine_.go_on_after_polls(nullptr);
    cpu_->poll_requested = 0;
    return result;
  }

 private:
  static void set(__itimer_which which, int microseconds) {
    itimerval timer{{0, 0}, {0, microseconds}};
    setitimer(which, &timer, nullptr);
  }
  static void set_soon() { set(ITIMER_REAL, ++soon_); }

  static inline aarch64::Cpu* cpu_;
  static inline int soon_;  // microseconds
  Machine& machine_;
};

// The program's words but for some stretches, each an even chance of none.
std::vector<Piece> pieces_of(const Program& program, std::mt19937_64& random) {
  std::vector<bool> left_out(program.words.size());
  for (u64 count = random() % 3; count != 0; count--) {
    size_t begin = random() % program.words.size();
    for (size_t i = begin; i < std::min(program.words.size(), begin + 1 + random() % 12); i++) left_out[i] = true;
  }
  std::vector<Piece> pieces;
  for (u32 i = 0; i < program.words.size(); i++) {
    if (left_out[i]) continue;
    if (i == 0 || left_out[i - 1]) pieces.push_back({ORACLE_CODE + u64{4} * i, 0, {}});
    pieces.back().words++;
  }
  auto piece_with = [&](u32 word) {
    u64 address = ORACLE_CODE + u64{4} * word;
    auto holds = [&](const Piece& piece) { return address >= piece.begin && address < piece.begin + 4 * piece.words; };
    auto found = std::ranges::find_if(pieces, holds);
    return found == pieces.end() ? nullptr : &*found;
  };
  auto add_entry = [&](u32 word) {
    if (Piece* piece = piece_with(word)) piece->entries.push_back(ORACLE_CODE + u64{4} * word);
  };
  add_entry(0);
  for (u32 word : program.interesting) {
    if (random() % 4 == 0) add_entry(word);
  }
  bool know_targets = random() % 4 != 0;
  for (auto [site, target] : program.indirect) {
    Piece *from = piece_with(site), *to = piece_with(target);
    if (know_targets && from != nullptr && to != nullptr)
      from->indirect.push_back({ORACLE_CODE + u64{4} * site, ORACLE_CODE + u64{4} * target});
  }
  return pieces;
}

std::string print(const Program& program) {
  std::string text;
  for (u32 i = 0; i < program.words.size(); i++) {
    char line[96];
    bool known = aarch64::find_row(program.words[i]).has_value();
    snprintf(line, sizeof line, "%#lx: %08x %s\n", ORACLE_CODE + 4 * i, program.words[i],
             known ? row_of(program.words[i]).name : "undefined");
    text += line;
  }
  return text;
}

TEST(RegionPrograms, AgreeWithTheBaseline) {
  Machine& machine = Machine::instance();
  Timer timer(machine);
  u64 seed = from_environment("FERRY_TEST_SEED", 20261120), cases = from_environment("FERRY_TEST_CASES", 80);
  size_t completed = 0, faulted = 0, lost = 0, differ = 0;
  for (u64 n = 0; n < cases; n++) {
    u64 own_seed = seed * 1000003 + n;
    std::mt19937_64 random(own_seed);
    Program program = ProgramGenerator(own_seed).program();
    machine.protect_code(false);
    machine.place_program(program.words);
    machine.protect_code(true);
    OracleResult expected = timer.run(Tier::baseline, program.state);
    translator::Exit expected_exit = machine.last_exit();
    completed += expected_exit.reason == translator::ExitReason::breakpoint;
    faulted += expected_exit.reason == translator::ExitReason::fault;
    if (expected_exit.reason == translator::ExitReason::poll) {
      lost++;
      continue;
    }
    std::vector<Piece> pieces = pieces_of(program, random);
    install_region_of(pieces);
    for (int turn = 0; turn < 6; turn++) {  // the second time all is linked, then it is interrupted
      OracleResult actual = turn < 2 ? timer.run(Tier::region, program.state) : timer.run_with_polls(program.state);
      std::string difference =
          differences(expected, actual) + exit_differences(expected_exit, machine.last_exit(), expected.state.pc);
      if (difference.empty()) continue;
      if (differ++ < 3) ADD_FAILURE() << "program " << n << ", run " << turn << ":\n" << print(program) << difference;
      break;
    }
  }
  machine.protect_code(false);
  EXPECT_EQ(differ, 0u);
  EXPECT_GT(completed, cases / 4);
  EXPECT_GT(faulted, cases / 20);
  EXPECT_LE(lost, cases / 20);
  EXPECT_GT(machine.polls(), 0u);
  printf("%zu completed, %zu faulted, %zu never ended, %llu polls\n", completed, faulted, lost,
         static_cast<unsigned long long>(machine.polls()));
}

}  // namespace
}  // namespace ferry::test
