// Every number of a file is checked before it is used in an addition; the order of checks is the order of reading.
#include "loader/elf.h"

#include <elf.h>

#include <bit>
#include <cstring>
#include <optional>

namespace ferry::loader {
namespace {

constexpr u64 table_limit = 65536;       // bytes of program headers, as load_elf_phdrs has it
constexpr u64 interpreter_limit = 4096;  // PATH_MAX
constexpr u64 alignment_limit = u64{1} << 30;

static_assert(sizeof(Elf64_Phdr) == 56);

std::unexpected<ElfFailure> refuse(ElfError error, u64 found = 0, u64 limit = 0, u32 segment = 0) {
  return std::unexpected(ElfFailure{error, segment, found, limit});
}

std::optional<Isa> isa_of(u16 machine) {
  switch (machine) {
    case EM_AARCH64:
      return Isa::aarch64;
    case EM_X86_64:
      return Isa::x86_64;
    default:
      return std::nullopt;
  }
}

std::expected<void, ElfFailure> check_identity(const Elf64_Ehdr& header) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return refuse(ElfError::not_64_bit, header.e_ident[EI_CLASS]);
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return refuse(ElfError::not_little_endian, header.e_ident[EI_DATA]);
  if (header.e_ident[EI_VERSION] != EV_CURRENT) return refuse(ElfError::unknown_version, header.e_ident[EI_VERSION]);
  if (header.e_version != EV_CURRENT) return refuse(ElfError::unknown_version, header.e_version);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return refuse(ElfError::not_a_program, header.e_type);
  if (!isa_of(header.e_machine)) return refuse(ElfError::unknown_machine, header.e_machine);
  return {};
}

std::expected<void, ElfFailure> check_load(const Elf64_Phdr& p, u32 index, u64 file_size) {
  if (p.p_offset > file_size || p.p_filesz > file_size - p.p_offset) {
    u64 end;
    if (__builtin_add_overflow(p.p_offset, p.p_filesz, &end))
      return refuse(ElfError::segment_overflow, p.p_offset, p.p_filesz, index);
    return refuse(ElfError::truncated_segment, end, file_size, index);
  }
  if (p.p_filesz > p.p_memsz) return refuse(ElfError::segment_larger_in_file, p.p_filesz, p.p_memsz, index);
  u64 end;
  if (__builtin_add_overflow(p.p_vaddr, p.p_memsz, &end))
    return refuse(ElfError::segment_overflow, p.p_vaddr, p.p_memsz, index);
  if (end > address_limit) return refuse(ElfError::segment_out_of_range, end, address_limit, index);
  if (p.p_align > 1 && !std::has_single_bit(p.p_align)) {
    return refuse(ElfError::alignment_not_power_of_two, p.p_align, 0, index);
  }
  if (p.p_align > alignment_limit) return refuse(ElfError::alignment_too_large, p.p_align, alignment_limit, index);
  // Linux maps by pages whatever p_align says, so files linked with a small one run; only the page must agree.
  if (p.p_filesz != 0 && ((p.p_vaddr ^ p.p_offset) & (page_size - 1)) != 0) {
    return refuse(ElfError::misaligned_segment, p.p_vaddr, p.p_offset, index);
  }
  return {};
}

std::expected<void, ElfFailure> add_load(Elf& elf, const Elf64_Phdr& p, u32 index, u64 file_size) {
  if (auto checked = check_load(p, index, file_size); !checked) return checked;
  if (p.p_memsz == 0) return {};
  if (!elf.loads.empty()) {
    const Segment& previous = elf.loads.back();
    if (p.p_vaddr < previous.address)
      return refuse(ElfError::segments_not_ascending, p.p_vaddr, previous.address, index);
    if (p.p_vaddr < previous.end()) return refuse(ElfError::overlapping_segments, p.p_vaddr, previous.end(), index);
  }
  elf.loads.push_back({.address = p.p_vaddr,
                       .memory_size = p.p_memsz,
                       .offset = p.p_offset,
                       .file_size = p.p_filesz,
                       .alignment = p.p_align,
                       .flags = p.p_flags & (PF_X | PF_W | PF_R),
                       .index = index});
  return {};
}

std::expected<void, ElfFailure> set_interpreter(Elf& elf, const Elf64_Phdr& p, u32 index, u64 file_size) {
  if (elf.interpreter_size != 0) return refuse(ElfError::several_interpreters, 0, 0, index);
  if (p.p_filesz < 2 || p.p_filesz > interpreter_limit) {
    return refuse(ElfError::interpreter_too_long, p.p_filesz, interpreter_limit, index);
  }
  if (p.p_offset > file_size || p.p_filesz > file_size - p.p_offset) {
    return refuse(ElfError::truncated_interpreter, p.p_offset, file_size, index);
  }
  elf.interpreter_offset = p.p_offset;
  elf.interpreter_size = p.p_filesz;
  return {};
}

// The address at which a segment maps the program header table; AT_PHDR points there.
u64 address_of_table(const Elf& elf, const ElfHeader& header) {
  for (const Segment& s : elf.loads) {
    if (s.offset <= header.table_offset && header.table_offset - s.offset < s.file_size) {
      return header.table_offset - s.offset + s.address;
    }
  }
  return 0;
}

}  // namespace

