// What differs between hosts in this folder: the syscall window's code and the interrupted program counter.
#pragma once
#include "guest/types.h"

extern "C" {
// The body of host_syscall(): `pending` is looked at inside the window. In host/<isa>.cpp.
ferry::i64 ferry_host_syscall(const ferry::u32* pending, long number, ferry::u64 a0, ferry::u64 a1, ferry::u64 a2,
                              ferry::u64 a3, ferry::u64 a4, ferry::u64 a5);
// The body of raw_syscall().
ferry::i64 ferry_raw_syscall(long number, ferry::u64 a0, ferry::u64 a1, ferry::u64 a2, ferry::u64 a3, ferry::u64 a4,
                             ferry::u64 a5);
// First instruction of the window, the syscall instruction (the window's last), the one after it, and the way out.
extern const char ferry_window_begin[], ferry_window_syscall[], ferry_window_end[], ferry_window_abandon[];
// Compare and swap of a word of the guest's that may not be there. 0: done, 1: it was not `expected`, 2: a fault.
ferry::u32 ferry_guarded_exchange(ferry::u32* word, ferry::u32 expected, ferry::u32 desired);
extern const char ferry_exchange_begin[], ferry_exchange_end[], ferry_exchange_landing[];
// What a host signal handler returns to; null where the host kernel supplies it.
extern const char ferry_host_restorer[];
}

namespace ferry {

// SA_RESTORER where the host kernel demands one (arch/x86/kernel/signal_64.c), else 0.
extern const u64 host_restorer_flag;
u64& interrupted_pc(void* ucontext);

}  // namespace ferry
