// The encodings table against an independent reader of words, Capstone: for random words of every row its mnemonic must be the
// row's, with the suffixes that the word's fields call for, or one of the row's aliases; and the registers that it prints must be
// the row's fields. What Capstone 4 does not know is listed.
#include <capstone/capstone.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "tests/translator/aarch64/case_generator.h"
#include "translator/aarch64/decode.h"

namespace ferry::test {
namespace {

using aarch64::Field;
using aarch64::Row;
using aarch64::RowId;
using std::string;
using std::string_view;

// Mnemonics besides a row's own stem (its name up to the first underscore), by row or by stem: what disassemblers prefer
// (DDI 0487 C6 and C7, "Alias conditions").
struct Aliases {
  string_view row;
  std::set<string_view> mnemonics;
};
const Aliases aliases[] = {
    {"b_cond",
     {"b.eq", "b.ne", "b.hs", "b.lo", "b.mi", "b.pl", "b.vs", "b.vc", "b.hi", "b.ls", "b.ge", "b.lt", "b.gt", "b.le",
      "b.al", "b.nv"}},
    // The zero register as a source or destination.
    {"adds", {"cmn"}},
    {"subs", {"cmp", "negs"}},
    {"sub", {"neg"}},
    {"sbc", {"ngc"}},
    {"sbcs", {"ngcs"}},
    {"ands", {"tst"}},
    {"mov_reg", {"orr"}},
    {"orn_reg", {"mvn"}},
    {"orn_shifted", {"mvn"}},
    {"madd", {"mul"}},
    {"msub", {"mneg"}},
    {"smaddl", {"smull"}},
    {"smsubl", {"smnegl"}},
    {"umaddl", {"umull"}},
    {"umsubl", {"umnegl"}},
    {"add_imm", {"mov"}},
    // Conditional selects of one register.
    {"csinc", {"cset", "cinc"}},
    {"csinv", {"csetm", "cinv"}},
    {"csneg", {"cneg"}},
    // Bitfields, which the table splits by what they become.
    {"sbfm", {"asr", "sbfiz", "sbfx"}},
    {"sxt", {"asr", "sbfx", "sxtb", "sxth"}},
    {"sxtw", {"asr"}},
    {"bfm", {"bfi", "bfxil"}},
    {"ubfm", {"lsl", "ubfiz", "ubfx"}},
    {"uxt", {"ubfx", "uxtb", "lsr"}},
    {"extr", {"ror"}},
    {"lslv", {"lsl"}},
    {"lsrv", {"lsr"}},
    {"asrv", {"asr"}},
    {"rorv", {"ror"}},
    {"hint_0", {"nop", "wfe", "wfi", "sev", "sevl"}},
    {"not_vector", {"mvn"}},
    {"orr_vector_reg", {"mov"}},
    // Lanes.
    {"umov", {"mov"}},
    {"dup_scalar", {"mov"}},
};

// The table's entries that some word needed: a test of the table.
std::set<string> used;

bool is_alias(string_view row, string_view stem, string_view mnemonic) {
  for (const Aliases& a : aliases) {
    if ((a.row == row || a.row == stem) && a.mnemonics.contains(mnemonic)) {
      used.insert(string(a.row).append(" ").append(mnemonic));
      return true;
    }
  }
  return false;
}

constexpr u32 bits(u32 word, int low, int width) { return word >> low & ((1u << width) - 1); }

// What Capstone 4.0.2 does not decode.
constexpr bool always(u32) { return true; }
constexpr bool same_rt_rn(u32 word) { return bits(word, 0, 5) == bits(word, 5, 5); }
constexpr bool same_rt_rt2(u32 word) { return bits(word, 0, 5) == bits(word, 10, 5); }
constexpr bool same_pair(u32 word) {
  return same_rt_rn(word) || same_rt_rt2(word) || bits(word, 10, 5) == bits(word, 5, 5);
}
constexpr bool index_in_imm5(u32 word) { return (bits(word, 16, 5) & (bits(word, 16, 5) - 1)) != 0; }
constexpr bool low_bits_in_imm4(u32 word) {
  return (bits(word, 11, 4) & ((bits(word, 16, 5) & -bits(word, 16, 5)) - 1)) != 0;
}
struct Unknown {
  bool (*words)(u32);
  std::set<string_view> rows;
  const char* reason;
};
const Unknown not_known[] = {
    {always,
     {"cas", "casp", "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp"},
     "FEAT_LSE"},
    {always, {"stllr", "ldlar"}, "FEAT_LOR"},
    {always, {"ldapr"}, "FEAT_LRCPC"},
    {always, {"sdot_vector", "udot_vector", "sdot_element", "udot_element"}, "FEAT_DotProd"},
    {always,
     {"sqrdmlah_vector", "sqrdmlsh_vector", "sqrdmlah_scalar", "sqrdmlsh_scalar", "sqrdmlah_element",
      "sqrdmlsh_element", "sqrdmlah_element_scalar", "sqrdmlsh_element_scalar"},
     "FEAT_RDM"},
    {same_rt_rn,
     {"ldtr", "ldtrs", "ldr_post", "ldrs_post", "ldr_pre", "ldrs_pre", "str_post", "str_pre"},
     "unpredictable: the base is transferred"},
    {same_pair,
     {"stp_post", "ldp_post", "ldpsw_post", "stp_pre", "ldp_pre", "ldpsw_pre"},
     "unpredictable: the base is transferred, or one register twice"},
    {same_rt_rt2,
     {"ldnp", "ldp", "ldpsw", "ldxp", "ldaxp", "ldp_simd", "ldnp_simd", "ldp_post_simd", "ldp_pre_simd"},
     "unpredictable: one register is loaded twice"},
    {index_in_imm5, {"dup_general"}, "Capstone wants zeros where the manual ignores imm5"},
    {low_bits_in_imm4, {"ins_element"}, "Capstone wants zeros where the manual ignores imm4"},
};

bool is_known(string_view row, u32 word) {
  for (const Unknown& u : not_known) {
    if (u.rows.contains(row) && u.words(word)) return used.insert(string(row)), false;
  }
  return true;
}

bool is_one_of(string_view text, std::initializer_list<string_view> list) {
  return std::ranges::find(list, text) != list.end();
}

// The mnemonic that the fields of a load, store, CRC or widening instruction make of the stem.
string with_suffixes(string_view stem, u32 word) {
  static constexpr string_view sizes[] = {"b", "h", "", ""}, crc_sizes[] = {"b", "h", "w", "x"},
                               signed_sizes[] = {"b", "h", "w", ""};
  string text(stem);
  u32 size = bits(word, 30, 2);
  bool simd = bits(word, 26, 1) != 0;
  if (is_one_of(stem, {"crc32", "crc32c"})) return text.append(crc_sizes[bits(word, 10, 2)]);
  if (is_one_of(stem, {"ldrs", "ldurs", "ldtrs"})) return text.append(signed_sizes[size]);
  if (simd) return text;
  if (is_one_of(stem, {"ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp"})) {
    return text.append(bits(word, 23, 1) != 0 ? "a" : "").append(bits(word, 22, 1) != 0 ? "l" : "").append(sizes[size]);
  }
  if (is_one_of(stem, {"cas", "casp"})) {
    text.append(bits(word, 22, 1) != 0 ? "a" : "").append(bits(word, 15, 1) != 0 ? "l" : "");
    return stem == "cas" ? text.append(sizes[size]) : text;
  }
  if (is_one_of(stem, {"str", "ldr", "stur", "ldur", "sttr", "ldtr", "stlr", "ldar", "stllr", "ldlar", "ldapr", "stxr",
                       "stlxr", "ldxr", "ldaxr"})) {
    if (bits(word, 27, 3) != 3 || bits(word, 24, 2) != 0 || bits(word, 29, 1) != 0) return text.append(sizes[size]);
  }
  return text;
}

bool fits(const Row& row, u32 word, string_view mnemonic) {
  string_view name = row.name, stem = name.substr(0, name.find('_'));
  if (mnemonic == with_suffixes(stem, word)) return true;
  if (mnemonic == string(stem) + "2") return bits(word, 30, 1) != 0;
  return is_alias(name, stem, mnemonic);
}

// Numbers of the registers that an operand text names.
std::set<u32> registers_of(string_view operands) {
  std::set<u32> found;
  for (size_t i = 0; i < operands.size(); i++) {
    bool starts = string_view("wxvbhsdq").find(operands[i]) != string_view::npos &&
                  (i == 0 || !isalnum(static_cast<u8>(operands[i - 1])));
    if (!starts || i + 1 == operands.size() || !isdigit(static_cast<u8>(operands[i + 1]))) continue;
    found.insert(static_cast<u32>(strtoul(operands.data() + i + 1, nullptr, 10)));
  }
  return found;
}

// Fields named for a register that the instruction does not read: should-be-ones of ordered accesses, what is compared with zero.
bool is_ignored(string_view row, string_view field) {
  if (row == "smulh" || row == "umulh") return field == "ra";
  if (row == "fcmp_zero" || row == "fcmpe_zero") return field == "rm";
  if (is_one_of(row, {"stlr", "ldar", "ldxr", "ldaxr", "stxr", "stlxr"}) && field == "rt2") return true;
  if (is_one_of(row, {"stlr", "ldar", "ldxr", "ldaxr", "ldxp", "ldaxp"}) && field == "rs") return true;
  if (row == "ret") return field == "rn";          // not told when it is X30
  return row.starts_with("prf") && field == "rt";  // the operation
}

// A register field that the text does not name, 31 apart, which is many things.
string missing_register(const Row& row, u32 word, string_view operands) {
  std::set<u32> named = registers_of(operands);
  for (int i = 0; i < row.pattern.field_count; i++) {
    const Field& field = row.pattern.fields[i];
    string_view name(field.name, field.name_length);
    if (!is_one_of(name, {"rd", "rn", "rm", "ra", "rt", "rt2", "rs"}) || field.width != 5) continue;
    u32 value = field.extract(word);
    if (value != 31 && !named.contains(value) && !is_ignored(row.name, name)) return string(name);
  }
  return "";
}

TEST(Capstone, ReadsTheWordsOfEveryRowAsTheRowDoes) {
  csh capstone;
  ASSERT_EQ(cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &capstone), CS_ERR_OK);
  std::map<string, int> failures;
  u32 words = 0;
  for (const Row& row : aarch64::rows) {
    CaseGenerator generator(std::hash<string_view>{}(row.name));  // each row its own words, whatever the others do
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      for (int n = 0; n < 256 && row.pattern.variant_allowed(variant); n++) {
        u32 word = generator.word(row, variant);
        aarch64::Instruction instruction{};
        if (!aarch64::decode(word, GuestAddr{0}, instruction) || aarch64::reference(instruction) == nullptr ||
            !is_known(row.name, word))
          continue;
        words++;
        cs_insn* text;
        char line[256];
        snprintf(line, sizeof line, "%s %08x", row.name, word);
        if (cs_disasm(capstone, reinterpret_cast<const u8*>(&word), sizeof word, 0, 1, &text) == 0) {
          if (failures[row.name]++ == 0) ADD_FAILURE() << line << " is not known to Capstone";
          continue;
        }
        string missing = missing_register(row, word, text->op_str);
        bool good = fits(row, word, text->mnemonic) && missing.empty();
        if (!good && failures[row.name]++ == 0)
          ADD_FAILURE() << line << " is " << text->mnemonic << " " << text->op_str << " " << missing;
        cs_free(text, 1);
      }
    }
  }
  cs_close(&capstone);
  for (const Aliases& a : aliases) {
    for (string_view mnemonic : a.mnemonics)
      EXPECT_TRUE(used.contains(string(a.row).append(" ").append(mnemonic)))
          << a.row << ": nothing is read as " << mnemonic;
  }
  for (const Unknown& u : not_known) {
    for (string_view row : u.rows) EXPECT_TRUE(used.contains(string(row))) << row << " has no words for: " << u.reason;
  }
  printf("%u words agree\n", words);
}

}  // namespace
}  // namespace ferry::test
