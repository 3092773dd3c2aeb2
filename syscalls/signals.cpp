// The host signal handler, the pending slot, and delivery to the guest. signals.h says how host and guest are kept in step;
// the order of things is that of get_signal() and handle_signal() in kernel/signal.c and arch/arm64/kernel/signal.c.
#include "syscalls/signals.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest/check.h"
#include "guest/log.h"
#include "guest/memory.h"
#include "syscalls/host/context.h"
#include "syscalls/signal_frame.h"
#include "syscalls/strace.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

namespace {

constexpr u64 ignore_by_default = signal_bit(SIGCHLD) | signal_bit(SIGCONT) | signal_bit(SIGURG) | signal_bit(SIGWINCH);
constexpr u64 default_handler = 0, ignore_handler = 1;

bool is_fault_signal(int signal) { return fault_signal_set & signal_bit(signal); }

size_t fault_index(int signal) {
  for (size_t i = 0;; i++)
    if (fault_signals[i] == signal) return i;
}

i64 set_host_action(int signal, const SignalAction& action, SignalAction* old = nullptr) {
  return raw_syscall(SYS_rt_sigaction, static_cast<u64>(signal), reinterpret_cast<u64>(&action),
                     reinterpret_cast<u64>(old), 8);
}

u64 host_mask(u64 guest_mask) { return guest_mask & ~fault_signal_set; }

// Like rt_sigprocmask(SIG_SETMASK), but not while something is pending: a full slot keeps everything blocked.
i64 set_host_mask(u64 mask) {
  return host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&mask), 0, sizeof mask);
}

void set_pending(ThreadSignals& signals) { __atomic_store_n(&signals.pending, 1, __ATOMIC_RELAXED); }

u64 deliverable(const ThreadSignals& signals) {
  return __atomic_load_n(&signals.deferred, __ATOMIC_RELAXED) & ~signals.mask;
}

// One of the five that was sent, not raised: it waits here, since the host cannot keep it blocked for us.
void defer(ThreadSignals& signals, const Siginfo& info) {
  u64 bit = signal_bit(info.signal);
  if (signals.deferred & bit) return;  // standard signals queue once
  signals.deferred_info[fault_index(info.signal)] = info;
  __atomic_fetch_or(&signals.deferred, bit, __ATOMIC_RELEASE);
  if (!(signals.mask & bit)) set_pending(signals);
}

[[noreturn]] void die_of_own_fault(int signal, const Siginfo& info, void* context) {
  u64 address;
  __builtin_memcpy(&address, info.fields, sizeof address);
  dprintf(2, "ferry: internal error: signal %d (code %d) at host pc %#lx, address %#lx\n", signal, info.code,
          interrupted_pc(context), address);
  if (describe_state != nullptr) describe_state(2);
  die_by_signal(signal);
}

// A fault inside ferry_guarded_exchange() is its result.
bool fix_up_exchange(void* context) {
  u64& pc = interrupted_pc(context);
  if (pc < reinterpret_cast<u64>(ferry_exchange_begin) || pc >= reinterpret_cast<u64>(ferry_exchange_end)) return false;
  pc = reinterpret_cast<u64>(ferry_exchange_landing);
  return true;
}

void take_fault_signal(Thread* thread, int signal, siginfo_t* info, void* context) {
  const Siginfo& taken = *reinterpret_cast<Siginfo*>(info);
  // A positive code can also be made by rt_sigqueueinfo to oneself: then the interrupted pc is just behind that call.
  bool raised = info->si_code > 0 && !just_left_host_syscall(context);
  if (raised) {
    if (fix_up_guest_access(context) || fix_up_exchange(context)) return;
    if (thread == nullptr || !translator::handle_fault(thread->cpu, info, context))
      die_of_own_fault(signal, taken, context);
    return;
  }
  if (thread == nullptr) return;
  defer(thread->signals, taken);
  if (thread->signals.pending) {
    abandon_host_syscall(context);
    translator::request_poll(thread->cpu);
  }
}

void host_handler(int signal, siginfo_t* info, void* context) {
  int saved_errno = errno;
  Thread* thread = current_thread;
  if (is_fault_signal(signal)) {
    take_fault_signal(thread, signal, info, context);
  } else if (thread != nullptr) {
    // Everything stays blocked from here until the signal is delivered, so the slot is empty now.
    check(thread->signals.slot.signal == 0);
    thread->signals.slot = *reinterpret_cast<Siginfo*>(info);
    u64 all_but_faults = ~fault_signal_set;
    __builtin_memcpy(&static_cast<ucontext_t*>(context)->uc_sigmask, &all_but_faults, sizeof all_but_faults);
    set_pending(thread->signals);
    abandon_host_syscall(context);
    translator::request_poll(thread->cpu);
    log(Log::signals, "signal %d taken, code %d", signal, info->si_code);
  }
  errno = saved_errno;
}

