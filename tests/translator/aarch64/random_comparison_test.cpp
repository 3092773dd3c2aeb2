// Every row and variant of the encodings table, with random fields and register states, against the oracle: the reference and
// the baseline must leave the same registers, flags, sticky FP flags, memory, pc and signal, bit for bit.
//   FERRY_TEST_SEED=n    another seed           FERRY_TEST_CASES=n   cases a variant (default 12)
//   FERRY_TEST_ROW=name  only that row, or rows that start with name when it ends in *
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"

namespace ferry::test {
namespace {

using aarch64::Row;
using aarch64::RowId;

u64 from_environment(const char* name, u64 otherwise) {
  const char* text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

class Generator {
 public:
  explicit Generator(u64 seed) : random_(seed) {}

  // A word of the row with these variant fields; the others random. Registers stay mostly distinct from 31.
  u32 word(const Row& row, u32 variant) {
    for (;;) {
      u32 result = row.pattern.value;
      int variant_field = 0;
      for (int i = 0; i < row.pattern.field_count; i++) {
        const aarch64::Field& field = row.pattern.fields[i];
        u32 value = field.variant ? static_cast<u32>(row.pattern.variant_field(variant, variant_field++)) : random_field(field);
        result |= value << field.low & field.mask();
      }
      if (row.pattern.matches(result)) return result;
    }
  }

  OracleState state(u32 word) {
    OracleState s{};
    for (u64& x : s.x) x = interesting();
    for (auto& v : s.v) {
      v[0] = vector_half();
      v[1] = vector_half();
    }
    u64 base = ORACLE_WINDOW + ORACLE_WINDOW_SIZE / 2;
    s.sp = base;
    s.nzcv = random_() & 0xf0000000;
    bool load_or_store = (word & 0x0a000000) == 0x08000000 || (word & 0xfff80000) == 0xd5080000;
    if (load_or_store) {
      // Rn is the base, Rm an offset; sometimes misaligned, sometimes nowhere.
      u32 rn = word >> 5 & 31, rm = word >> 16 & 31;
      if (chance(3) && rm != 31) s.x[rm] = random_() % 64;
      u64 address = base + (chance(4) ? random_() % 64 : random_() % 32 * 16);
      if (!chance(16) && rn != 31) s.x[rn] = address;
      if ((word & 0xfff80000) == 0xd5080000 && (word & 31) != 31) s.x[word & 31] = address;
    }
    if (chance(3)) s.fpcr = fpcr();
    if (chance(4)) s.fpsr = random_() & 0x0800001f;
    return s;
  }

 private:
  bool chance(u32 n) { return random_() % n == 0; }

  u32 random_field(const aarch64::Field& field) {
    u32 value = static_cast<u32>(random_());
    u32 all = static_cast<u32>((u64{1} << field.width) - 1);
    bool is_register = field.width == 5 && field.name[0] == 'r';
    if (is_register) return chance(8) ? 31 : value % 31;
    if (chance(8)) return chance(2) ? all : 0;
    if (field.width >= 7 && field.width <= 12 && !chance(4)) return value & 0xf;  // offsets that stay in the window
    return value & all;
  }

  u64 interesting() {
    static constexpr u64 values[] = {0, 1, 2, ~u64{0}, u64{1} << 63, ~(u64{1} << 63), 0x80000000, 0x7fffffff, 0xffffffff, 31, 32, 63, 64};
    switch (random_() % 4) {
      case 0: return values[random_() % std::size(values)];
      case 1: return random_() % 256;
      case 2: return static_cast<u64>(static_cast<i64>(static_cast<i32>(random_())));
      default: return random_();
    }
  }

  u64 vector_half() {
    static constexpr u64 doubles[] = {0, u64{1} << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001,
                                      0xfff8000000000002, 0x7ff0000000000003, 0xfff4000000000004, 1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
                                      0x41dfffffffc00000, 0xc1e0000000000000, 0x43e0000000000000, 0x3fe0000000000000, 0x4004000000000000, 0x4330000000000001};
    static constexpr u32 floats[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00001, 0xffc00002, 0x7f800003, 0xffa00004,
                                     1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x40200000, 0x4b000001};
    auto one_float = [&] {
      if (chance(2)) return floats[random_() % std::size(floats)];
      u32 exponent = 0x3f800000 + static_cast<u32>(random_() % 64 - 32) * 0x800000;
      return (exponent & 0x7f800000) | static_cast<u32>(random_() & 0x807fffff);
    };
    switch (random_() % 6) {
      case 0: return doubles[random_() % std::size(doubles)];
      case 1: return u64{one_float()} << 32 | one_float();
      case 2: return (0x3ff0000000000000 + (random_() % 128 - 64) * 0x10000000000000) ^ (random_() & 0x800fffffffffffff);
      case 3: return interesting();
      case 4: {  // bytes at the ends of their ranges
        static constexpr u8 bytes[] = {0, 1, 0x7f, 0x80, 0x81, 0xff};
        u64 value = 0;
        for (int i = 0; i < 8; i++) value = value << 8 | bytes[random_() % std::size(bytes)];
        return value;
      }
      default: return random_();
    }
  }

  u64 fpcr() {
    u64 value = (random_() & 3) << 22;           // RMode
    if (chance(4)) value |= u64{1} << 24;        // FZ
    if (chance(4)) value |= u64{1} << 25;        // DN
    return value;
  }

  std::mt19937_64 random_;
};

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
    snprintf(line, sizeof line, "  in: x%u=%#llx v%u=%#llx:%#llx\n", r, r == 31 ? 0ull : (unsigned long long)c.state.x[r], r,
             (unsigned long long)c.state.v[r][1], (unsigned long long)c.state.v[r][0]);
    text += line;
  }
  snprintf(line, sizeof line, "  in: nzcv=%#llx fpcr=%#llx fpsr=%#llx pc=%#llx\n", (unsigned long long)c.state.nzcv, (unsigned long long)c.state.fpcr,
           (unsigned long long)c.state.fpsr, (unsigned long long)c.state.pc);
  return text + line;
}

// What differs by the nature of the test, not of the instruction.
void even_out(const Case& c, semantic::Control control, Tier tier, OracleResult& expected, OracleResult& actual) {
  if (control != semantic::Control::next && tier == Tier::reference) {
    // The reference stops after the branch; the oracle went on to whatever is at the target.
    expected.signal = actual.signal = 0;
  }
  (void)c;
  expected.fault_address = actual.fault_address = 0;
}

bool selected(const Row& row) {
  const char* wanted = getenv("FERRY_TEST_ROW");
  if (wanted == nullptr) return true;
  std::string text = wanted;
  if (text.ends_with('*')) return std::string(row.name).starts_with(text.substr(0, text.size() - 1));
  return text == row.name;
}

TEST(RandomComparison, EveryRowAgreesWithTheOracle) {
  Machine& machine = Machine::instance();
  Generator generator(from_environment("FERRY_TEST_SEED", 20261120));
  u64 cases_per_variant = from_environment("FERRY_TEST_CASES", 12);
  std::vector<Case> cases;
  for (const Row& row : aarch64::rows) {
    std::string name = row.name;
    if (!selected(row) || name == "svc" || name == "brk") continue;  // they end every test
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
    aarch64::Instruction instruction;
    bool decoded = aarch64::decode(cases[i].word, GuestAddr{cases[i].state.pc}, instruction);
    const Row& row = aarch64::rows[static_cast<int>(*aarch64::find_row(cases[i].word))];
    for (Tier tier : {Tier::reference, Tier::baseline}) {
      OracleResult theirs = (*expected)[i], ours = machine.run(tier, cases[i].state);
      if (theirs.signal != 0 && ours.signal == theirs.signal) theirs.state.pc = ours.state.pc;  // checked by the baseline's fault tests
      even_out(cases[i], decoded ? aarch64::control_of(instruction) : semantic::Control::next, tier, theirs, ours);
      std::string difference = differences(theirs, ours);
      if (difference.empty()) continue;
      Failure& failure = failures[std::string(row.name) + (tier == Tier::reference ? " reference" : " baseline")];
      if (failure.count++ == 0) failure.first = describe(cases[i], row) + difference;
    }
  }
  for (const auto& [name, failure] : failures) ADD_FAILURE() << name << ": " << failure.count << " differ; first:\n" << failure.first;
  printf("%zu cases, %zu rows and tiers differ\n", cases.size(), failures.size());
}

}  // namespace
}  // namespace ferry::test
