// Runs every line of sentences/*.txt in the reference, in the baseline and on the oracle, and checks that each row of the
// encodings table has a sentence. FERRY_WRITE_SENTENCES=DIR writes DIR/missing.txt: for each row without one, a sentence
// whose outcome the oracle told; read it, then add it to the section's file.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <set>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "tests/translator/aarch64/sentence_cases.h"

namespace ferry::test {
namespace {

TEST(Sentences, HoldInReferenceAndBaseline) {
  Machine& machine = Machine::instance();
  std::vector<Line> lines = all_lines();
  ASSERT_FALSE(lines.empty());
  for (size_t i = 0; i < lines.size(); i++) {
    std::string error;
    auto sentence = parse_sentence(lines[i].text, slot_pc(slot_of(i)), error);
    ASSERT_TRUE(sentence) << lines[i].place << ": " << error;
    OracleResult expected = promised(*sentence);
    machine.place(slot_of(i), sentence->word);
    for (Tier tier : {Tier::reference, Tier::baseline}) {
      set_memory(*sentence);
      OracleResult actual = machine.run(tier, sentence->before);
      stop_at_branch(*sentence, actual);
      EXPECT_EQ("", differences(expected, actual))
          << lines[i].place << (tier == Tier::reference ? " reference: " : " baseline: ") << lines[i].text;
    }
  }
}

TEST(Sentences, AreTrueOnTheOracle) {
  Machine::instance();
  std::vector<Line> lines = all_lines();
  std::vector<Sentence> sentences;
  for (const Line& line : lines) {
    std::string error;
    auto sentence = parse_sentence(line.text, slot_pc(slot_of(sentences.size())), error);
    ASSERT_TRUE(sentence) << line.place << ": " << error;
    // The oracle's window always starts from the pattern, and a system call would be one.
    if (!sentence->memory_before.empty() || sentence->row == "svc" || sentence->row == "brk" ||
        !oracle_knows(sentence->row))
      continue;
    sentences.push_back(*sentence);
  }
  constexpr u32 breakpoint = 0xd4200000;
  std::vector<Case> cases(slot_of(sentences.size()), {breakpoint, default_state(ORACLE_CODE)});
  for (size_t i = 0; i < sentences.size(); i++) cases[slot_of(i)] = {sentences[i].word, sentences[i].before};
  auto results = ask_oracle(cases);
  ASSERT_TRUE(results);
  for (size_t i = 0; i < sentences.size(); i++) {
    OracleResult expected = promised(sentences[i]), actual = (*results)[slot_of(i)];
    stop_at_branch(sentences[i], actual);
    if (expected.signal != 0 && expected.signal == actual.signal) actual.state.pc = expected.state.pc;
    EXPECT_EQ("", differences(expected, actual)) << print_sentence(sentences[i].word, sentences[i].before, expected);
  }
}

std::set<std::string> rows_with_sentences() {
  std::set<std::string> rows;
  for (const Line& line : all_lines()) rows.insert(line.text.substr(0, line.text.find(' ')));
  return rows;
}

TEST(Sentences, EveryRowHasOne) {
  std::set<std::string> covered = rows_with_sentences();
  for (const aarch64::Row& row : aarch64::rows)
    EXPECT_TRUE(covered.contains(row.name)) << "no sentence for row " << row.name;
}

TEST(Sentences, WriteMissing) {
  const char* directory = getenv("FERRY_WRITE_SENTENCES");
  if (directory == nullptr) GTEST_SKIP() << "FERRY_WRITE_SENTENCES is not set";
  Machine::instance();
  std::set<std::string> covered = rows_with_sentences();
  CaseGenerator generator(1);
  constexpr size_t tries = 24;
  std::vector<Case> cases;
  for (const aarch64::Row& row : aarch64::rows) {
    if (covered.contains(row.name)) continue;
    for (size_t n = 0; n < tries; n++) {
      u32 variant = static_cast<u32>(n * 7 % (size_t{1} << row.pattern.variant_bits));
      if (!row.pattern.variant_allowed(variant)) variant = 0;
      u32 word = generator.word(row, variant);
      cases.push_back({word, generator.plain_state(row, word, slot_pc(cases.size()))});
    }
  }
  if (cases.empty()) return;
  auto results = ask_oracle(cases);
  ASSERT_TRUE(results);
  std::ofstream out(std::string(directory) + "/missing.txt");
  std::string last;
  for (size_t i = 0; i < cases.size(); i++) {
    const OracleResult& result = (*results)[i];
    std::string text = print_sentence(cases[i].word, cases[i].state, result);
    std::string name = text.substr(0, text.find(' '));
    // The first that completed and did something visible.
    if (text.empty() || name == last || result.signal != 0 || text.ends_with("| |") || text.ends_with("|")) continue;
    out << text << "\n";
    last = name;
  }
}

}  // namespace
}  // namespace ferry::test
