// Every line of sentences/*.txt run as a region, and every row of the encodings table, with random fields and states, as a region
// against the baseline. One region holds many instructions, an entry and an exit for each.
//   FERRY_TEST_SEED=n    another seed           FERRY_TEST_CASES=n   cases a variant (default 2)
//   FERRY_TEST_ROW=name  only that row, or rows that start with name when it ends in *
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/region_tier.h"
#include "tests/translator/aarch64/sentence_cases.h"

namespace ferry::test {
namespace {

// What regions leave to the baseline: it changes code or the state of floating point under them, reads sticky flags whose
// setters LLVM may move, or enters the kernel.
const std::set<std::string> not_in_regions = {"isb", "ic_ivau", "msr_fpcr", "msr_fpsr", "mrs_fpsr", "svc", "brk"};

const aarch64::Row& row_at(u64 pc) {
  return aarch64::rows[static_cast<int>(*aarch64::find_row(*reinterpret_cast<const u32*>(pc)))];
}

TEST(RegionSentences, HoldInRegions) {
  Machine& machine = Machine::instance();
  std::vector<Line> lines = all_lines();
  std::vector<Sentence> sentences;
  std::vector<Piece> pieces;
  for (size_t i = 0; i < lines.size(); i++) {
    std::string error;
    auto sentence = parse_sentence(lines[i].text, slot_pc(slot_of(i)), error);
    ASSERT_TRUE(sentence) << lines[i].place << ": " << error;
    machine.place(slot_of(i), sentence->word);
    sentences.push_back(*sentence);
    pieces.push_back({slot_pc(slot_of(i)), 1, {}});
  }
  std::set<u64> refused = install_regions(pieces);
  std::set<std::string> refused_rows;
  for (size_t i = 0; i < lines.size(); i++) {
    // An undecodable word is left out, too, and has no row.
    bool is_word = aarch64::find_row(sentences[i].word).has_value();
    if (refused.contains(pieces[i].begin) && is_word && sentences[i].signal != SIGILL)
      refused_rows.insert(sentences[i].row);
    OracleResult expected = promised(sentences[i]);
    set_memory(sentences[i]);
    OracleResult actual = machine.run(Tier::region, sentences[i].before);
    stop_at_branch(sentences[i], actual);
    EXPECT_EQ("", differences(expected, actual)) << lines[i].place << ": " << lines[i].text;
  }
  EXPECT_EQ(refused_rows, not_in_regions);
}

bool selected(const aarch64::Row& row) {
  const char* wanted = getenv("FERRY_TEST_ROW");
  if (wanted == nullptr) return true;
  std::string text = wanted;
  if (text.ends_with('*')) return std::string(row.name).starts_with(text.substr(0, text.size() - 1));
  return text == row.name;
}

bool goes_on(const aarch64::Row& row) {
  return aarch64::control_of(static_cast<aarch64::RowId>(&row - aarch64::rows)) == semantic::Control::next;
}

// Counters tell the time; the thread's register is not part of a case's state.
bool is_repeatable(const aarch64::Row& row) {
  std::string_view name = row.name;
  return name.find("cntvct") == name.npos && name.find("tpidr") == name.npos;
}

struct RandomCase {
  OracleState state;
  OracleResult result;
  translator::Exit exit;
};

std::vector<RandomCase> random_cases(Machine& machine) {
  CaseGenerator generator(from_environment("FERRY_TEST_SEED", 20261120));
  std::vector<RandomCase> cases;
  for (const aarch64::Row& row : aarch64::rows) {
    if (!selected(row) || !goes_on(row) || !is_repeatable(row)) continue;
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      if (!row.pattern.variant_allowed(variant)) continue;
      for (u64 n = from_environment("FERRY_TEST_CASES", 2); n != 0; n--) {
        u32 word = generator.word(row, variant);
        OracleState state = generator.state(word);
        state.pc = slot_pc(cases.size());
        machine.place(cases.size(), word);
        cases.push_back({state, {}, {}});
      }
    }
  }
  return cases;
}

TEST(RegionSentences, RandomCasesAgreeWithTheBaseline) {
  Machine& machine = Machine::instance();
  std::vector<RandomCase> cases = random_cases(machine);
  ASSERT_FALSE(cases.empty());
  ASSERT_LE(cases.size(), ORACLE_CODE_SIZE / ORACLE_SLOT);
  machine.protect_code(true);  // addresses are random
  std::vector<Piece> pieces;
  for (RandomCase& c : cases) {
    c.result = machine.run(Tier::baseline, c.state);
    c.exit = machine.last_exit();
    pieces.push_back({c.state.pc, 1, {}});
  }
  std::set<u64> refused = install_regions(pieces);
  for (u64 pc : refused) {
    // What is undefined is a matter of fields, too.
    aarch64::Instruction instruction{};
    bool decodes = aarch64::decode(*reinterpret_cast<const u32*>(pc), GuestAddr{pc}, instruction);
    if (decodes && aarch64::reference(instruction) != nullptr)
      EXPECT_TRUE(not_in_regions.contains(row_at(pc).name)) << row_at(pc).name;
  }
  std::map<std::string, int> failures;
  for (const RandomCase& c : cases) {
    OracleResult result = machine.run(Tier::region, c.state);
    std::string difference =
        differences(c.result, result) + exit_differences(c.exit, machine.last_exit(), c.result.state.pc);
    if (difference.empty()) continue;
    const aarch64::Row& row = row_at(c.state.pc);
    if (failures[row.name]++ == 0)
      ADD_FAILURE() << row.name << " " << std::hex << *reinterpret_cast<const u32*>(c.state.pc) << "\n" << difference;
  }
  machine.protect_code(false);
  printf("%zu cases, %zu rows differ, %zu cases are not for regions\n", cases.size(), failures.size(), refused.size());
}

}  // namespace
}  // namespace ferry::test
