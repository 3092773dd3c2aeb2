#include "loader/functions.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace ferry::loader {

namespace {

constexpr size_t max_segments = 16;  // linkers make one; more cost time at every function
constexpr u64 max_name = 4096;
// Encodings of pointers in .eh_frame_hdr, those that linkers write (LSB Core, "DWARF Exception Header Encoding").
constexpr u8 unsigned_4 = 0x03, pc_relative_signed_4 = 0x1b, table_relative_signed_4 = 0x3b;

class Reader {
 public:
  explicit Reader(std::span<const u8> file) : file_(file) {}

  bool is_code_of(Isa isa) {
    if (!read(0, header_) || memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) return false;
    u16 machine = isa == Isa::aarch64 ? EM_AARCH64 : EM_X86_64;
    return header_.e_ident[EI_CLASS] == ELFCLASS64 && header_.e_ident[EI_DATA] == ELFDATA2LSB &&
           header_.e_machine == machine && (header_.e_type == ET_EXEC || header_.e_type == ET_DYN);
  }

  CodeFile take() {
    read_segments();
    each_symbol([&](const Elf64_Sym& symbol, u32) { add(symbol.st_value); });
    if (frames_ != 0) add_frames(frames_, frames_address_);
    std::ranges::sort(result_.functions);
    result_.functions.erase(std::ranges::unique(result_.functions).begin(), result_.functions.end());
    return std::move(result_);
  }

  NamedFunctions take_names() {
    read_segments();
    NamedFunctions named{std::move(result_.segments), {}};
    each_symbol([&](const Elf64_Sym& symbol, u32 strings) {
      std::string_view name = text(strings, symbol.st_name);
      if (!name.empty()) named.functions.push_back({symbol.st_value, symbol.st_size, name});
    });
    // Of several names the one that says how long the function is.
    std::ranges::sort(named.functions, [](const NamedFunction& a, const NamedFunction& b) {
      return a.address != b.address ? a.address < b.address : a.size > b.size;
    });
    named.functions.erase(std::ranges::unique(named.functions, {}, &NamedFunction::address).begin(),
                          named.functions.end());
    return named;
  }

 private:
  void read_segments() {
    for (u32 i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr program;
      if (!read_entry(header_.e_phoff, header_.e_phentsize, i, program)) break;
      bool inside = program.p_offset <= file_.size() && program.p_filesz <= file_.size() - program.p_offset &&
                    program.p_vaddr + program.p_filesz >= program.p_vaddr;
      if (!inside) continue;
      bool code = program.p_type == PT_LOAD && (program.p_flags & PF_X) != 0;
      if (code && result_.segments.size() < max_segments)
        result_.segments.push_back({program.p_vaddr, program.p_offset, program.p_filesz});
      if (program.p_type == PT_GNU_EH_FRAME) frames_ = program.p_offset, frames_address_ = program.p_vaddr;
    }
  }

  template <class T>
  bool read(u64 offset, T& value) const {
    if (offset > file_.size() || sizeof value > file_.size() - offset) return false;
    memcpy(&value, file_.data() + offset, sizeof value);
    return true;
  }
  template <class T>
  bool read_entry(u64 table, u64 entry_size, u64 index, T& value) const {
    return entry_size >= sizeof value && table <= file_.size() && read(table + index * entry_size, value);
  }

  void add(u64 address) {
    bool known = std::ranges::any_of(
        result_.segments, [&](const CodeSegment& segment) { return address - segment.address < segment.size; });
    if (known && address % 4 == 0) result_.functions.push_back(address);
  }

  // Hands out every function that is defined, and the index of the section with its name.
  template <class F>
  void each_symbol(F&& f) const {
    for (u32 i = 0; i < header_.e_shnum; ++i) {
      Elf64_Shdr section;
      if (!read_entry(header_.e_shoff, header_.e_shentsize, i, section)) return;
      if (section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM) continue;
      if (section.sh_entsize < sizeof(Elf64_Sym)) continue;
      Elf64_Sym symbol;
      for (u64 j = 0; j < section.sh_size / section.sh_entsize; ++j) {
        if (!read_entry(section.sh_offset, section.sh_entsize, j, symbol)) break;
        u32 type = ELF64_ST_TYPE(symbol.st_info);
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && symbol.st_shndx != SHN_UNDEF) f(symbol, section.sh_link);
      }
    }
  }

  // Of a string table; empty where there is none that ends in the file.
  std::string_view text(u32 section_index, u32 offset) const {
    Elf64_Shdr section;
    if (section_index >= header_.e_shnum || !read_entry(header_.e_shoff, header_.e_shentsize, section_index, section) ||
        section.sh_type != SHT_STRTAB || section.sh_offset > file_.size() || offset >= section.sh_size ||
        section.sh_size > file_.size() - section.sh_offset)
      return {};
    const char* begin = reinterpret_cast<const char*>(file_.data()) + section.sh_offset + offset;
    const void* end = memchr(begin, 0, std::min<u64>(section.sh_size - offset, max_name));
    return end != nullptr ? std::string_view(begin, static_cast<const char*>(end)) : std::string_view{};
  }

  // The table of function beginnings, relative to its own.
  void add_frames(u64 offset, u64 address) {
    struct {
      u8 version, frame_encoding, count_encoding, table_encoding;
      i32 frames;
      u32 count;
    } head;
    if (!read(offset, head) || head.version != 1 || head.frame_encoding != pc_relative_signed_4 ||
        head.count_encoding != unsigned_4 || head.table_encoding != table_relative_signed_4)
      return;
    struct {
      i32 function, frame;
    } row;
    for (u64 i = 0; i < head.count && read(offset + sizeof head + i * sizeof row, row); ++i)
      add(address + static_cast<u64>(i64{row.function}));
  }

  std::span<const u8> file_;
  Elf64_Ehdr header_{};
  CodeFile result_;
  u64 frames_ = 0, frames_address_ = 0;  // of the exception handling's table, when there is one
};

}  // namespace

std::optional<CodeFile> find_functions(std::span<const u8> file, Isa isa) {
  Reader reader(file);
  if (!reader.is_code_of(isa)) return {};
  CodeFile found = reader.take();
  if (found.segments.empty()) return {};
  return found;
}

std::optional<NamedFunctions> find_named_functions(std::span<const u8> file, Isa isa) {
  Reader reader(file);
  if (!reader.is_code_of(isa)) return {};
  return reader.take_names();
}

std::optional<NamedFunctions::Found> NamedFunctions::find(u64 file_offset) const {
  for (const CodeSegment& segment : segments) {
    if (file_offset - segment.offset >= segment.size) continue;
    u64 address = segment.address + (file_offset - segment.offset);
    auto after = std::ranges::upper_bound(functions, address, {}, &NamedFunction::address);
    if (after == functions.begin()) return {};
    const NamedFunction& function = *std::prev(after);
    u64 distance = address - function.address;
    if (function.size != 0 && distance >= function.size) return {};
    return Found{function.name, distance};
  }
  return {};
}

}  // namespace ferry::loader
