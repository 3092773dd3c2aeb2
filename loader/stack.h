// The stack a program starts with: strings, auxiliary vector, environment, arguments, argc.
// create_elf_tables in fs/binfmt_elf.c, copy_strings in fs/exec.c, ARCH_DLINFO in arch/*/include/asm/elf.h.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "loader/loader.h"

namespace ferry::loader {

// An entry of the auxiliary vector. linux/auxvec.h.
struct Auxiliary {
  u64 type, value;
};

// What the vector says of the image; ids, page size and AT_SECURE come from the process itself.
struct AuxiliaryValues {
  u64 vdso = 0, hwcap = 0, hwcap2 = 0;
  u64 program_headers = 0, program_header_count = 0;
  u64 interpreter_base = 0, entry = 0;
};

struct StackContents {
  std::span<const std::string> arguments, environment;
  std::string execfn;
  AuxiliaryValues auxiliary;
  bool randomize = true;
};

struct InitialStack {
  u64 stack_pointer = 0;
  u64 arguments_begin = 0, arguments_end = 0, environment_begin = 0, environment_end = 0, auxv_begin = 0, auxv_end = 0;
  std::vector<u64> auxv;
};

// E2BIG when the strings and their pointers are more than Linux allows under `stack_limit` (RLIMIT_STACK).
Result<void> check_argument_size(std::span<const std::string> arguments, std::span<const std::string> environment,
                                 const std::string& execfn, u64 stack_limit);

// RLIMIT_STACK's soft limit.
u64 stack_limit();

// A stack as large as RLIMIT_STACK (1 GiB when it is unlimited), its pages unused until touched, above an inaccessible guard.
std::expected<Mapping, LoadError> map_stack(u64 limit, bool executable);

// Writes the initial contents at the top of `stack`, which is mapped, writable, zero and large enough for what
// check_argument_size() allows.
InitialStack fill_stack(Isa isa, const Mapping& stack, const StackContents& contents);

}  // namespace ferry::loader
