// The parser on good files and on one file for every way in which it refuses.
#include "loader/elf.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/loader/elf_builder.h"

namespace ferry::loader {
namespace {

TEST(ParseElf, TakesProgramAndNotesItsSegments) {
  auto file = ElfBuilder().bytes();
  auto whole = parse_elf(file);
  ASSERT_TRUE(whole) << whole.error().text();
  const Elf& elf = whole->elf;
  EXPECT_EQ(elf.isa, Isa::aarch64);
  EXPECT_FALSE(elf.position_independent);
  EXPECT_FALSE(elf.executable_stack);
  EXPECT_EQ(elf.entry, 0x400400u);
  EXPECT_EQ(elf.program_headers, 0x400040u);
  EXPECT_EQ(elf.program_header_count, 2);
  EXPECT_TRUE(whole->interpreter.empty());
  ASSERT_EQ(elf.loads.size(), 2u);
  EXPECT_EQ(elf.loads[1].address, 0x411000u);
  EXPECT_EQ(elf.loads[1].memory_size, 0x3000u);
  EXPECT_EQ(elf.loads[1].file_size, 0x1800u);
  EXPECT_EQ(elf.loads[1].flags, segment_read | segment_write);
  EXPECT_EQ(elf.begin(), 0x400000u);
  EXPECT_EQ(elf.end(), 0x414000u);
  EXPECT_EQ(elf.alignment(), 0x1000u);
}

TEST(ParseElf, ReadsInterpreterStackFlagsMachineAndAlignment) {
  ElfBuilder b;
  b.header.e_type = ET_DYN;
  b.header.e_machine = EM_X86_64;
  b.with_interpreter(std::string("/lib/ld.so\0", 11));
  b.add(PT_GNU_STACK).p_flags = PF_R | PF_W | PF_X;
  b.add(PT_TLS).p_filesz = ~u64{0};  // not the loader's business
  b.add(PT_GNU_PROPERTY).p_offset = ~u64{0};
  b.segments[1].p_align = 0x10000;
  b.segments[1].p_vaddr = 0x421000;
  auto file = b.bytes();
  auto whole = parse_elf(file);
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_EQ(whole->interpreter, "/lib/ld.so");
  EXPECT_EQ(whole->elf.isa, Isa::x86_64);
  EXPECT_TRUE(whole->elf.position_independent);
  EXPECT_TRUE(whole->elf.executable_stack);
  EXPECT_EQ(whole->elf.alignment(), 0x10000u);
}

TEST(ParseElf, TakesWhatLinuxTakes) {
  ElfBuilder b;
  b.segments[0].p_align = 0;  // no alignment
  b.segments[1].p_align = 8;  // below a page
  b.segments[1].p_memsz = 0x3001;
  b.load(0x414800, 0x123, 0, 0x10, PF_R | PF_W);  // bss alone, offset of no meaning, in the last page of the one before
  b.load(0x500000, 0x2000, 0, 0, PF_R);           // empty
  EXPECT_TRUE(parse_elf(b.bytes()));

  ElfBuilder shared_page;  // text and data in one page of the file and of memory
  shared_page.segments[0].p_filesz = shared_page.segments[0].p_memsz = 0x1234;
  shared_page.segments[1].p_offset = 0x1234;
  shared_page.segments[1].p_vaddr = 0x401234;
  EXPECT_TRUE(parse_elf(shared_page.bytes()));
}

TEST(ParseElf, TableThatNoSegmentMapsHasNoAddress) {
  ElfBuilder b;
  b.header.e_phoff = 0x2900;  // in the file, after everything that is loaded
  b.file_size = 0x3000;
  auto whole = parse_elf(b.bytes());
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_EQ(whole->elf.program_headers, 0u);
}

struct Refusal {
  ElfError error;
  const char* text;  // a part of the message
  std::function<void(ElfBuilder&)> spoil;
};

const Refusal refusals[] = {
    {ElfError::not_elf, "not an ELF file", [](auto& b) { b.header.e_ident[1] = 'e'; }},
    {ElfError::not_elf, "not an ELF file", [](auto& b) { b.file_size = 0; }},
    {ElfError::not_elf, "not an ELF file", [](auto& b) { b.file_size = 3; }},
    {ElfError::truncated_header, "truncated: 63 bytes where the ELF header takes 64",
     [](auto& b) { b.file_size = 63; }},
    {ElfError::truncated_header, "truncated", [](auto& b) { b.file_size = 4; }},
    {ElfError::not_64_bit, "a 32-bit ELF file", [](auto& b) { b.header.e_ident[EI_CLASS] = ELFCLASS32; }},
    {ElfError::not_64_bit, "ELF class 9 is unknown", [](auto& b) { b.header.e_ident[EI_CLASS] = 9; }},
    {ElfError::not_little_endian, "a big-endian ELF file", [](auto& b) { b.header.e_ident[EI_DATA] = ELFDATA2MSB; }},
    {ElfError::unknown_version, "ELF version 0", [](auto& b) { b.header.e_ident[EI_VERSION] = 0; }},
    {ElfError::unknown_version, "ELF version 2", [](auto& b) { b.header.e_version = 2; }},
    {ElfError::not_a_program, "an object file", [](auto& b) { b.header.e_type = ET_REL; }},
    {ElfError::not_a_program, "a core file", [](auto& b) { b.header.e_type = ET_CORE; }},
    {ElfError::not_a_program, "ELF type 0", [](auto& b) { b.header.e_type = ET_NONE; }},
    {ElfError::unknown_machine, "machine 243", [](auto& b) { b.header.e_machine = EM_RISCV; }},
    {ElfError::wrong_header_size, "52 bytes instead of 64", [](auto& b) { b.header.e_ehsize = 52; }},
    {ElfError::wrong_program_header_size, "32 bytes each instead of 56", [](auto& b) { b.header.e_phentsize = 32; }},
    {ElfError::no_program_headers, "no program headers", [](auto& b) { b.segments.clear(); }},
    {ElfError::too_many_program_headers, "65535 program headers", [](auto& b) { b.header.e_phnum = PN_XNUM; }},
    {ElfError::too_many_program_headers, "1171 program headers, more than 1170",
     [](auto& b) { b.header.e_phnum = 1171; }},
    {ElfError::truncated_program_headers, "start at 0x40 and do not fit in the file's 0x6f bytes",
     [](auto& b) { b.file_size = 0x6f; }},
    {ElfError::truncated_program_headers, "start at 0xffffffffffffffff", [](auto& b) { b.header.e_phoff = ~u64{0}; }},
    {ElfError::truncated_program_headers, "start at 0x3001", [](auto& b) { b.header.e_phoff = 0x3001; }},
    {ElfError::truncated_segment, "segment 1 ends at 0x2800 but the file has 0x27ff bytes",
     [](auto& b) { b.file_size = 0x27ff; }},
    {ElfError::truncated_segment, "segment 0 ends at 0x1000000000fff but",
     [](auto& b) {
       b.segments[0].p_offset = 0xfffffffffff;
       b.segments[0].p_filesz = 0xf00000001000;
     }},
    {ElfError::segment_larger_in_file, "segment 1 has 0x1800 bytes in the file but 0x17ff in memory",
     [](auto& b) { b.segments[1].p_memsz = 0x17ff; }},
    {ElfError::segment_overflow, "segment 1 wraps around", [](auto& b) { b.segments[1].p_vaddr = ~u64{0xfff}; }},
    {ElfError::segment_overflow, "segment 1 wraps around", [](auto& b) { b.segments[1].p_memsz = ~u64{0}; }},
    {ElfError::segment_overflow, "segment 1 wraps around",
     [](auto& b) {
       b.segments[1].p_offset = ~u64{0xfff};
       b.segments[1].p_filesz = 0x1001;
     }},
    {ElfError::segment_out_of_range, "segment 1 ends at 0x800000000001",
     [](auto& b) { b.segments[1].p_memsz = address_limit - 0x411000 + 1; }},
    {ElfError::segment_out_of_range, "above the last guest address",
     [](auto& b) { b.segments[1].p_vaddr = u64{0xffff} << 48; }},
    {ElfError::alignment_not_power_of_two, "segment 1 has the alignment 0x1001",
     [](auto& b) { b.segments[1].p_align = 0x1001; }},
    {ElfError::alignment_not_power_of_two, "alignment 0xffffffffffffffff",
     [](auto& b) { b.segments[0].p_align = ~u64{0}; }},
    {ElfError::alignment_too_large, "alignment 0x8000000000000000",
     [](auto& b) { b.segments[0].p_align = u64{1} << 63; }},
    {ElfError::alignment_too_large, "alignment 0x80000000, more than 0x40000000",
     [](auto& b) { b.segments[0].p_align = u64{1} << 31; }},
    {ElfError::misaligned_segment, "the address 0x411010 and the file offset 0x1000",
     [](auto& b) { b.segments[1].p_vaddr += 0x10; }},
    {ElfError::segments_not_ascending, "segment 1 at 0x3ff000 comes after one at 0x400000",
     [](auto& b) { b.segments[1].p_vaddr = 0x3ff000; }},
    {ElfError::overlapping_segments, "segment 1 at 0x411000 overlaps the one before it, which ends at 0x411001",
     [](auto& b) { b.segments[0].p_memsz = 0x11001; }},
    {ElfError::overlapping_segments, "segment 2", [](auto& b) { b.segments.push_back(b.segments[1]); }},
    {ElfError::no_segments, "nothing to load", [](auto& b) { b.segments[0].p_type = b.segments[1].p_type = PT_NOTE; }},
    {ElfError::no_segments, "nothing to load",
     [](auto& b) {
       for (auto& p : b.segments) p.p_filesz = p.p_memsz = 0;
     }},
    {ElfError::no_entry_point, "a shared library", [](auto& b) { b.header.e_entry = 0; }},
    {ElfError::several_interpreters, "segment 3 is a second PT_INTERP",
     [](auto& b) {
       b.with_interpreter({"/a\0", 3});
       b.with_interpreter({"/b\0", 3});
     }},
    {ElfError::interpreter_too_long, "has 1 bytes", [](auto& b) { b.with_interpreter({"\0", 1}); }},
    {ElfError::interpreter_too_long, "has 0 bytes", [](auto& b) { b.with_interpreter(""); }},
    {ElfError::interpreter_too_long, "has 0 bytes", [](auto& b) { b.with_interpreter({"\0\0", 2}); }},
    {ElfError::interpreter_too_long, "has 4097 bytes; 2 to 4096",
     [](auto& b) { b.with_interpreter({"/lib/ld.so\0", 11}).p_filesz = 4097; }},
    {ElfError::truncated_interpreter, "starts at 0x2ffe",
     [](auto& b) { b.with_interpreter({"/lib/ld.so\0", 11}).p_offset = 0x2ffe; }},
    {ElfError::truncated_interpreter, "starts at 0xffffffffffffffff",
     [](auto& b) { b.with_interpreter({"/lib/ld.so\0", 11}).p_offset = ~u64{0}; }},
    {ElfError::interpreter_not_terminated, "does not end in a NUL", [](auto& b) { b.with_interpreter("/lib/ld.so"); }},
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithItsErrorAndText) {
  ElfBuilder b;
  GetParam().spoil(b);
  auto file = b.bytes();
  auto whole = parse_elf(file);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().error, GetParam().error) << whole.error().text();
  EXPECT_NE(whole.error().text().find(GetParam().text), std::string::npos) << whole.error().text();
}

INSTANTIATE_TEST_SUITE_P(HostileFile, Refused, testing::ValuesIn(refusals),
                         [](const auto& p) { return std::to_string(p.index); });

TEST(ParseElf, EveryErrorHasARefusedFileAndAText) {
  std::set<ElfError> met;
  for (const Refusal& r : refusals) met.insert(r.error);
  constexpr auto last = static_cast<int>(ElfError::interpreter_not_terminated);
  for (int i = 0; i <= last; ++i) {
    EXPECT_TRUE(met.contains(static_cast<ElfError>(i))) << "no hostile file for error " << i;
    EXPECT_NE((ElfFailure{.error = static_cast<ElfError>(i)}.text()), "");
  }
}

// Whatever single byte of the headers is changed, parsing ends, and what it accepts keeps its promises.
TEST(ParseElf, AnyByteOfTheHeadersMayBeWrong) {
  ElfBuilder b;
  b.with_interpreter(std::string("/lib/ld.so\0", 11));
  const auto good = b.bytes();
  size_t headers = sizeof(Elf64_Ehdr) + b.segments.size() * sizeof(Elf64_Phdr);
  int refused = 0;
  for (size_t at = 0; at < headers; ++at) {
    for (u8 value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto file = good;
      file[at] = value;
      auto whole = parse_elf(file);
      if (!whole) {
        ++refused;
        continue;
      }
      u64 end = 0;
      for (const Segment& s : whole->elf.loads) {
        EXPECT_GE(s.address, end);
        EXPECT_LE(s.file_size, s.memory_size);
        EXPECT_LE(s.offset + s.file_size, file.size());
        end = s.end();
      }
      EXPECT_LE(end, address_limit);
    }
  }
  EXPECT_GT(refused, 200);
}

TEST(ParseElf, AnyPrefixOfAFileIsRefusedWithoutReadingBeyondIt) {
  const auto good = ElfBuilder().bytes();
  for (size_t size = 0; size < 0x2800; size += size < 256 ? 1 : 97) {
    std::vector<u8> cut(good.begin(),
                        good.begin() + static_cast<long>(size));  // exactly sized, so that ASan sees an overrun
    EXPECT_FALSE(parse_elf(cut)) << size;
  }
}

}  // namespace
}  // namespace ferry::loader
