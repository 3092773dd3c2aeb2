// The guest's signals: dispositions, masks, the alternate stack, and the one pending slot a thread needs.
// The host's mask and dispositions follow the guest's, so the host kernel queues, selects, restarts and kills for us:
//  - default and ignore are the host's default and ignore; a guest handler becomes ferry's host handler with the guest's
//    SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT and SA_RESETHAND, so that interrupted calls restart by the kernel's own rules;
//  - SIGSEGV, SIGBUS, SIGILL, SIGTRAP and SIGFPE always have ferry's handler and are never blocked on the host, because
//    ferry needs them itself: for these five the guest's mask and disposition are kept here only.
// kernel/signal.c, arch/arm64/kernel/signal.c; man 7 signal. The system calls are declared in handlers.h.
#pragma once
#include <csignal>
#include <mutex>

#include "guest/result.h"
#include "syscalls/abi.h"

namespace ferry::syscalls {

struct Thread;

constexpr u64 signal_bit(int signal) { return u64{1} << (signal - 1); }

// The five that ferry keeps for itself on the host.
inline constexpr int fault_signals[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
inline constexpr u64 fault_signal_set =
    signal_bit(SIGILL) | signal_bit(SIGTRAP) | signal_bit(SIGBUS) | signal_bit(SIGFPE) | signal_bit(SIGSEGV);
inline constexpr u64 unblockable_set = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
inline constexpr u64 sa_restorer = 0x04000000;  // include/uapi/asm-generic/signal-defs.h; not in <csignal>

// Dispositions; shared by the threads of a process (a vfork child has its own copy, as it has no CLONE_SIGHAND).
struct SignalActions {
  std::mutex mutex;
  u64 known = 0;  // signals whose entry is right; the others' inherited disposition is still only the host's
  SignalAction actions[65] = {};
};

// What of a thread's state concerns signals. Only the thread itself writes it, in its code or its host signal handler.
struct ThreadSignals {
  u32 pending = 0;  // not 0: deliver_signals() has something to do; host_syscall() refuses to enter the kernel
  u64 mask = 0;     // the guest's blocked set
  SignalStack stack{.base = 0, .flags = SS_DISABLE, .padding = 0, .size = 0};
  Siginfo slot{};    // signal 0: empty. Taken from the host's queue, so it will be delivered whatever the mask says
  u64 deferred = 0;  // of the five: sent by kill() and the like, not raised; waits here while the guest blocks it
  Siginfo deferred_info[std::size(fault_signals)] = {};
  u64 fault_address = 0, fault_syndrome = 0;  // of the last fault, as current->thread keeps them for every later frame
};

// At start-up, on the main thread: reads the inherited mask, installs ferry's handler for the five.
void start_signals(Thread& thread);
// Around guest code on every thread: the host's alternate stack for the handler.
void attach_signal_stack(Thread& thread);
void detach_signal_stack(Thread& thread);

// Delivers everything deliverable: builds frames on the guest's stack or ends the process. Called by Thread::run only.
void deliver_signals(Thread& thread);
// A signal the thread's own instruction raised: blocked or ignored, it kills (force_sig_info_to_task in kernel/signal.c).
void force_signal(Thread& thread, int signal, int code, u64 address);
// Ends the whole process by `signal`, so that the parent sees WIFSIGNALED.
[[noreturn]] void die_by_signal(int signal);

// Sets the guest's mask, and the host's with it. Fails with restart_always, having done nothing, while a signal waits.
Result<void> set_signal_mask(Thread& thread, u64 mask);
// Blocks every signal on the host but the five, for a critical stretch; fails like set_signal_mask. Then the slot is empty and
// stays so until unblock_signals().
Result<void> block_signals(Thread& thread);
void unblock_signals(Thread& thread);

// exec's view of signals: ignored stays ignored, handlers become default, the mask stays. `begin` makes the host's state for the
// five what the guest believes it to be; `cancel` takes that back when the execve failed.
void begin_exec_signals(Thread& thread);
void cancel_exec_signals(Thread& thread);

// What the system calls in signal_calls.cpp and process.cpp need; `actions.mutex` is held by the caller.
SignalAction signal_disposition(SignalActions& actions, int signal);
Result<void> install_signal_action(SignalActions& actions, int signal, const SignalAction& action);
void reset_signal_handlers(SignalActions& actions);  // every handler becomes default: CLONE_CLEAR_SIGHAND
// Takes one of `set` out of the deferred ones; false when there is none.
bool take_deferred_signal(Thread& thread, u64 set, Siginfo& info);

}  // namespace ferry::syscalls