constexpr u64 followed_flags = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT | static_cast<u32>(SA_RESETHAND);

SignalAction host_handler_action(u64 flags) {
  return {reinterpret_cast<u64>(host_handler), SA_SIGINFO | SA_ONSTACK | host_restorer_flag | flags,
          reinterpret_cast<u64>(ferry_host_restorer), ~fault_signal_set};
}

// The default action of a signal that ferry took when it still had a handler, or of one of the five.
void act_by_default(Thread& thread, const Siginfo& info) {
  if (ignore_by_default & signal_bit(info.signal)) return;
  if (is_fault_signal(info.signal)) die_by_signal(info.signal);
  // The host has the default disposition by now: let the kernel stop or kill us once the mask allows it again.
  raw_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()), static_cast<u64>(thread.tid),
              static_cast<u64>(info.signal), reinterpret_cast<u64>(&info));
}

// The action to take now; a one-shot handler is used up by this.
SignalAction take_action(SignalActions& actions, int signal) {
  std::lock_guard lock(actions.mutex);
  SignalAction& entry = actions.actions[signal];
  SignalAction action = entry;
  if (action.handler > ignore_handler && (action.flags & static_cast<u32>(SA_RESETHAND)))
    entry.handler = default_handler;
  return action;
}

void deliver_to_guest(Thread& thread, const SignalAction& action, const Siginfo& info) {
  ThreadSignals& signals = thread.signals;
  if (!push_signal_frame(thread, action, info)) {
    // signal_setup_done(): no room for the frame is a SIGSEGV, and the end when it was the SIGSEGV that found none.
    if (info.signal == SIGSEGV) die_by_signal(SIGSEGV);
    return force_signal(thread, SIGSEGV, SI_KERNEL, 0);
  }
  u64 own = action.flags & static_cast<u32>(SA_NODEFER) ? 0 : signal_bit(info.signal);
  signals.mask = (signals.mask | action.mask | own) & ~unblockable_set;
  log(Log::signals, "signal %d delivered, handler %#lx, sp %#lx", info.signal, action.handler, thread.cpu.sp);
}

void deliver(Thread& thread, const Siginfo& info) {
  if (strace_enabled) strace_signal(info);
  SignalAction action = take_action(*thread.actions, info.signal);
  if (action.handler == ignore_handler) return;
  if (action.handler == default_handler) return act_by_default(thread, info);
  deliver_to_guest(thread, action, info);
}

bool take_deferred(ThreadSignals& signals, u64 from, Siginfo& info) {
  u64 ready = signals.deferred & from;
  if (ready == 0) return false;
  int signal = __builtin_ctzll(ready) + 1;
  info = signals.deferred_info[fault_index(signal)];
  __atomic_fetch_and(&signals.deferred, ~signal_bit(signal), __ATOMIC_ACQUIRE);
  return true;
}

}  // namespace

void start_signals(Thread& thread) {
  SignalActions& actions = *thread.actions;
  for (int signal : fault_signals) {
    SignalAction inherited;
    check(set_host_action(signal, host_handler_action(0), &inherited) == 0);
    if (inherited.handler == ignore_handler) actions.actions[signal].handler = ignore_handler;
    actions.known |= signal_bit(signal);
  }
  u64 unblocked = fault_signal_set;
  raw_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, reinterpret_cast<u64>(&unblocked),
              reinterpret_cast<u64>(&thread.signals.mask), 8);
}

void attach_signal_stack(Thread& thread) {
  // The kernel's own minimum grows with the vector registers it saves; the rest is for the handler's frames.
  size_t size = getauxval(AT_MINSIGSTKSZ) + 32 * 1024;
  thread.host_signal_stack.reset(new u8[size]);
  stack_t stack{.ss_sp = thread.host_signal_stack.get(), .ss_flags = 0, .ss_size = size};
  check(raw_syscall(SYS_sigaltstack, reinterpret_cast<u64>(&stack)) == 0);
}

