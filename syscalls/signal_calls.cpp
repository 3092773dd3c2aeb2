// The system calls about signals. kernel/signal.c; arch/arm64/kernel/signal.c for rt_sigreturn.
#include <sys/syscall.h>

#include "guest/log.h"
#include "guest/memory.h"
#include "syscalls/handlers.h"
#include "syscalls/signal_frame.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

namespace {

constexpr u64 sigset_size = 8;
constexpr u64 minimum_signal_stack = 5120;  // MINSIGSTKSZ of AArch64
constexpr u32 ss_autodisarm = 1u << 31;
// UAPI_SA_FLAGS and the architecture's: other bits are dropped, so that programs can probe (man 2 sigaction).
constexpr u64 known_flags = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | 0x800 | SA_ONSTACK | SA_RESTART |
                            static_cast<u32>(SA_NODEFER) | static_cast<u32>(SA_RESETHAND) | sa_restorer;

bool is_signal(int signal) { return signal >= 1 && signal <= 64; }

Result<i64> forward(long number, u64 a0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0) {
  return from_raw(host_syscall(number, a0, a1, a2, a3));
}

u64 argument(i32 value) { return static_cast<u64>(i64{value}); }

// do_sigaltstack() in kernel/signal.c.
Result<void> change_signal_stack(Thread& thread, const SignalStack& wanted) {
  if (on_signal_stack(thread.signals.stack, thread.cpu.sp)) return fail(EPERM);
  u32 mode = static_cast<u32>(wanted.flags) & ~ss_autodisarm;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return fail(EINVAL);
  SignalStack stack{wanted.base, wanted.flags, 0, wanted.size};
  if (mode == SS_DISABLE)
    stack.base = stack.size = 0;
  else if (wanted.size < minimum_signal_stack)
    return fail(ENOMEM);
  thread.signals.stack = stack;
  return {};
}

}  // namespace

Result<i64> sys_rt_sigaction(Thread& thread, Signal signal, In<SignalAction> action, Out<SignalAction> old, Size size) {
  if (size.value != sigset_size) return fail(EINVAL);
  SignalAction wanted{};
  if (action) wanted = TRY(read(action.value));
  if (!is_signal(signal.value)) return fail(EINVAL);
  if (action && (unblockable_set & signal_bit(signal.value))) return fail(EINVAL);
  wanted.flags &= known_flags;
  wanted.mask &= ~unblockable_set;
  SignalAction previous;
  {
    std::lock_guard lock(thread.actions->mutex);
    previous = signal_disposition(*thread.actions, signal.value);
    if (action) TRY_VOID(install_signal_action(*thread.actions, signal.value, wanted));
  }
  Siginfo dropped;
  if (action && wanted.handler == 1) take_deferred_signal(thread, signal_bit(signal.value), dropped);
  if (old) TRY_VOID(write(old.value, previous));
  return 0;
}

Result<i64> sys_rt_sigprocmask(Thread& thread, Enum<sigprocmask_how> how, In<Sigset> set, Out<Sigset> old, Size size) {
  if (size.value != sigset_size) return fail(EINVAL);
  u64 previous = thread.signals.mask;
  if (set) {
    u64 given = TRY(read(set.value)).bits;
    u64 mask;
    switch (how.value) {
      case SIG_BLOCK:
        mask = previous | given;
        break;
      case SIG_UNBLOCK:
        mask = previous & ~given;
        break;
      case SIG_SETMASK:
        mask = given;
        break;
      default:
        return fail(EINVAL);
    }
    TRY_VOID(set_signal_mask(thread, mask));
  }
  if (old) TRY_VOID(write(old.value, Sigset{previous}));
  return 0;
}

Result<i64> sys_rt_sigpending(Thread& thread, Out<Sigset> set, Size size) {
  if (size.value > sigset_size) return fail(EINVAL);
  u64 pending = 0;
  TRY(from_raw(raw_syscall(SYS_rt_sigpending, reinterpret_cast<u64>(&pending), sizeof pending)));
  pending |= thread.signals.deferred & thread.signals.mask;
  TRY_VOID(copy_to_guest(set.value.address, &pending, size.value));
  return 0;
}

