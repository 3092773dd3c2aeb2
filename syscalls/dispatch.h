// Serves one system call of a guest thread: the number is in x8, the arguments in x0..x5, the result goes to x0
// (arch/arm64/kernel/syscall.c). Called by the thread's loop after translator::ExitReason::syscall.
#pragma once
#include "guest/types.h"

namespace ferry::syscalls {

struct Thread;

// On return cpu.x[0] is the result, a negated errno, or a restart code of host_syscall.h for the caller to act on.
// Calls that do not return to the guest (exit, a successful execve) do not return here either.
void dispatch(Thread& thread);

}  // namespace ferry::syscalls
