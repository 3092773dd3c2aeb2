// The decoder against the encodings table that it is made from: every row and variant goes around through words, fields,
// decode() and assemble(), and the tables that narrow a word down agree with a search of all rows. All words are from a fixed seed.
#include "translator/aarch64/decode.h"

#include <gtest/gtest.h>
#include <time.h>

#include <string>
#include <vector>

#include "tests/translator/aarch64/case_generator.h"
#include "translator/stencil/library.h"

namespace ferry::test {
namespace {

using aarch64::Field;
using aarch64::Instruction;
using aarch64::Row;
using aarch64::RowId;

constexpr GuestAddr pc{0x400000};

RowId id_of(const Row& row) { return static_cast<RowId>(&row - aarch64::rows); }

// Calls f(row, variant), the variant as the pattern numbers it, for every variant that the pattern allows.
template <class F>
void for_each_variant(F f) {
  for (const Row& row : aarch64::rows) {
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      if (row.pattern.variant_allowed(variant)) f(row, variant);
    }
  }
}

std::string fields_of(const Row& row, u32 word) {
  std::string text;
  for (int i = 0; i < row.pattern.field_count; i++) {
    const Field& field = row.pattern.fields[i];
    text += std::string(i == 0 ? "" : " ").append(field.name, field.name_length) + "=" +
            std::to_string(field.extract(word));
  }
  return text;
}

// All rows whose patterns match, without the decoder's tables.
std::vector<RowId> search(u32 word) {
  std::vector<RowId> found;
  for (const Row& row : aarch64::rows) {
    if (row.pattern.matches(word)) found.push_back(id_of(row));
  }
  return found;
}

TEST(Decode, EveryVariantGoesAround) {
  CaseGenerator generator(20261120);
  for_each_variant([&](const Row& row, u32 variant) {
    for (int n = 0; n < 16; n++) {
      u32 word = generator.word(row, variant);
      SCOPED_TRACE(std::string(row.name) + " " + fields_of(row, word));
      ASSERT_EQ(aarch64::find_row(word), id_of(row));
      ASSERT_EQ(row.pattern.variant(word), variant);
      ASSERT_EQ(aarch64::assemble(id_of(row), fields_of(row, word)), word);
      Instruction instruction{};
      if (!aarch64::decode(word, pc, instruction)) continue;  // refused by an operand
      ASSERT_EQ(instruction.row, id_of(row));
      ASSERT_EQ(instruction.variant() >> row.writes_flags(), variant);
      if (row.writes_flags()) ASSERT_EQ(instruction.variant() & 1, 1u) << "flags are to be computed";
    }
  });
}

TEST(Decode, EveryRowHasAnAllocatedVariantThatDecodes) {
  CaseGenerator generator(2);
  std::vector<bool> seen(aarch64::row_count);
  for_each_variant([&](const Row& row, u32 variant) {
    for (int n = 0; n < 16 && !seen[static_cast<size_t>(id_of(row))]; n++) {
      Instruction instruction{};
      if (aarch64::decode(generator.word(row, variant), pc, instruction) &&
          aarch64::reference(instruction) != nullptr) {
        seen[static_cast<size_t>(id_of(row))] = true;
      }
    }
  });
  for (const Row& row : aarch64::rows) EXPECT_TRUE(seen[static_cast<size_t>(id_of(row))]) << row.name;
}

TEST(Decode, ReferenceAndStencilsAllocateTheSameVariants) {
  const stencil::Library& library = stencil::library();
  for_each_variant([&](const Row& row, u32 variant) {
    Instruction instruction{};
    instruction.row = id_of(row);
    for (u32 flags = 0; flags <= (row.writes_flags() ? 1u : 0u); flags++) {
      instruction.stencil =
          static_cast<u16>(static_cast<u32>(first_stencil(id_of(row))) + (variant << row.writes_flags() | flags));
      EXPECT_EQ(aarch64::reference(instruction) != nullptr, library.stencils[instruction.stencil].allocated != 0)
          << row.name << " variant " << instruction.variant();
    }
  });
}

// forge_decode refuses rows that overlap by its arithmetic on patterns; this looks at words.
TEST(Decode, NoWordHasTwoRowsAndTheTablesFindEveryRow) {
  std::mt19937_64 random(3);
  CaseGenerator generator(4);
  u32 words = 0, matched = 0;
  auto examine = [&](u32 word) {
    std::vector<RowId> all = search(word);
    words++;
    matched += !all.empty();
    ASSERT_LE(all.size(), 1u) << std::hex << word << ": " << aarch64::rows[static_cast<int>(all[0])].name << " and "
                              << aarch64::rows[static_cast<int>(all[1])].name;
    std::optional<RowId> found = aarch64::find_row(word);
    ASSERT_EQ(found.has_value(), !all.empty()) << std::hex << word;
    if (found) ASSERT_EQ(*found, all[0]) << std::hex << word;
  };
  for (const Row& row : aarch64::rows) {
    for (int n = 0; n < 64; n++) {
      u32 word = row.pattern.value | (static_cast<u32>(random()) & ~row.pattern.mask);
      examine(word);                        // any fields, excluded values too
      examine(word ^ 1u << random() % 32);  // a neighbour
      if (HasFatalFailure()) return;
    }
  }
  for (int n = 0; n < 50000; n++) examine(static_cast<u32>(random()));
  EXPECT_GT(matched, words / 4);
}

TEST(Decode, OnlyOneGroupLeadsAway) {
  for (const Row& row : aarch64::rows) {
    if (aarch64::control_of(id_of(row)) == semantic::Control::next) continue;
    EXPECT_EQ(row.pattern.mask & 0x1c000000, 0x1c000000u) << row.name;
    EXPECT_TRUE(aarch64::may_lead_away(row.pattern.value)) << row.name;
  }
}

TEST(Decode, ExcludedValuesDoNotMatch) {
  for (const Row& row : aarch64::rows) {
    for (int i = 0; i < row.pattern.field_count; i++) {
      const Field& field = row.pattern.fields[i];
      if (!field.has_excluded) continue;
      u32 word = row.pattern.value | field.excluded << field.low;
      EXPECT_NE(aarch64::find_row(word), id_of(row)) << row.name << " " << std::string(field.name, field.name_length);
    }
  }
}

TEST(Assemble, TakesNumbersAsTheyAreWritten) {
  RowId add = *aarch64::row_named("add_imm");
  EXPECT_EQ(aarch64::assemble(add, "sf=1 imm12=0xfff rn=31 rd=0"), 0x913fffe0);
  EXPECT_EQ(aarch64::assemble(add, "  rd=0   rn=31 imm12=4095 sf=1 "), 0x913fffe0);
  EXPECT_EQ(aarch64::assemble(*aarch64::row_named("ldur"), "size=3 imm9=-8 rn=1 rt=2"), 0xf85f8022);
  EXPECT_EQ(aarch64::assemble(*aarch64::row_named("b"), "imm26=-1"), 0x17ffffff);
}

TEST(Assemble, RefusesWhatIsNotAnInstructionOfTheRow) {
  RowId add = *aarch64::row_named("add_imm");
  for (const char* text : {"sf=2", "imm12=4096", "imm12=-2049", "rm=1", "rd", "rd=", "rd=x1", "rd=0x", "=1", "rd=1=2",
                           "imm12=18446744073709551617"}) {
    EXPECT_EQ(aarch64::assemble(add, text), std::nullopt) << text;
  }
  EXPECT_EQ(aarch64::assemble(*aarch64::row_named("subs_imm"), "rn=1 rd=31"), std::nullopt) << "that is cmp_imm";
  EXPECT_EQ(aarch64::row_named("add"), std::nullopt);
  EXPECT_EQ(aarch64::row_named(""), std::nullopt);
}

TEST(Decode, Speed) {
  CaseGenerator generator(5);
  std::vector<u32> words;
  for_each_variant([&](const Row& row, u32 variant) { words.push_back(generator.word(row, variant)); });
  std::shuffle(words.begin(), words.end(), std::mt19937(6));
  auto now = [] {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
  };
  constexpr int rounds = 20;
  u64 operands = 0, start = now();
  Instruction instruction{};
  for (int n = 0; n < rounds; n++) {
    for (u32 word : words) {
      if (aarch64::decode(word, pc, instruction)) operands += instruction.operand_count;
    }
  }
  double ns = static_cast<double>(now() - start) / (static_cast<double>(words.size()) * rounds);
  EXPECT_GT(operands, words.size());
  printf("decode: %.1f ns a word, over %zu words of all rows and variants in random order\n", ns, words.size());
}

}  // namespace
}  // namespace ferry::test
