// Children that share the guest's memory: threads, vfork children, and processes made with CLONE_VM alone.
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "guest/memory.h"
#include "syscalls/process.h"
#include "syscalls/strace.h"

namespace ferry::syscalls {

namespace {

constexpr size_t host_stack_size = 256 * 1024;  // of ferry's own frames; guest code has the guest's stack

std::atomic<bool> first_host_thread{true};

void futex_wait(std::atomic<i32>& word, i32 while_is) {
  while (word.load(std::memory_order_acquire) == while_is)
    raw_syscall(SYS_futex, reinterpret_cast<u64>(&word), FUTEX_WAIT_PRIVATE, static_cast<u64>(while_is), 0);
}

void futex_set(std::atomic<i32>& word, i32 value) {
  word.store(value, std::memory_order_release);
  raw_syscall(SYS_futex, reinterpret_cast<u64>(&word), FUTEX_WAKE_PRIVATE, 1);
}

// What a new host thread is started with. Lives on the creator's stack until `result` is set.
struct Start {
  const Thread& parent;
  const CloneRequest& request;
  std::unique_ptr<Thread> child;
  std::atomic<i32> result{0};  // the tid, or a negated errno
};

void block_all_signals() {
  u64 all_but_faults = ~fault_signal_set;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&all_but_faults), 0, sizeof all_but_faults);
}

// The first pthread_create() of a process takes signal 33 for the C library's setxid and unblocks it; the guest's C library
// has done the same before. ferry never uses it, so the guest's disposition and the closed mask are put back.
int create_host_thread(pthread_t* handle, const pthread_attr_t* attributes, void* (*body)(void*), Start& start) {
  if (!first_host_thread.exchange(false)) return pthread_create(handle, attributes, body, &start);
  constexpr u64 setxid_signal = 33;
  SignalAction action;
  std::lock_guard lock(start.parent.actions->mutex);  // the new thread's own sigaction comes after this
  raw_syscall(SYS_rt_sigaction, setxid_signal, 0, reinterpret_cast<u64>(&action), 8);
  int error = pthread_create(handle, attributes, body, &start);
  raw_syscall(SYS_rt_sigaction, setxid_signal, reinterpret_cast<u64>(&action), 0, 8);
  block_all_signals();
  return error;
}

// Called with every signal blocked, and the host thread is born so.
Result<i64> start_host_thread(void* (*body)(void*), Start& start) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, host_stack_size);
  pthread_t handle;
  int error = create_host_thread(&handle, &attributes, body, start);
  pthread_attr_destroy(&attributes);
  if (error != 0) return fail(EAGAIN);
  futex_wait(start.result, 0);
  return from_raw(start.result.load());
}

std::unique_ptr<Thread> make_child(const Thread& parent) {
  std::unique_ptr<Thread> child(new (std::nothrow) Thread);
  if (!child) return child;
  child->process = parent.process;
  child->actions = parent.actions;
  child->signals.mask = parent.signals.mask;
  child->signals.stack = parent.signals.stack;
  return child;
}

void write_parent_tid(const CloneRequest& request, i32 tid) {
  if (request.flags & CLONE_PARENT_SETTID) (void)write(GuestPtr<i32>{GuestAddr{request.parent_tid}}, tid);
}

void* thread_body(void* argument) {
  Start& start = *static_cast<Start*>(argument);
  block_all_signals();
  std::unique_ptr<Thread> thread = std::move(start.child);
  // A host thread shares everything; what the guest wanted apart is taken apart here.
  if (u64 apart = ~start.request.flags & (CLONE_FS | CLONE_FILES)) raw_syscall(SYS_unshare, apart);
  attach_thread(*thread);
  copy_guest_state(thread->cpu, start.parent.cpu);
  begin_child(*thread, start.request);
  write_parent_tid(start.request, thread->tid);
  futex_set(start.result, thread->tid);
  unblock_signals(*thread);
  thread->run();
  end_thread(*thread);
  return nullptr;
}

struct MemorySharer {
  Thread& thread;
  const CloneRequest& request;
  std::atomic<i32>* result;  // where the pid is awaited while this process's creator is held; null for vfork
};

// The child process's first function, on its own stack with its creator's thread-local storage.
int memory_sharer_body(void* argument) {
  const MemorySharer& sharer = *static_cast<MemorySharer*>(argument);
  Thread& thread = sharer.thread;
  block_all_signals();  // all but the five
  thread.tid = static_cast<i32>(raw_syscall(SYS_gettid));
  thread.signals.deferred = 0;
  begin_child(thread, sharer.request);
  write_parent_tid(sharer.request, thread.tid);
  if (sharer.result != nullptr) futex_set(*sharer.result, thread.tid);
  unblock_signals(thread);
  thread.run();
  raw_syscall(SYS_exit, static_cast<u64>(thread.exit_status));
  __builtin_unreachable();
}

