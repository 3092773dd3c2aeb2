// The one place where ferry enters the host kernel on a guest's behalf with a call that may block.
// A signal for the guest that arrives at any moment up to the host's syscall instruction makes the call return
// -restart_always without entering the kernel, so no signal is slept over (the race is closed by comparing the interrupted
// pc with the window below, in signals.cpp). Once entered, the kernel's own rules decide (see signals.h).
#pragma once
#include "guest/types.h"

namespace ferry::syscalls {

struct Thread;

// The kernel's internal errno for "run the svc again after the handler" (include/linux/errno.h). A handler that gets it from
// host_syscall() must hand it up unchanged, having changed nothing that a second run would do twice.
inline constexpr int restart_always = 513;

// A host system call by host number with raw arguments; the raw result (-4095..-1 is a negated errno, or -restart_always).
// Uses the calling thread's Thread; without one (tests, start-up) it is a plain system call.
i64 host_syscall(long number, u64 a0 = 0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0, u64 a5 = 0);

// The same with no regard to signals: for calls that never block. Touches neither errno nor the C library.
i64 raw_syscall(long number, u64 a0 = 0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0, u64 a5 = 0);

// For the host signal handler (ucontext_t*). `abandon`: when the interrupted pc is in the window before the kernel was entered
// (or the kernel rewound it there to restart), makes host_syscall return -restart_always.
void abandon_host_syscall(void* ucontext);
// True when the interrupted pc is the instruction after the host syscall instruction: the signal was sent by this very call.
bool just_left_host_syscall(void* ucontext);

}  // namespace ferry::syscalls