Result<i64> sys_rt_sigsuspend(Thread& thread, In<Sigset> set, Size size) {
  if (size.value != sigset_size) return fail(EINVAL);
  u64 mask = TRY(read(set.value)).bits & ~unblockable_set;
  if (thread.signals.deferred & ~mask) {
    // What waits here is what the host's rt_sigsuspend could not see: it goes through the slot, past the thread's own mask.
    TRY_VOID(block_signals(thread));
    take_deferred_signal(thread, ~mask, thread.signals.slot);
    thread.signals.pending = 1;
    return fail(EINTR);
  }
  mask &= ~fault_signal_set;
  return forward(SYS_rt_sigsuspend, reinterpret_cast<u64>(&mask), sizeof mask);
}

Result<i64> sys_rt_sigtimedwait(Thread& thread, In<Sigset> set, Out<Siginfo> info, In<Timespec> timeout, Size size) {
  if (size.value != sigset_size) return fail(EINVAL);
  u64 wanted = TRY(read(set.value)).bits;
  auto deferred = [&]() -> Result<i64> {
    Siginfo found;
    if (!take_deferred_signal(thread, wanted, found)) return 0;
    if (info) TRY_VOID(write(info.value, found));
    return found.signal;
  };
  if (i64 signal = TRY(deferred())) return signal;
  Result<i64> result = forward(SYS_rt_sigtimedwait, reinterpret_cast<u64>(&wanted), raw(info.value.address),
                               raw(timeout.value.address), sizeof wanted);
  // One of the five, sent while we slept, interrupts the host's call instead of ending it.
  if (!result && result.error() == Errno{EINTR})
    if (i64 signal = TRY(deferred())) return signal;
  return result;
}

Result<i64> sys_sigaltstack(Thread& thread, In<SignalStack> set, Out<SignalStack> old) {
  SignalStack previous = thread.signals.stack;
  u32 mode_flag = static_cast<u32>(previous.flags) & ss_autodisarm;
  previous.flags = static_cast<i32>(signal_stack_state(previous, thread.cpu.sp) | mode_flag);
  if (set) TRY_VOID(change_signal_stack(thread, TRY(read(set.value))));
  if (old) TRY_VOID(write(old.value, previous));
  return 0;
}

Result<i64> sys_rt_sigreturn(Thread& thread) {
  RestoredFrame frame;
  if (!read_signal_frame(thread.cpu, frame)) {
    thread.keep_registers = true;
    force_signal(thread, SIGSEGV, SEGV_MAPERR, thread.cpu.sp);
    return 0;
  }
  TRY_VOID(set_signal_mask(thread, frame.mask));
  thread.keep_registers = true;
  restore_registers(thread.cpu, frame);
  (void)change_signal_stack(thread, frame.stack);  // restore_altstack() ignores what it says
  log(Log::signals, "return from handler to pc %#lx, sp %#lx", thread.cpu.pc, thread.cpu.sp);
  return 0;
}

// Sending is the host's: thread and process ids are the same, and so is siginfo.
Result<i64> sys_kill(Thread&, Int pid, Signal signal) {
  return forward(SYS_kill, argument(pid.value), argument(signal.value));
}

Result<i64> sys_tkill(Thread&, Int tid, Signal signal) {
  return forward(SYS_tkill, argument(tid.value), argument(signal.value));
}

Result<i64> sys_tgkill(Thread&, Int tgid, Int tid, Signal signal) {
  return forward(SYS_tgkill, argument(tgid.value), argument(tid.value), argument(signal.value));
}

Result<i64> sys_rt_sigqueueinfo(Thread&, Int tgid, Signal signal, In<Siginfo> info) {
  return forward(SYS_rt_sigqueueinfo, argument(tgid.value), argument(signal.value), raw(info.value.address));
}

Result<i64> sys_rt_tgsigqueueinfo(Thread&, Int tgid, Int tid, Signal signal, In<Siginfo> info) {
  return forward(SYS_rt_tgsigqueueinfo, argument(tgid.value), argument(tid.value), argument(signal.value),
                 raw(info.value.address));
}

Result<i64> sys_pidfd_send_signal(Thread&, Fd pidfd, Signal signal, In<Siginfo> info, Hex flags) {
  return forward(SYS_pidfd_send_signal, argument(pidfd.value), argument(signal.value), raw(info.value.address),
                 flags.value);
}

// The kernel itself restarts what it left half done; a guest that calls this gets do_no_restart_syscall()'s answer.
Result<i64> sys_restart_syscall(Thread&) { return fail(EINTR); }

}  // namespace ferry::syscalls