// Holds the calling host thread until the child execs or exits. Called with every signal blocked; returns with the five blocked
// too, so that what comes for the parent meanwhile does not find the child's state in its Thread.
// The child shares ferry's locks, too. Killed by SIGKILL in the microseconds that it holds one (translating, mapping, allocating)
// it leaves the parent stuck there: what the lock guards may be half changed, so that nobody could take the lock over.
i64 host_vfork(MemorySharer& sharer) {
  void* stack =
      mmap(nullptr, host_stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) return -ENOMEM;
  const CloneRequest& request = sharer.request;
  constexpr u64 passed_on = CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PARENT | CLONE_PIDFD | CLONE_IO |
                            CLONE_SYSVSEM | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                            CLONE_NEWNET | CLONE_NEWCGROUP;
  u64 flags = (request.flags & passed_on) | CLONE_VM | CLONE_VFORK | request.exit_signal;
  u64 every = ~u64{0};
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&every), 0, sizeof every);
  int pid = clone(memory_sharer_body, static_cast<u8*>(stack) + host_stack_size, static_cast<int>(flags), &sharer,
                  reinterpret_cast<void*>(request.pidfd), nullptr, nullptr);
  i64 result = pid < 0 ? -errno : pid;
  munmap(stack, host_stack_size);
  return result;
}

// Dispositions of a child that does not share them (no CLONE_SIGHAND); null when it does or there is no memory.
std::unique_ptr<SignalActions> copy_actions(SignalActions& from) {
  std::unique_ptr<SignalActions> copy(new (std::nothrow) SignalActions);
  if (!copy) return copy;
  std::lock_guard lock(from.mutex);
  copy->known = from.known;
  __builtin_memcpy(copy->actions, from.actions, sizeof copy->actions);
  return copy;
}

// The parent's state while a vfork child borrows its Thread.
struct SavedThread {
  translator::Cpu cpu;
  ThreadSignals signals;
  SignalActions* actions;
  i32 tid;
  u64 clear_child_tid, robust_list;

  explicit SavedThread(const Thread& thread)
      : signals(thread.signals),
        actions(thread.actions),
        tid(thread.tid),
        clear_child_tid(thread.clear_child_tid),
        robust_list(thread.robust_list) {
    copy_guest_state(cpu, thread.cpu);
  }
  void restore(Thread& thread) const {
    copy_guest_state(thread.cpu, cpu);
    thread.signals = signals;
    thread.actions = actions;
    thread.tid = tid;
    thread.clear_child_tid = clear_child_tid;
    thread.robust_list = robust_list;
    thread.exiting = false;
    thread.keep_registers = false;
  }
};

void* donor_body(void* argument) {
  Start& start = *static_cast<Start*>(argument);
  // Everything the child needs after the creator goes on is here, not in `start`.
  block_all_signals();
  std::unique_ptr<Thread> thread = std::move(start.child);
  CloneRequest request = start.request;
  std::atomic<i32>* result = &start.result;
  std::unique_ptr<SignalActions> actions;
  if (!(request.flags & CLONE_SIGHAND)) {
    actions = copy_actions(*thread->actions);
    if (!actions) return futex_set(*result, -EAGAIN), nullptr;
    thread->actions = actions.get();
  }
  attach_thread(*thread);
  copy_guest_state(thread->cpu, start.parent.cpu);
  MemorySharer sharer{*thread, request, result};
  i64 pid = host_vfork(sharer);
  block_all_signals();
  if (pid < 0) futex_set(*result, static_cast<i32>(pid));
  free_exec_request(*thread);
  detach_thread(*thread);
  return nullptr;
}

}  // namespace

void forget_host_threads() { first_host_thread = true; }

Result<i64> create_thread(Thread& thread, const CloneRequest& request) {
  Start start{thread, request, make_child(thread)};
  if (!start.child) return fail(EAGAIN);
  TRY_VOID(block_signals(thread));
  if (strace_enabled) strace_several_tasks();
  Result<i64> tid = start_host_thread(thread_body, start);
  unblock_signals(thread);
  return tid;
}

Result<i64> create_vfork_child(Thread& thread, const CloneRequest& request) {
  TRY_VOID(block_signals(thread));
  SavedThread saved(thread);
  std::unique_ptr<SignalActions> actions;
  if (!(request.flags & CLONE_SIGHAND)) {
    actions = copy_actions(*thread.actions);
    if (!actions) return unblock_signals(thread), fail(ENOMEM);
    thread.actions = actions.get();
  }
  if (strace_enabled) strace_several_tasks();
  MemorySharer sharer{thread, request, nullptr};
  i64 pid = host_vfork(sharer);
  saved.restore(thread);
  translator::after_lending(thread.cpu);
  free_exec_request(thread);
  unblock_signals(thread);
  return from_raw(pid);
}

Result<i64> create_process_sharing_memory(Thread& thread, const CloneRequest& request) {
  Start start{thread, request, make_child(thread)};
  if (!start.child) return fail(EAGAIN);
  TRY_VOID(block_signals(thread));
  if (strace_enabled) strace_several_tasks();
  Result<i64> pid = start_host_thread(donor_body, start);
  unblock_signals(thread);
  return pid;
}

void end_thread(Thread& thread) {
  block_all_signals();
  walk_robust_list(thread);
  if (thread.clear_child_tid != 0) {
    (void)write(GuestPtr<i32>{GuestAddr{thread.clear_child_tid}}, i32{0});
    raw_syscall(SYS_futex, thread.clear_child_tid, FUTEX_WAKE, 1);
  }
  detach_thread(thread);
}

}  // namespace ferry::syscalls
