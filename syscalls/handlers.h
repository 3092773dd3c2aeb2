// The declarations of the system calls that ferry serves itself, made from the EMULATE and PARTIAL rows of syscalls.def:
//   Result<i64> sys_openat(Thread&, DirFd, PathAt<follow>, Flags<open_flags>, CreateMode<2>);
// A handler runs on the guest thread, outside translated code. What it returns goes to x0 (an Errno negated), except that a
// call interrupted before it began returns the restart codes of host_syscall.h for the thread's loop to see.
#pragma once
#include "guest/result.h"
#include "syscalls/arguments.h"

namespace ferry::syscalls {

struct Thread;

#define FORWARD(...)
#define REFUSE(...)
#define EMULATE(name, x86_64, aarch64, ...) Result<i64> sys_##name(Thread& __VA_OPT__(, ) __VA_ARGS__);
#define PARTIAL(name, x86_64, aarch64, limit, ...) Result<i64> sys_##name(Thread& __VA_OPT__(, ) __VA_ARGS__);
#include "syscalls/syscalls.def"
#undef FORWARD
#undef REFUSE
#undef EMULATE
#undef PARTIAL

}  // namespace ferry::syscalls