u64 Elf::alignment() const {
  u64 largest = page_size;
  for (const Segment& s : loads) {
    if (s.alignment > largest) largest = s.alignment;
  }
  return largest;
}

std::expected<ElfHeader, ElfFailure> parse_elf_header(std::span<const u8> start, u64 file_size) {
  if (start.size() < SELFMAG || memcmp(start.data(), ELFMAG, SELFMAG) != 0) return refuse(ElfError::not_elf);
  Elf64_Ehdr header;
  if (start.size() < sizeof header || file_size < sizeof header) {
    return refuse(ElfError::truncated_header, start.size(), sizeof header);
  }
  memcpy(&header, start.data(), sizeof header);
  if (auto checked = check_identity(header); !checked) return std::unexpected(checked.error());
  if (header.e_ehsize != sizeof header) return refuse(ElfError::wrong_header_size, header.e_ehsize, sizeof header);
  if (header.e_phnum == 0) return refuse(ElfError::no_program_headers);
  if (header.e_phentsize != sizeof(Elf64_Phdr)) {
    return refuse(ElfError::wrong_program_header_size, header.e_phentsize, sizeof(Elf64_Phdr));
  }
  u64 table_size = u64{header.e_phnum} * sizeof(Elf64_Phdr);
  if (table_size > table_limit)
    return refuse(ElfError::too_many_program_headers, header.e_phnum, table_limit / sizeof(Elf64_Phdr));
  if (header.e_phoff > file_size || table_size > file_size - header.e_phoff) {
    return refuse(ElfError::truncated_program_headers, header.e_phoff, file_size);
  }
  return ElfHeader{.isa = *isa_of(header.e_machine),
                   .position_independent = header.e_type == ET_DYN,
                   .entry = header.e_entry,
                   .table_offset = header.e_phoff,
                   .table_count = header.e_phnum};
}

std::expected<Elf, ElfFailure> parse_program_headers(const ElfHeader& header, std::span<const u8> table,
                                                     u64 file_size) {
  if (table.size() < header.table_size())
    return refuse(ElfError::truncated_program_headers, header.table_offset, file_size);
  Elf elf;
  elf.isa = header.isa;
  elf.position_independent = header.position_independent;
  elf.entry = header.entry;
  elf.program_header_count = header.table_count;
  elf.loads.reserve(8);
  for (u32 index = 0; index < header.table_count; ++index) {
    Elf64_Phdr p;
    memcpy(&p, table.data() + index * sizeof p, sizeof p);
    std::expected<void, ElfFailure> taken;
    // PT_TLS, PT_DYNAMIC, PT_GNU_RELRO and PT_GNU_PROPERTY are the program's own or its interpreter's business.
    if (p.p_type == PT_LOAD) taken = add_load(elf, p, index, file_size);
    if (p.p_type == PT_INTERP) taken = set_interpreter(elf, p, index, file_size);
    if (p.p_type == PT_GNU_STACK) elf.executable_stack = (p.p_flags & PF_X) != 0;
    if (!taken) return std::unexpected(taken.error());
  }
  if (elf.loads.empty()) return refuse(ElfError::no_segments);
  if (elf.entry == 0) return refuse(ElfError::no_entry_point);
  elf.program_headers = address_of_table(elf, header);
  return elf;
}

std::expected<std::string_view, ElfFailure> parse_interpreter(std::span<const u8> bytes) {
  auto text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.empty() || bytes.back() != 0) return refuse(ElfError::interpreter_not_terminated);
  std::string_view path(text, strlen(text));
  if (path.empty()) return refuse(ElfError::interpreter_too_long, 0, interpreter_limit);
  return path;
}

std::expected<WholeElf, ElfFailure> parse_elf(std::span<const u8> file) {
  auto header = parse_elf_header(file, file.size());
  if (!header) return std::unexpected(header.error());
  auto elf = parse_program_headers(*header, file.subspan(header->table_offset, header->table_size()), file.size());
  if (!elf) return std::unexpected(elf.error());
  WholeElf whole{std::move(*elf), {}};
  if (whole.elf.interpreter_size != 0) {
    auto path = parse_interpreter(file.subspan(whole.elf.interpreter_offset, whole.elf.interpreter_size));
    if (!path) return std::unexpected(path.error());
    whole.interpreter = *path;
  }
  return whole;
}

}  // namespace ferry::loader
