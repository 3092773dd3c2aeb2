// The guest's signals: dispositions, masks, the alternate stack, and the one pending slot a thread needs.
// The host's mask and dispositions follow the guest's, so the host kernel queues, selects, restarts and kills for us:
//  - default and ignore are the host's default and ignore; a guest handler becomes ferry's host handler with the guest's
//    SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT and SA_RESETHAND, so that interrupted calls restart by the kernel's own rules;
//  - SIGSEGV, SIGBUS, SIGILL, SIGTRAP and SIGFPE always have ferry's handler and are never blocked on the host, because
//    ferry needs them itself: for these five the guest's mask and disposition are kept here only.
// kernel/signal.c, arch/arm64/kernel/signal.c; man 7 signal.
#pragma once
#include <mutex>

#include "guest/memory.h"
#include "guest/types.h"

namespace ferry {

struct Thread;

inline constexpr int signal_count = 64;  // signals are 1..64

// struct sigaction as the AArch64 kernel reads it (include/uapi/asm-generic/signal.h with SA_RESTORER).
struct GuestSigaction {
  u64 handler = 0;
  u64 flags = 0;
  u64 restorer = 0;
  u64 mask = 0;
};
static_assert(sizeof(GuestSigaction) == 32);

// stack_t, which both ABIs lay out alike.
struct GuestSigaltstack {
  u64 sp = 0;
  i32 flags = 0;
  u32 padding = 0;
  u64 size = 0;
};
static_assert(sizeof(GuestSigaltstack) == 24);

// siginfo_t, which both ABIs lay out alike: signo, errno, code, then the union.
struct GuestSiginfo {
  i32 signo = 0;
  i32 error = 0;
  i32 code = 0;
  i32 padding = 0;
  u64 fields[14] = {};  // fields[0]: si_addr of a fault
};
static_assert(sizeof(GuestSiginfo) == 128);

constexpr u64 signal_bit(int signal) { return u64{1} << (signal - 1); }

// Dispositions; shared by the threads of a process (a vfork child has its own copy, as CLONE_SIGHAND says).
struct SignalActions {
  std::mutex mutex;
  GuestSigaction actions[signal_count + 1];
};

// What of a thread's state concerns signals. The handler writes it on the thread itself; nobody else touches it.
struct ThreadSignals {
  u32 pending = 0;          // not 0: slot or deferred may hold something deliverable (host_syscall looks at it)
  u64 mask = 0;             // the guest's blocked set, all 64
  GuestSigaltstack stack{.flags = 2 /* SS_DISABLE */};
  GuestSiginfo slot;        // signo 0: empty. Already taken from the host's queue: always delivered
  u64 deferred = 0;         // of the five signals ferry never blocks: sent (not raised) and waiting; bits as in mask
  GuestSiginfo deferred_info[6];
};

// At start-up, on the main thread: reads inherited dispositions and mask, installs ferry's handler for the five.
void start_signals(Thread& thread);
// On every guest thread before it runs guest code / after: the host alternate stack.
void attach_signal_stack(Thread& thread);
void detach_signal_stack(Thread& thread);

// Delivers everything deliverable: builds frames on the guest's stack or ends the process. Called by Thread::run only.
void deliver_signals(Thread& thread);
// A signal the thread's own instruction raised: blocked or ignored, it kills (force_sig_fault in kernel/signal.c).
void force_signal(Thread& thread, const GuestSiginfo& info, u64 esr = 0);
// Ends the whole process by `signal`, so that the parent sees WIFSIGNALED.
[[noreturn]] void die_by_signal(int signal);
// Sets the guest's mask, and the host's with it.
void set_signal_mask(Thread& thread, u64 mask);

// The system calls. Arguments are as the guest passed them; results as the guest gets them.
Result<i64> sys_rt_sigaction(Thread&, int signal, GuestPtr<const GuestSigaction>, GuestPtr<GuestSigaction> old, u64 mask_size);
Result<i64> sys_rt_sigprocmask(Thread&, int how, GuestPtr<const u64> set, GuestPtr<u64> old, u64 mask_size);
Result<i64> sys_rt_sigpending(Thread&, GuestPtr<u64> set, u64 mask_size);
Result<i64> sys_rt_sigsuspend(Thread&, GuestPtr<const u64> mask, u64 mask_size);
Result<i64> sys_rt_sigtimedwait(Thread&, GuestPtr<const u64> set, GuestPtr<GuestSiginfo>, GuestAddr timeout, u64 mask_size);
Result<i64> sys_sigaltstack(Thread&, GuestPtr<const GuestSigaltstack>, GuestPtr<GuestSigaltstack> old);
Result<i64> sys_rt_sigreturn(Thread&);  // sets thread.keep_registers

// kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, timers, signalfd: forwarded as they are.

}  // namespace ferry
