// The line that tells the kernel's binfmt_misc to start ferry for foreign programs. Documentation/admin-guide/binfmt-misc.rst.
#pragma once
#include <string>
#include <string_view>

#include "guest/types.h"

namespace ferry::binfmt {

// Its name below /proc/sys/fs/binfmt_misc: "ferry-aarch64".
std::string registration_name(Isa isa);

// ":NAME:M::MAGIC:MASK:INTERPRETER:POCF" for ELF programs of `isa`. The flags:
//   P  argv[0] is kept (and AT_FLAGS tells ferry how it was started)
//   O  the program comes as an open descriptor, so that unreadable ones run
//   C  credentials are the program's: set-user-ID works
//   F  the interpreter is opened now, so that it is found in every chroot and container
std::string registration_line(Isa isa, std::string_view interpreter);

// What the kernel refuses, as text; empty: nothing. An interpreter's path must be absolute, short, and without ':'.
std::string interpreter_problem(std::string_view interpreter);

}  // namespace ferry::binfmt
