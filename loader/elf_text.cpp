// The sentence for each way in which a file is not a program that can be loaded.
#include <cstdarg>
#include <cstdio>

#include "loader/elf.h"

namespace ferry::loader {
namespace {

[[gnu::format(printf, 1, 2)]] std::string sentence(const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

using Number = unsigned long long;

std::string header_text(ElfError error, Number found, Number limit) {
  switch (error) {
    case ElfError::not_elf:
      return "not an ELF file";
    case ElfError::not_64_bit:
      return found == 1 ? "a 32-bit ELF file" : sentence("ELF class %llu is unknown", found);
    case ElfError::not_little_endian:
      return found == 2 ? "a big-endian ELF file" : sentence("ELF data encoding %llu is unknown", found);
    case ElfError::unknown_version:
      return sentence("ELF version %llu is unknown", found);
    case ElfError::not_a_program:
      return found == 1   ? "an object file, not a program"
             : found == 4 ? "a core file, not a program"
                          : sentence("ELF type %llu is not a program", found);
    case ElfError::unknown_machine:
      return sentence("a program for ELF machine %llu, neither AArch64 nor x86-64", found);
    case ElfError::wrong_header_size:
      return sentence("the ELF header claims %llu bytes instead of %llu", found, limit);
    case ElfError::wrong_program_header_size:
      return sentence("program headers claim %llu bytes each instead of %llu", found, limit);
    case ElfError::no_program_headers:
      return "no program headers";
    case ElfError::too_many_program_headers:
      return sentence("%llu program headers, more than %llu", found, limit);
    case ElfError::truncated_header:
      return sentence("truncated: %llu bytes where the ELF header takes %llu", found, limit);
    case ElfError::truncated_program_headers:
      return sentence("truncated: the program headers start at 0x%llx and do not fit in the file's 0x%llx bytes", found,
                      limit);
    case ElfError::no_segments:
      return "nothing to load: no PT_LOAD segment that occupies memory";
    case ElfError::no_entry_point:
      return "no entry point: a shared library, not a program";
    case ElfError::interpreter_not_terminated:
      return "the interpreter's path (PT_INTERP) does not end in a NUL";
    default:
      return "";
  }
}

std::string segment_text(ElfError error, unsigned segment, Number found, Number limit) {
  switch (error) {
    case ElfError::truncated_segment:
      return sentence("truncated: segment %u ends at 0x%llx but the file has 0x%llx bytes", segment, found, limit);
    case ElfError::truncated_interpreter:
      return sentence(
          "truncated: the interpreter's path (segment %u) starts at 0x%llx and does not fit in the file's 0x%llx bytes",
          segment, found, limit);
    case ElfError::segment_larger_in_file:
      return sentence("segment %u has 0x%llx bytes in the file but 0x%llx in memory", segment, found, limit);
    case ElfError::segment_overflow:
      return sentence("segment %u wraps around: 0x%llx plus 0x%llx bytes", segment, found, limit);
    case ElfError::segment_out_of_range:
      return sentence("segment %u ends at 0x%llx, above the last guest address 0x%llx", segment, found, limit);
    case ElfError::alignment_not_power_of_two:
      return sentence("segment %u has the alignment 0x%llx, not a power of two", segment, found);
    case ElfError::alignment_too_large:
      return sentence("segment %u has the alignment 0x%llx, more than 0x%llx", segment, found, limit);
    case ElfError::misaligned_segment:
      return sentence("segment %u has the address 0x%llx and the file offset 0x%llx, which differ within the page",
                      segment, found, limit);
    case ElfError::segments_not_ascending:
      return sentence("segment %u at 0x%llx comes after one at 0x%llx: segments must ascend", segment, found, limit);
    case ElfError::overlapping_segments:
      return sentence("segment %u at 0x%llx overlaps the one before it, which ends at 0x%llx", segment, found, limit);
    case ElfError::several_interpreters:
      return sentence("segment %u is a second PT_INTERP", segment);
    case ElfError::interpreter_too_long:
      return sentence("the interpreter's path (PT_INTERP) has %llu bytes; 2 to %llu are possible", found, limit);
    default:
      return "";
  }
}

}  // namespace

std::string ElfFailure::text() const {
  std::string text = header_text(error, found, limit);
  return text.empty() ? segment_text(error, segment, found, limit) : text;
}

const char* ElfFailure::remedy() const {
  switch (error) {
    case ElfError::not_elf:
      return "a program for Linux is meant, or a script that begins with #!";
    case ElfError::not_64_bit:
    case ElfError::not_little_endian:
    case ElfError::unknown_machine:
      return "get the program for AArch64";
    case ElfError::not_a_program:
    case ElfError::no_entry_point:
      return "run the program that it belongs to";
    default:
      return "it is damaged: copy or install it again";
  }
}

}  // namespace ferry::loader
