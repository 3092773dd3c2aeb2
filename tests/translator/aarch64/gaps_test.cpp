// What of AArch64 ferry lacks, and what it has too much: words from all of the encoding space (DDI 0487 C4.1) run on qemu's
// models of processors and through the encodings table.
//   - what an Armv8.0-A processor executes and ferry calls undefined is a gap, unless absent_on_purpose says why;
//   - what ferry executes must exist on a processor with the features that HWCAP announces, and HWCAP must announce what Armv8.0-A
//     does not have.
//   FERRY_TEST_SEED=n   other words             FERRY_TEST_CASES=n   words a group of the top level (default 2500)
#include <capstone/capstone.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/oracle_client.h"
#include "translator/aarch64/features.h"

namespace ferry::test {
namespace {

using aarch64::Row;

struct Exception {
  u32 mask, value;
  const char* reason;
};

// Words that the Cortex-A72 executes and ferry does not, on purpose. What came after Armv8.0-A and HWCAP does not announce (FP16,
// SVE, pointer authentication, memory tagging ...) is not in question: that processor has none of it.
constexpr Exception absent_on_purpose[] = {
    {0xffffffe0, 0xd53b9e00,
     "MRS PMUSERENR_EL0: the processor has no performance monitors (ID_AA64DFR0_EL1.PMUVer is 0)"},
};

// Words that ferry executes and qemu does not.
constexpr Exception there_on_purpose[] = {
    {0xfffff000, 0xd5380000,
     "MRS of identification registers: Linux emulates all of op0 3, op1 0, CRn 0, CRm 0 and 2 to 7; qemu only some"},
};

// Rows of instructions that came after Armv8.0-A, and the bit of HWCAP that announces them; 0: there is none.
struct Feature {
  u64 hwcap;
  std::set<std::string_view> rows;
};
const Feature features[] = {
    {aarch64::hwcap_atomics,
     {"cas", "casp", "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp"}},
    {aarch64::hwcap_lrcpc, {"ldapr"}},
    {aarch64::hwcap_asimdrdm,
     {"sqrdmlah_vector", "sqrdmlsh_vector", "sqrdmlah_scalar", "sqrdmlsh_scalar", "sqrdmlah_element",
      "sqrdmlsh_element", "sqrdmlah_element_scalar", "sqrdmlsh_element_scalar"}},
    {aarch64::hwcap_asimddp, {"sdot_vector", "udot_vector", "sdot_element", "udot_element"}},
    {0, {"stllr", "ldlar"}},  // FEAT_LOR
};

bool is_announced(u32 word) {
  std::string_view name = aarch64::rows[static_cast<int>(*aarch64::find_row(word))].name;
  for (const Feature& feature : features) {
    if (feature.rows.contains(name)) return (translator::hwcap() & feature.hwcap) == feature.hwcap;
  }
  return false;
}

bool is_exception(std::span<const Exception> list, u32 word) {
  for (const Exception& exception : list) {
    if ((word & exception.mask) == exception.value) return true;
  }
  return false;
}

u64 from_environment(const char* name, u64 otherwise) {
  const char* text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 0) : otherwise;
}

// Words that would disturb the oracle: SVC calls its kernel, HLT #0xf000 is a call to qemu itself; and a register offset that
// is the base register again leads to the words themselves.
bool harmless(u32 word) {
  if ((word & 0xff00001c) == 0xd4000000) return (word & 3) != 1 && (word & 0x00e00000) != 0x00400000;
  bool load_or_store = (word & 0x0a000000) == 0x08000000;
  return !load_or_store || (word >> 5 & 31) != (word >> 16 & 31);
}

std::vector<u32> words_of_all_groups() {
  std::mt19937_64 random(from_environment("FERRY_TEST_SEED", 20261120));
  u64 count = from_environment("FERRY_TEST_CASES", 2500);
  auto any = [&] { return static_cast<u32>(random()); };
  std::vector<u32> words;
  auto add = [&](u32 word) {
    if (harmless(word)) words.push_back(word);
  };
  // C4.1: op0, bits 28:25. Loads and stores, and data processing with vectors, have most of the encodings.
  for (u32 op0 = 0; op0 < 16; op0++) {
    u64 weight = (op0 & 5) == 4 ? 3 : (op0 & 7) == 7 ? 6 : 1;
    for (u64 n = 0; n < count * weight; n++) add((any() & ~(15u << 25)) | op0 << 25);
  }
  // C4.1.93: hints, barriers, PSTATE, SYS and system registers: those of EL0 one by one.
  for (u64 n = 0; n < count; n++) add(0xd5000000 | (any() & 0x3fffff));
  for (u32 n = 0; n < 1u << 12; n++) add(0xd51b0000 | (n >> 11) << 21 | (n & 0x7ff) << 5 | (any() & 31));
  for (u32 n = 0; n < 1u << 11; n++) add(0xd50b0000 | n << 5 | (any() & 31));
  for (u32 n = 0; n < 1u << 10; n++) add(0xd5380000 | n << 5 | (any() & 31));
  // Neighbours of every row: one fixed bit different.
  for (const Row& row : aarch64::rows) {
    for (u32 bit = 0; bit < 32; bit++) {
      u32 word = row.pattern.value | (any() & ~row.pattern.mask);
      add((row.pattern.mask >> bit & 1) != 0 ? word ^ 1u << bit : word);
    }
  }
  return words;
}

// Executed by ferry, as the reference; branches, which could lead anywhere, are not tried.
enum class Ours { executes, undefined, branch };

Ours try_word(Machine& machine, u32 word, u64 index) {
  aarch64::Instruction instruction{};
  if (aarch64::decode(word, GuestAddr{ORACLE_CODE}, instruction) && aarch64::reference(instruction) != nullptr) {
    if (instruction.control != semantic::Control::next) return Ours::branch;
  }
  OracleState state;
  oracle_probe_state(&state, word, index);
  return machine.run(Tier::reference, state).signal == SIGILL ? Ours::undefined : Ours::executes;
}

struct Class {
  int count = 0;
  u32 example = 0;
};

// Words by mnemonic, the most frequent first.
class Summary {
 public:
  Summary() { cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &capstone_); }
  ~Summary() { cs_close(&capstone_); }

