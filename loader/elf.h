// Reads the headers of an ELF64 program as an untrusted sequence of bytes: no I/O, no mapping, no trust in any field.
// System V gABI chapters 4 and 5; what Linux accepts of it: fs/binfmt_elf.c.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/types.h"

namespace ferry::loader {

// Guest addresses end here: the user half of an x86_64 host with four-level page tables.
inline constexpr u64 address_limit = u64{1} << 47;
inline constexpr u64 page_size = 4096;

constexpr u64 page_floor(u64 address) { return address & ~(page_size - 1); }
constexpr u64 page_ceil(u64 address) { return (address + page_size - 1) & ~(page_size - 1); }

// Access that a segment asks for; the values of PF_X, PF_W, PF_R.
enum : u32 { segment_execute = 1, segment_write = 2, segment_read = 4 };

// A PT_LOAD segment. After parsing: file_size <= memory_size, nothing overflows, the end is at most address_limit, the file
// range is inside the file, offset and address are congruent modulo the page where file_size is not 0.
struct Segment {
  u64 address, memory_size;  // as linked, before any load bias
  u64 offset, file_size;
  u64 alignment;  // 0, 1 or a power of two up to 1 GiB
  u32 flags;      // segment_*
  u32 index;      // in the program header table, for messages

  u64 end() const { return address + memory_size; }
};

// What loading needs to know of a file. `loads` is never empty, ascends and has no overlaps.
struct Elf {
  Isa isa{};
  bool position_independent = false;  // ET_DYN
  bool executable_stack = false;      // PT_GNU_STACK with PF_X
  u64 entry = 0;
  u64 program_headers = 0;  // their linked address; 0 when no segment maps them (AT_PHDR)
  u16 program_header_count = 0;
  u64 interpreter_offset = 0, interpreter_size = 0;  // PT_INTERP in the file, with its NUL; size 0: none
  std::vector<Segment> loads;

  u64 begin() const { return page_floor(loads.front().address); }
  u64 end() const { return page_ceil(loads.back().end()); }
  u64 alignment() const;  // the largest of the segments', at least a page
};

enum class ElfError : u8 {
  not_elf,
  not_64_bit,
  not_little_endian,
  unknown_version,
  not_a_program,  // ET_REL, ET_CORE ...
  unknown_machine,
  wrong_header_size,
  wrong_program_header_size,
  no_program_headers,
  too_many_program_headers,  // more than 64 KiB of them
  truncated_header,
  truncated_program_headers,
  truncated_segment,
  truncated_interpreter,
  no_segments,  // no PT_LOAD that occupies memory
  segment_larger_in_file,
  segment_overflow,
  segment_out_of_range,  // ends above address_limit
  alignment_not_power_of_two,
  alignment_too_large,  // more than 1 GiB, the largest page there is
  misaligned_segment,   // address and offset differ modulo the page
  segments_not_ascending,
  overlapping_segments,
  no_entry_point,  // e_entry is 0: a shared library
  several_interpreters,
  interpreter_too_long,  // or too short: 2 to 4096 bytes with the NUL
  interpreter_not_terminated,
};

// An error and the numbers its text speaks of.
struct ElfFailure {
  ElfError error;
  u32 segment = 0;  // index in the program header table
  u64 found = 0, limit = 0;

  std::string text() const;  // "truncated: segment 2 ends at 0x3000 but the file has 0x2fff bytes"
  const char* remedy() const;
};

// What the ELF header says of the program header table: how much more of the file parsing needs.
struct ElfHeader {
  Isa isa;
  bool position_independent;
  u64 entry;
  u64 table_offset;  // inside the file
  u16 table_count;
  u64 table_size() const { return u64{table_count} * 56; }
};

// In the order of reading a file: the header from its first bytes (64 at least unless the file is shorter), then the program
// headers from the bytes of the table alone, then the interpreter's path from the bytes of PT_INTERP alone.
std::expected<ElfHeader, ElfFailure> parse_elf_header(std::span<const u8> start, u64 file_size);
std::expected<Elf, ElfFailure> parse_program_headers(const ElfHeader& header, std::span<const u8> table, u64 file_size);
// A view into `bytes`, without the NUL.
std::expected<std::string_view, ElfFailure> parse_interpreter(std::span<const u8> bytes);

// All three on a whole file in memory.
struct WholeElf {
  Elf elf;
  std::string_view interpreter;  // into the file; empty: none
};
std::expected<WholeElf, ElfFailure> parse_elf(std::span<const u8> file);

}  // namespace ferry::loader
