// host_syscall(): the window around the host's syscall instruction, and what the host signal handler asks of it.
#include "syscalls/host_syscall.h"

#include "syscalls/host/context.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

namespace {
constinit u32 never_pending = 0;

u64 address_of(const char* label) { return reinterpret_cast<u64>(label); }
}  // namespace

i64 host_syscall(long number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) {
  const u32* pending = current_thread != nullptr ? &current_thread->signals.pending : &never_pending;
  return ferry_host_syscall(pending, number, a0, a1, a2, a3, a4, a5);
}

i64 raw_syscall(long number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) {
  return ferry_raw_syscall(number, a0, a1, a2, a3, a4, a5);
}

void abandon_host_syscall(void* ucontext) {
  u64& pc = interrupted_pc(ucontext);
  if (pc >= address_of(ferry_window_begin) && pc <= address_of(ferry_window_syscall))
    pc = address_of(ferry_window_abandon);
}

bool just_left_host_syscall(void* ucontext) { return interrupted_pc(ucontext) == address_of(ferry_window_end); }

}  // namespace ferry::syscalls