  void count(u32 word) {
    Class& c = classes_[name(word)];
    if (c.count++ == 0) c.example = word;
  }
  bool empty() const { return classes_.empty(); }
  std::string print(const char* title) const {
    std::vector<std::pair<std::string, Class>> sorted(classes_.begin(), classes_.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
    std::string text;
    for (const auto& [name, c] : sorted) {
      char line[256];
      snprintf(line, sizeof line, "  %-12s %5d, %08x %s\n", name.c_str(), c.count, c.example,
               disassembly(c.example).c_str());
      text += line;
    }
    return sorted.empty() ? text : std::string(title) + ":\n" + text;
  }

 private:
  std::string disassembly(u32 word, bool mnemonic_only = false) const {
    cs_insn* instruction;
    if (cs_disasm(capstone_, reinterpret_cast<const u8*>(&word), sizeof word, 0, 1, &instruction) == 0)
      return "(not known to Capstone)";
    std::string text = instruction->mnemonic;
    if (!mnemonic_only) text += std::string(" ") + instruction->op_str;
    cs_free(instruction, 1);
    return text;
  }
  std::string name(u32 word) const { return disassembly(word, true); }

  csh capstone_{};
  std::map<std::string, Class> classes_;
};

TEST(Gaps, ArmV8_0IsThereAndNothingThatHwcapDoesNotAnnounce) {
  if (strlen(FERRY_ORACLE_EMULATOR) == 0)
    GTEST_SKIP() << "the host's processor is not a model of a certain architecture version";
  Machine& machine = Machine::instance();
  std::vector<u32> words = words_of_all_groups(), undefined, executed;
  ASSERT_LE(words.size(), ORACLE_CODE_SIZE / ORACLE_SLOT);
  for (size_t i = 0; i < words.size(); i++) machine.place(i, words[i]);
  for (size_t i = 0; i < words.size(); i++) {
    Ours ours = try_word(machine, words[i], i);
    if (ours == Ours::undefined) undefined.push_back(words[i]);
    if (ours == Ours::executes) executed.push_back(words[i]);
  }
  // Cortex-A72: Armv8.0-A with CRC32 and cryptography. Neoverse N1: everything that HWCAP announces.
  auto of_base = probe_oracle(undefined, "cortex-a72"), of_announced = probe_oracle(executed, "neoverse-n1");
  auto also_of_base = probe_oracle(executed, "cortex-a72");
  ASSERT_TRUE(of_base.has_value() && of_announced.has_value() && also_of_base.has_value());

  Summary missing, absent, surplus, secret;
  for (size_t i = 0; i < undefined.size(); i++) {
    if ((*of_base)[i] == SIGILL) continue;
    (is_exception(absent_on_purpose, undefined[i]) ? absent : missing).count(undefined[i]);
  }
  for (size_t i = 0; i < executed.size(); i++) {
    if ((*of_announced)[i] == SIGILL && !is_exception(there_on_purpose, executed[i])) surplus.count(executed[i]);
    if ((*also_of_base)[i] == SIGILL && (*of_announced)[i] != SIGILL && !is_announced(executed[i]))
      secret.count(executed[i]);
  }
  printf("%zu words; ferry executes %zu\n%s", words.size(), executed.size(), absent.print("absent on purpose").c_str());
  EXPECT_TRUE(missing.empty()) << missing.print("missing, by mnemonic");
  EXPECT_TRUE(secret.empty()) << secret.print("later than Armv8.0-A, but not announced by HWCAP");
  EXPECT_TRUE(surplus.empty()) << surplus.print("executed, but undefined on a processor with the announced features");
}

}  // namespace
}  // namespace ferry::test
