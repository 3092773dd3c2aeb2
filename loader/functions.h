// Where an ELF file's functions begin, for translating ahead of time: from its symbols and from the table that exception handling
// finds its frames by, which stripped files have too. The file is an untrusted sequence of bytes; what of it makes no sense is
// left out. System V gABI chapter 4, "Symbol Table"; Linux Standard Base Core, ".eh_frame_hdr".
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "guest/types.h"

namespace ferry::loader {

// An executable PT_LOAD segment, inside the file.
struct CodeSegment {
  u64 address, offset, size;  // as linked; in the file
};

struct CodeFile {
  std::vector<CodeSegment> segments;
  std::vector<u64> functions;  // linked addresses in the segments, multiples of 4, ascending
};

// nullopt when it is no program or shared object of the ISA, or has no code.
std::optional<CodeFile> find_functions(std::span<const u8> file, Isa isa);

// A function with a name, in the file's bytes.
struct NamedFunction {
  u64 address, size;  // as linked; of size 0 where the file does not say
  std::string_view name;
};

struct NamedFunctions {
  std::vector<CodeSegment> segments;
  std::vector<NamedFunction> functions;  // ascending; one for each address

  // The function that holds what is at this offset in the file, and how far into it that is.
  struct Found {
    std::string_view name;
    u64 distance;
  };
  std::optional<Found> find(u64 file_offset) const;
};

// For profilers. nullopt as above; a stripped file has only the names that it exports.
std::optional<NamedFunctions> find_named_functions(std::span<const u8> file, Isa isa);

}  // namespace ferry::loader
