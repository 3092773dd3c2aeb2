// Every row and variant of the encodings table, with random fields and register states, against the oracle: the reference and
// the baseline must leave the same registers, flags, sticky FP flags, memory, pc and signal, bit for bit.
//   FERRY_TEST_SEED=n    another seed           FERRY_TEST_CASES=n   cases a variant (default 12)
//   FERRY_TEST_ROW=name  only that row, or rows that start with name when it ends in *
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "translator/aarch64/fp_control.h"

namespace ferry::test {
namespace {

using aarch64::Row;
using aarch64::RowId;

struct Failure {
  int count = 0;
  std::string first;
};

std::string describe(const Case& c, const Row& row) {
  char line[256];
  snprintf(line, sizeof line, "%s %08x (", row.name, c.word);
  std::string text = line;
  for (int i = 0; i < row.pattern.field_count; i++) {
    const aarch64::Field& f = row.pattern.fields[i];
    snprintf(line, sizeof line, "%s%.*s=%u", i == 0 ? "" : " ", f.name_length, f.name, f.extract(c.word));
    text += line;
  }
  text += ")\n";
  u32 rn = c.word >> 5 & 31, rm = c.word >> 16 & 31, ra = c.word >> 10 & 31, rd = c.word & 31;
  for (u32 r : {rd, rn, rm, ra}) {
    snprintf(line, sizeof line, "  in: x%u=%#llx v%u=%#llx:%#llx\n", r,
             r == 31 ? 0ull : (unsigned long long)c.state.x[r], r, (unsigned long long)c.state.v[r][1],
             (unsigned long long)c.state.v[r][0]);
    text += line;
  }
  snprintf(line, sizeof line, "  in: nzcv=%#llx fpcr=%#llx fpsr=%#llx pc=%#llx\n", (unsigned long long)c.state.nzcv,
           (unsigned long long)c.state.fpcr, (unsigned long long)c.state.fpsr, (unsigned long long)c.state.pc);
  return text + line;
}

bool selected(const Row& row) {
  const char* wanted = getenv("FERRY_TEST_ROW");
  if (wanted == nullptr) return true;
  std::string text = wanted;
  if (text.ends_with('*')) return std::string(row.name).starts_with(text.substr(0, text.size() - 1));
  return text == row.name;
}

bool goes_on(const Row& row) {
  return aarch64::control_of(static_cast<RowId>(&row - aarch64::rows)) == semantic::Control::next;
}

#if defined(__x86_64__)
// The lanes of a half that are the smallest normal number, as single or double, become zeros.
u64 without_smallest_normals(u64 half) {
  constexpr u64 sign = u64{1} << 63, single_sign = u64{1} << 31;
  if ((half & ~sign) == u64{1} << 52) return half & sign;
  if ((half & 0x7fffffff) == 1u << 23) half &= ~u64{0xffffffff} | single_sign;
  if ((half >> 32 & 0x7fffffff) == 1u << 23) half &= sign | 0xffffffff;
  return half;
}
#endif

// Takes out what semantics/fp.h says x86-64 hosts do not tell: underflow when a result was rounded up to the smallest normal number,
// and with FPCR.FZ set which operands and results were flushed, and that such a result would have been.
void forgive([[maybe_unused]] const Case& c, [[maybe_unused]] OracleResult& theirs,
             [[maybe_unused]] OracleResult& ours) {
#if defined(__x86_64__)
  u64 forgiven = 0;
  bool flushes = (c.state.fpcr & aarch64::fpcr_fz) != 0;
  if (flushes) forgiven = aarch64::fpsr_idc | aarch64::fpsr_ufc | aarch64::fpsr_ixc;
  for (int i = 0; i < 2; i++) {
    u64& half = ours.state.v[c.word & 31][i];
    if (without_smallest_normals(half) == half) continue;
    forgiven |= aarch64::fpsr_ufc;
    if (!flushes) continue;
    half = without_smallest_normals(half);
    u64& their_half = theirs.state.v[c.word & 31][i];
    their_half = without_smallest_normals(their_half);
  }
  theirs.state.fpsr &= ~forgiven;
  ours.state.fpsr &= ~forgiven;
#endif
}

TEST(RandomComparison, EveryRowAgreesWithTheOracle) {
  Machine& machine = Machine::instance();
  CaseGenerator generator(from_environment("FERRY_TEST_SEED", 20261120));
  u64 cases_per_variant = from_environment("FERRY_TEST_CASES", 12);
  std::vector<Case> cases;
  for (const Row& row : aarch64::rows) {
    // Branches would run other tests' slots: sentences and programs cover them.
    if (!selected(row) || !goes_on(row) || !oracle_knows(row.name)) continue;
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      if (!row.pattern.variant_allowed(variant)) continue;
      for (u64 n = 0; n < cases_per_variant; n++) {
        u32 word = generator.word(row, variant);
        cases.push_back({word, generator.state(word)});
      }
    }
  }
  ASSERT_FALSE(cases.empty());
  ASSERT_LE(cases.size(), ORACLE_CODE_SIZE / ORACLE_SLOT);
  auto expected = ask_oracle(cases);
  ASSERT_TRUE(expected.has_value());

  std::map<std::string, Failure> failures;
  for (size_t i = 0; i < cases.size(); i++) machine.place(i, cases[i].word);
  for (size_t i = 0; i < cases.size(); i++) {
    const Row& row = aarch64::rows[static_cast<int>(*aarch64::find_row(cases[i].word))];
    for (Tier tier : {Tier::reference, Tier::baseline}) {
      OracleResult theirs = (*expected)[i], ours = machine.run(tier, cases[i].state);
      theirs.fault_address = ours.fault_address = 0;
      forgive(cases[i], theirs, ours);
      std::string difference = differences(theirs, ours);
      if (difference.empty()) continue;
      Failure& failure = failures[std::string(row.name) + (tier == Tier::reference ? " reference" : " baseline")];
      if (failure.count++ == 0) failure.first = describe(cases[i], row) + difference;
    }
  }
  for (const auto& [name, failure] : failures)
    ADD_FAILURE() << name << ": " << failure.count << " differ; first:\n" << failure.first;
  printf("%zu cases, %zu rows and tiers differ\n", cases.size(), failures.size());
}

}  // namespace
}  // namespace ferry::test
