// Where an ELF file's functions begin, for translating ahead of time: from its symbols and from the table that exception handling
// finds its frames by, which stripped files have too. The file is an untrusted sequence of bytes; what of it makes no sense is
// left out. System V gABI chapter 4, "Symbol Table"; Linux Standard Base Core, ".eh_frame_hdr".
#pragma once
#include <optional>
#include <span>
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

}  // namespace ferry::loader
