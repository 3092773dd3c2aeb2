// The embedded vDSO as a C library's loader and an unwinder see it.
#include "loader/vdso.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <string>

#include "guest/memory.h"

namespace ferry::loader {
namespace {

struct DynamicObject {
  std::vector<u8> bytes;
  std::map<i64, u64> dynamic;

  template <class T>
  T at(u64 offset) const {
    T value{};
    EXPECT_LE(offset + sizeof value, bytes.size());
    if (offset + sizeof value <= bytes.size()) memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  std::string string(u64 offset) const {
    return reinterpret_cast<const char*>(bytes.data()) + dynamic.at(DT_STRTAB) + offset;
  }
};

DynamicObject parse(std::span<const u8> image) {
  DynamicObject object{{image.begin(), image.end()}, {}};
  auto header = object.at<Elf64_Ehdr>(0);
  for (u32 i = 0; i < header.e_phnum; ++i) {
    auto p = object.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    for (u64 at = p.p_vaddr; p.p_type == PT_DYNAMIC && at < p.p_vaddr + p.p_memsz; at += sizeof(Elf64_Dyn)) {
      auto d = object.at<Elf64_Dyn>(at);
      object.dynamic.emplace(d.d_tag, d.d_un.d_val);
    }
  }
  return object;
}

std::map<std::string, Elf64_Sym> symbols(const DynamicObject& object) {
  std::map<std::string, Elf64_Sym> found;
  u32 count = object.at<u32>(object.dynamic.at(DT_HASH) + 4);
  for (u32 i = 1; i < count; ++i) {
    auto symbol = object.at<Elf64_Sym>(object.dynamic.at(DT_SYMTAB) + i * sizeof(Elf64_Sym));
    u16 version = object.at<u16>(object.dynamic.at(DT_VERSYM) + i * 2);
    EXPECT_EQ(version, 2) << "the second version definition is LINUX_2.6.39";
    found[object.string(symbol.st_name)] = symbol;
  }
  return found;
}

TEST(Vdso, IsOneReadOnlyExecutableSegmentOfTheGuests) {
  auto whole = parse_elf(vdso_image(Isa::aarch64));
  // It is a library: the only thing the parser may have against it.
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().error, ElfError::no_entry_point) << whole.error().text();

  auto object = parse(vdso_image(Isa::aarch64));
  auto header = object.at<Elf64_Ehdr>(0);
  EXPECT_EQ(header.e_machine, EM_AARCH64);
  int loads = 0, stacks = 0;
  for (u32 i = 0; i < header.e_phnum; ++i) {
    auto p = object.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (p.p_type == PT_DYNAMIC) {
      EXPECT_EQ(p.p_flags, u32{PF_R}) << "glibc relocates a writable dynamic section in place";
    }
    stacks += p.p_type == PT_GNU_STACK;
    if (p.p_type != PT_LOAD) continue;
    ++loads;
    EXPECT_EQ(p.p_vaddr, 0u);
    EXPECT_EQ(p.p_offset, 0u);
    EXPECT_EQ(p.p_flags, u32{PF_R | PF_X});
    EXPECT_EQ(p.p_filesz, p.p_memsz);
  }
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(stacks, 0);
  EXPECT_FALSE(object.dynamic.contains(DT_RELA) || object.dynamic.contains(DT_JMPREL)) << "nobody relocates a vDSO";
}

TEST(Vdso, HasTheFourSymbolsWithTheirVersionAndSoname) {
  auto object = parse(vdso_image(Isa::aarch64));
  EXPECT_EQ(object.string(object.dynamic.at(DT_SONAME)), "linux-vdso.so.1");
  EXPECT_TRUE(object.dynamic.contains(DT_GNU_HASH));
  auto definition = object.at<Elf64_Verdef>(object.dynamic.at(DT_VERDEF));
  auto second_at = object.dynamic.at(DT_VERDEF) + definition.vd_next;
  auto second = object.at<Elf64_Verdef>(second_at);
  EXPECT_EQ(second.vd_ndx, 2);
  EXPECT_EQ(object.string(object.at<Elf64_Verdaux>(second_at + second.vd_aux).vda_name), "LINUX_2.6.39");

  // mov x8, #number ; svc #0
  const std::map<std::string, u32> numbers = {{"__kernel_rt_sigreturn", 139},
                                              {"__kernel_gettimeofday", 169},
                                              {"__kernel_clock_gettime", 113},
                                              {"__kernel_clock_getres", 114}};
  auto found = symbols(object);
  EXPECT_EQ(found.size(), numbers.size());
  for (const auto& [name, number] : numbers) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found[name].st_info, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)) << name;
    EXPECT_EQ(object.at<u32>(found[name].st_value), 0xd2800008u | number << 5) << name;
    EXPECT_EQ(object.at<u32>(found[name].st_value + 4), 0xd4000001u) << name;
  }
}

// libgcc and libunwind know the frame by its two instructions, and only where no frame description covers the address.
TEST(Vdso, TrampolineHasNoFrameDescriptionAndANopBeforeIt) {
  auto object = parse(vdso_image(Isa::aarch64));
  auto found = symbols(object);
  u64 trampoline = found["__kernel_rt_sigreturn"].st_value;
  EXPECT_EQ(object.at<u32>(trampoline - 4), 0xd503201fu);
  auto header = object.at<Elf64_Ehdr>(0);
  int described = 0;
  for (u32 i = 0; i < header.e_phnum; ++i) {
    auto p = object.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (p.p_type != PT_GNU_EH_FRAME) continue;
    // .eh_frame_hdr: 4 bytes of encodings, eh_frame's address, the count, then (begin, description) relative to the header.
    u32 count = object.at<u32>(p.p_vaddr + 8);
    for (u32 entry = 0; entry < count; ++entry, ++described) {
      u64 begin = p.p_vaddr + static_cast<u64>(i64{object.at<i32>(p.p_vaddr + 12 + entry * 8)});
      u64 description = p.p_vaddr + static_cast<u64>(i64{object.at<i32>(p.p_vaddr + 16 + entry * 8)});
      u32 size = object.at<u32>(description + 12);
      EXPECT_LE(begin + size, trampoline - 4);
    }
  }
  EXPECT_EQ(described, 3);
}

TEST(Vdso, IsMappedReadOnlyWithTheTrampolineWhereItSays) {
  auto vdso = map_vdso(Isa::aarch64);
  ASSERT_TRUE(vdso) << vdso.error().text;
  EXPECT_EQ(vdso->mapping.protection, PROT_READ | PROT_EXEC);
  u32 words[2];
  ASSERT_TRUE(copy_from_guest(words, vdso->signal_trampoline, sizeof words));
  EXPECT_EQ(words[0], 0xd2801168u);
  EXPECT_EQ(words[1], 0xd4000001u);
  std::span<const u8> image = vdso_image(Isa::aarch64);
  std::vector<u8> mapped(image.size());
  ASSERT_TRUE(copy_from_guest(mapped.data(), vdso->base, mapped.size()));
  EXPECT_TRUE(std::equal(image.begin(), image.end(), mapped.begin()));
  munmap(reinterpret_cast<void*>(raw(vdso->base)), raw(vdso->mapping.end) - raw(vdso->base));
}

TEST(Vdso, AnIsaWithoutOneHasNone) {
  EXPECT_TRUE(vdso_image(Isa::x86_64).empty());
  auto vdso = map_vdso(Isa::x86_64);
  ASSERT_TRUE(vdso);
  EXPECT_EQ(raw(vdso->base), 0u);
}

}  // namespace
}  // namespace ferry::loader
