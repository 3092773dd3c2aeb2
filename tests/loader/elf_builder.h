// Makes ELF files in memory, good ones until a test spoils them.
#pragma once
#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::loader {

struct ElfBuilder {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::string interpreter;  // bytes put at interpreter_offset
  u64 file_size = 0x3000;

  static constexpr u64 interpreter_offset = 0x800;

  // An AArch64 program of two segments, text at 0x400000 and data with bss at 0x411000.
  ElfBuilder() {
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_AARCH64;
    header.e_version = EV_CURRENT;
    header.e_entry = 0x400400;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    load(0x400000, 0, 0x1000, 0x1000, PF_R | PF_X);
    load(0x411000, 0x1000, 0x1800, 0x3000, PF_R | PF_W);
  }

  Elf64_Phdr& add(u32 type) {
    Elf64_Phdr p{};
    p.p_type = type;
    p.p_flags = PF_R;
    return segments.emplace_back(p);
  }
  Elf64_Phdr& load(u64 address, u64 offset, u64 file_bytes, u64 memory_bytes, u32 flags) {
    Elf64_Phdr& p = add(PT_LOAD);
    p.p_vaddr = p.p_paddr = address;
    p.p_offset = offset;
    p.p_filesz = file_bytes;
    p.p_memsz = memory_bytes;
    p.p_flags = flags;
    p.p_align = 0x1000;
    return p;
  }
  Elf64_Phdr& with_interpreter(std::string bytes) {
    interpreter = std::move(bytes);
    Elf64_Phdr& p = add(PT_INTERP);
    p.p_offset = interpreter_offset;
    p.p_filesz = p.p_memsz = interpreter.size();
    return p;
  }

  std::vector<u8> bytes() const {
    std::vector<u8> file(file_size);
    Elf64_Ehdr h = header;
    if (h.e_phnum == 0) h.e_phnum = static_cast<u16>(segments.size());
    auto put = [&](u64 offset, const void* data, size_t size) {
      for (size_t i = 0; i < size && offset + i < file.size(); ++i) file[offset + i] = static_cast<const u8*>(data)[i];
    };
    put(interpreter_offset, interpreter.data(), interpreter.size());
    put(h.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr));
    put(0, &h, sizeof h);
    return file;
  }
};

}  // namespace ferry::loader
