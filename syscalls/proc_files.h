// The files of /proc that tell a program about itself: with ferry in the same process they would tell about ferry.
// /proc/self/{exe,maps,auxv,cmdline,comm} (and /proc/PID, /proc/thread-self of this process), /proc/cpuinfo.
#pragma once
#include <string>

#include "guest/result.h"

namespace ferry::syscalls {

// What /proc/self says of the guest program. Set once by whoever loads the program, before it runs.
struct ProgramImage {
  std::string executable;                        // as /proc/self/exe shows it: absolute, as the guest names it
  GuestAddr arguments_begin, arguments_end;      // the argument strings on the guest's stack: cmdline
  GuestAddr environment_begin, environment_end;  // environ
  GuestAddr auxv_begin, auxv_end;                // the auxiliary vector on the guest's stack
  GuestAddr stack_begin, stack_end;              // named [stack] in maps
};
void set_program_image(ProgramImage image);
const ProgramImage& program_image();

// When `path` names such a file: a descriptor of a snapshot (a memfd opened with the O_CLOEXEC of `flags`), or an error.
// fail(ENOENT) is never returned for a path that is not one of them: `handled` says which.
Result<int> open_proc_file(const char* path, int flags, bool& handled);
// When `path` is /proc/self/exe or its like, its target; otherwise null.
const char* proc_link_target(const char* path);

}  // namespace ferry::syscalls
