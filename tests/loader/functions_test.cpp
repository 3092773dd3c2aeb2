// Where functions begin: from symbols, from the exception handling's table where there are none, and nothing of what makes no sense.
#include "loader/functions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/loader/elf_builder.h"

namespace ferry::loader {
namespace {

std::vector<u8> program(const std::string& name) {
  std::ifstream file(TEST_PROGRAMS + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

u64 entry_of(const std::vector<u8>& file) {
  Elf64_Ehdr header;
  memcpy(&header, file.data(), sizeof header);
  return header.e_entry;
}

TEST(Functions, AreFoundBySymbolsAndByFrames) {
  for (const char* name : {"static", "static-pie", "pie", "non-pie", "stripped", "one-segment", "interpreter"}) {
    std::vector<u8> file = program(name);
    auto code = find_functions(file, Isa::aarch64);
    ASSERT_TRUE(code) << name;
    EXPECT_TRUE(std::ranges::binary_search(code->functions, entry_of(file))) << name;
  }
  EXPECT_EQ(find_functions(program("stripped"), Isa::aarch64)->functions.size(),
            find_functions(program("static-pie"), Isa::aarch64)->functions.size());
}

TEST(Functions, HaveNamesWhereTheFileSaysThem) {
  for (const char* name : {"static", "static-pie", "pie", "non-pie", "one-segment", "interpreter"}) {
    std::vector<u8> file = program(name);
    auto named = find_named_functions(file, Isa::aarch64);
    ASSERT_TRUE(named) << name;
    auto start = std::ranges::find(named->functions, "_start", &NamedFunction::name);
    ASSERT_NE(start, named->functions.end()) << name;
    EXPECT_EQ(start->address, entry_of(file)) << name;
    EXPECT_TRUE(std::ranges::is_sorted(named->functions, {}, &NamedFunction::address));
    for (const CodeSegment& segment : named->segments) {
      if (start->address - segment.address >= segment.size) continue;
      u64 at = segment.offset + (start->address - segment.address);
      EXPECT_EQ(named->find(at)->name, "_start");
      EXPECT_EQ(named->find(at)->distance, 0u);
      EXPECT_EQ(named->find(at + 4)->distance, 4u);
      EXPECT_FALSE(named->find(at + start->size)) << "behind the last function";
      EXPECT_FALSE(named->find(file.size() + 4096));
    }
  }
  EXPECT_TRUE(find_named_functions(program("stripped"), Isa::aarch64)->functions.empty());
  EXPECT_FALSE(find_named_functions(program("x86_64"), Isa::aarch64));
}

TEST(Functions, OfAnotherProcessorOrOfNoProgramAreNotWanted) {
  EXPECT_FALSE(find_functions(program("x86_64"), Isa::aarch64));
  EXPECT_TRUE(find_functions(program("x86_64"), Isa::x86_64));
  EXPECT_FALSE(find_functions({}, Isa::aarch64));
  std::vector<u8> cut = program("static");
  cut.resize(50);
  EXPECT_FALSE(find_functions(cut, Isa::aarch64));
  ElfBuilder object;
  object.header.e_type = ET_REL;
  EXPECT_FALSE(find_functions(object.bytes(), Isa::aarch64));
  ElfBuilder data;
  data.segments[0].p_flags = PF_R;
  EXPECT_FALSE(find_functions(data.bytes(), Isa::aarch64));
}

// A symbol table put at 0x2000.
std::vector<u8> with_symbols(const std::vector<Elf64_Sym>& symbols) {
  ElfBuilder builder;
  Elf64_Shdr section{};
  section.sh_type = SHT_SYMTAB;
  section.sh_offset = 0x2000;
  section.sh_size = symbols.size() * sizeof(Elf64_Sym);
  section.sh_entsize = sizeof(Elf64_Sym);
  builder.header.e_shoff = 0x2f00;
  builder.header.e_shentsize = sizeof section;
  builder.header.e_shnum = 1;
  std::vector<u8> file = builder.bytes();
  memcpy(file.data() + 0x2000, symbols.data(), section.sh_size);
  memcpy(file.data() + 0x2f00, &section, sizeof section);
  return file;
}

Elf64_Sym symbol(u64 value, u8 type = STT_FUNC, u16 section = 1) {
  return {.st_name = 0,
          .st_info = static_cast<u8>(ELF64_ST_INFO(STB_GLOBAL, type)),
          .st_other = 0,
          .st_shndx = section,
          .st_value = value,
          .st_size = 0};
}

TEST(Functions, AreInCodeAndWholeWordsAndOnceEach) {
  auto code = find_functions(
      with_symbols({symbol(0x400100), symbol(0x400080), symbol(0x400100), symbol(0x400ffc), symbol(0x401000),
                    symbol(0x3ffffc), symbol(0x411000), symbol(0x400102), symbol(0x400200, STT_OBJECT),
                    symbol(0x400204, STT_FUNC, SHN_UNDEF), symbol(0x400208, STT_GNU_IFUNC), symbol(~u64{3})}),
      Isa::aarch64);
  ASSERT_TRUE(code);
  EXPECT_EQ(code->functions, (std::vector<u64>{0x400080, 0x400100, 0x400208, 0x400ffc}));
}

}  // namespace
}  // namespace ferry::loader