void detach_signal_stack(Thread& thread) {
  stack_t stack{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  check(raw_syscall(SYS_sigaltstack, reinterpret_cast<u64>(&stack)) == 0);
  thread.host_signal_stack.reset();
}

void deliver_signals(Thread& thread) {
  ThreadSignals& signals = thread.signals;
  while (signals.pending) {
    __atomic_store_n(&signals.pending, 0, __ATOMIC_RELAXED);
    Siginfo info;
    if (signals.slot.signal != 0) {
      info = signals.slot;
      signals.slot.signal = 0;
      deliver(thread, info);
    } else if (take_deferred(signals, ~signals.mask, info)) {
      deliver(thread, info);
    }
    // Refused when something became pending meanwhile: then the loop goes round and comes here again.
    set_host_mask(host_mask(signals.mask));
    if (deliverable(signals)) set_pending(signals);
  }
}

void force_signal(Thread& thread, int signal, int code, u64 address) {
  Siginfo info{.signal = signal, .error = 0, .code = code, .padding = 0, .fields = {}};
  __builtin_memcpy(info.fields, &address, sizeof address);
  if (strace_enabled) strace_signal(info);
  SignalAction action = take_action(*thread.actions, signal);
  if ((thread.signals.mask & signal_bit(signal)) || action.handler <= ignore_handler) {
    log(Log::signals, "signal %d (code %d, address %#lx) at pc %#lx kills", signal, code, address, thread.cpu.pc);
    die_by_signal(signal);
  }
  deliver_to_guest(thread, action, info);
  set_host_mask(host_mask(thread.signals.mask));
}

void die_by_signal(int signal) {
  if (strace_enabled) strace_killed(signal);
  set_host_action(signal,
                  SignalAction{default_handler, host_restorer_flag, reinterpret_cast<u64>(ferry_host_restorer), 0});
  u64 only = signal_bit(signal), all = ~u64{0};
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&all), 0, 8);
  raw_syscall(SYS_tgkill, static_cast<u64>(raw_syscall(SYS_getpid)), static_cast<u64>(raw_syscall(SYS_gettid)),
              static_cast<u64>(signal));
  raw_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, reinterpret_cast<u64>(&only), 0, 8);
  _exit(128 + signal);  // only when the signal does not kill, as for the first process of a PID namespace
}

Result<void> set_signal_mask(Thread& thread, u64 mask) {
  mask &= ~unblockable_set;
  TRY(from_raw(set_host_mask(host_mask(mask))));
  thread.signals.mask = mask;
  if (deliverable(thread.signals)) set_pending(thread.signals);
  return {};
}

Result<void> block_signals(Thread&) {
  TRY(from_raw(set_host_mask(~fault_signal_set)));
  return {};
}

void unblock_signals(Thread& thread) {
  u64 mask = host_mask(thread.signals.mask);
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&mask), 0, sizeof mask);
}

SignalAction signal_disposition(SignalActions& actions, int signal) {
  if (!(actions.known & signal_bit(signal))) {
    SignalAction inherited{};
    raw_syscall(SYS_rt_sigaction, static_cast<u64>(signal), 0, reinterpret_cast<u64>(&inherited), 8);
    actions.actions[signal] = {};
    actions.actions[signal].handler = inherited.handler == ignore_handler ? ignore_handler : default_handler;
    actions.known |= signal_bit(signal);
  }
  return actions.actions[signal];
}

Result<void> install_signal_action(SignalActions& actions, int signal, const SignalAction& action) {
  SignalAction host{action.handler, (action.flags & followed_flags) | host_restorer_flag,
                    reinterpret_cast<u64>(ferry_host_restorer), 0};
  if (is_fault_signal(signal))
    host = host_handler_action(action.flags & SA_RESTART);
  else if (action.handler > ignore_handler)
    host = host_handler_action(action.flags & followed_flags);
  TRY(from_raw(set_host_action(signal, host)));
  actions.actions[signal] = action;
  actions.known |= signal_bit(signal);
  return {};
}

void reset_signal_handlers(SignalActions& actions) {
  for (int signal = 1; signal <= 64; signal++)
    if ((actions.known & signal_bit(signal)) && actions.actions[signal].handler > ignore_handler)
      check(install_signal_action(actions, signal, {}));
}

bool take_deferred_signal(Thread& thread, u64 set, Siginfo& info) { return take_deferred(thread.signals, set, info); }

void begin_exec_signals(Thread& thread) {
  std::lock_guard lock(thread.actions->mutex);
  for (int signal : fault_signals)
    if (thread.actions->actions[signal].handler == ignore_handler)
      set_host_action(signal, {ignore_handler, host_restorer_flag, reinterpret_cast<u64>(ferry_host_restorer), 0});
  u64 mask = thread.signals.mask;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&mask), 0, sizeof mask);
}

void cancel_exec_signals(Thread& thread) {
  std::lock_guard lock(thread.actions->mutex);
  // Refused when a signal came: then the handler has blocked all but the five already, which is right.
  set_host_mask(host_mask(thread.signals.mask));
  for (int signal : fault_signals)
    set_host_action(signal, host_handler_action(thread.actions->actions[signal].flags & SA_RESTART));
}

}  // namespace ferry::syscalls
