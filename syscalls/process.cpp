// clone and clone3 as the guest calls them, fork, exit and wait. kernel/fork.c, kernel/exit.c.
#include "syscalls/process.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "guest/memory.h"
#include "syscalls/exec.h"
#include "syscalls/handlers.h"
#include "syscalls/memory.h"
#include "syscalls/strace.h"
#include "translator/optimizer/launch.h"

namespace ferry::syscalls {

namespace {

constexpr u64 clear_sighand = u64{1} << 32;  // CLONE_CLEAR_SIGHAND
constexpr u64 into_cgroup = u64{1} << 33;    // CLONE_INTO_CGROUP
constexpr u64 clone_detached = 0x00400000;
// What ferry does itself in the child, instead of the host's kernel to ferry's own thread.
constexpr u64 done_by_ferry =
    CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | clear_sighand;

// copy_process(): the combinations that make no sense.
Result<void> check_flags(u64 flags) {
  auto both = [flags](u64 a, u64 b) { return (flags & a) && (flags & b); };
  if (both(CLONE_NEWNS, CLONE_FS) || both(CLONE_NEWUSER, CLONE_FS)) return fail(EINVAL);
  if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return fail(EINVAL);
  if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return fail(EINVAL);
  if (both(CLONE_THREAD, CLONE_NEWUSER | CLONE_NEWPID)) return fail(EINVAL);
  if (both(CLONE_PIDFD, CLONE_THREAD | clone_detached)) return fail(EINVAL);
  if (both(CLONE_SIGHAND, clear_sighand)) return fail(EINVAL);
  return {};
}

// A child made by the host's kernel. The C library's fork() makes its own locks whole in the child; only what it cannot
// express goes to the kernel directly.
i64 host_fork(const CloneRequest& request) {
  u64 flags = request.flags & ~done_by_ferry;
  if (request.set_tid_size != 0 || (flags & into_cgroup)) {
    CloneArguments arguments{
        flags,         request.pidfd, 0, 0, request.exit_signal, 0, 0, 0, request.set_tid, request.set_tid_size,
        request.cgroup};
    return raw_syscall(SYS_clone3, reinterpret_cast<u64>(&arguments), sizeof arguments);
  }
  if (flags != 0 || request.exit_signal != SIGCHLD)
    return raw_syscall(SYS_clone, flags | request.exit_signal, 0, request.pidfd, 0, 0);
  pid_t pid = fork();
  return pid < 0 ? -errno : pid;
}

Result<i64> fork_process(Thread& thread, const CloneRequest& request) {
  // Blocked, so that a signal already taken for the parent is not delivered in both.
  TRY_VOID(block_signals(thread));
  lock_memory_for_fork();
  thread.actions->mutex.lock();
  translator::before_fork(thread.cpu);
  i64 pid = host_fork(request);
  if (pid == 0)
    translator::after_fork_in_child(thread.cpu);
  else
    translator::after_fork_in_parent(thread.cpu);
  thread.actions->mutex.unlock();
  unlock_memory_after_fork();
  if (pid == 0) {
    thread.tid = static_cast<i32>(raw_syscall(SYS_gettid));
    thread.signals.deferred = 0;
    forget_host_threads();
    begin_child(thread, request);
    strace_several_tasks();
  } else if (pid > 0 && (request.flags & CLONE_PARENT_SETTID)) {
    (void)write(GuestPtr<i32>{GuestAddr{request.parent_tid}}, static_cast<i32>(pid));
  }
  if (pid > 0) strace_several_tasks();
  unblock_signals(thread);
  return from_raw(pid);
}

Result<i64> clone_any(Thread& thread, const CloneRequest& request) {
  TRY_VOID(check_flags(request.flags));
  if (request.flags & CLONE_THREAD) return create_thread(thread, request);
  if ((request.flags & CLONE_VM) && (request.flags & CLONE_VFORK)) return create_vfork_child(thread, request);
  if (request.flags & CLONE_VM) return create_process_sharing_memory(thread, request);
  return fork_process(thread, request);
}

u64 argument(i32 value) { return static_cast<u64>(i64{value}); }

}  // namespace

void begin_child(Thread& child, const CloneRequest& request) {
  child.cpu.x[0] = 0;
  if (request.stack != 0) child.cpu.sp = request.stack;
  if (request.flags & CLONE_SETTLS) child.cpu.tpidr_el0 = request.tls;
  child.cpu.exclusive_address = ~u64{0};
  child.clear_child_tid = request.flags & CLONE_CHILD_CLEARTID ? request.child_tid : 0;
  child.robust_list = 0;
  child.keep_registers = true;
  // The kernel ignores failures of these writes too.
  if (request.flags & CLONE_CHILD_SETTID) (void)write(GuestPtr<i32>{GuestAddr{request.child_tid}}, child.tid);
  if ((request.flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) child.signals.stack = {0, SS_DISABLE, 0, 0};
  if (request.flags & clear_sighand) {
    std::lock_guard lock(child.actions->mutex);
    reset_signal_handlers(*child.actions);
  }
}

Result<i64> sys_clone(Thread& thread, CloneFlags flags, Addr stack, Out<Integer32> parent_tid, Addr tls,
                      Out<Integer32> child_tid) {
  CloneRequest request;
  request.flags = flags.value & 0xffffff00;
  request.exit_signal = flags.value & 0xff;
  request.stack = raw(stack.value);
  request.parent_tid = request.pidfd = raw(parent_tid.value.address);
  request.child_tid = raw(child_tid.value.address);
  request.tls = raw(tls.value);
  if ((request.flags & CLONE_PIDFD) && (request.flags & CLONE_PARENT_SETTID)) return fail(EINVAL);
  return clone_any(thread, request);
}

// copy_clone_args_from_user() and clone3_args_valid().
Result<i64> sys_clone3(Thread& thread, In<CloneArguments> arguments, Size size) {
  constexpr u64 first_version = 64;
  if (size.value > 4096) return fail(E2BIG);
  if (size.value < first_version) return fail(EINVAL);
  u8 bytes[4096] = {};
  TRY_VOID(copy_from_guest(bytes, arguments.value.address, size.value));
  CloneArguments given;
  memcpy(&given, bytes, sizeof given);
  for (u64 i = sizeof given; i < size.value; i++)
    if (bytes[i] != 0) return fail(E2BIG);
  if (given.set_tid_size > 32 || (given.set_tid == 0) != (given.set_tid_size == 0)) return fail(EINVAL);
  if ((given.exit_signal & ~u64{0xff}) || given.exit_signal > 64) return fail(EINVAL);
  if (given.flags & ~(u64{0xffffffff} | clear_sighand | into_cgroup)) return fail(EINVAL);
  if (given.flags & (clone_detached | 0x7f)) return fail(EINVAL);  // 0x80 is CLONE_NEWTIME
  if ((given.flags & (CLONE_THREAD | CLONE_PARENT)) && given.exit_signal != 0) return fail(EINVAL);
  if ((given.stack == 0) != (given.stack_size == 0)) return fail(EINVAL);
  if ((given.flags & CLONE_VM) && (given.set_tid_size != 0 || (given.flags & into_cgroup))) return fail(EINVAL);
  CloneRequest request{given.flags,      given.pidfd,       given.child_tid,
                       given.parent_tid, given.exit_signal, given.stack + given.stack_size,
                       given.tls,        given.set_tid,     given.set_tid_size,
                       given.cgroup};
  return clone_any(thread, request);
}

Result<i64> sys_exit(Thread& thread, Int status) {
  thread.exiting = true;
  thread.exit_status = status.value & 0xff;
  thread.keep_registers = true;
  return 0;
}

Result<i64> sys_exit_group(Thread&, Int status) {
  if (before_exit_group != nullptr) before_exit_group();
  raw_syscall(SYS_exit_group, argument(status.value));
  __builtin_unreachable();
}

Result<i64> sys_wait4(Thread&, Int pid, Out<WaitStatus> status, Flags<wait_flags> flags, Out<Rusage> usage) {
  i64 found;
  do {
    found =
        host_syscall(SYS_wait4, argument(pid.value), raw(status.value.address), flags.value, raw(usage.value.address));
  } while (found > 0 && optimizer::was_go_between(static_cast<int>(found)));
  return from_raw(found);
}

Result<i64> sys_waitid(Thread&, Enum<wait_id_types> type, Int id, Out<Siginfo> info, Flags<wait_flags> flags,
                       Out<Rusage> usage) {
  constexpr u64 pid_offset = 16;  // of si_pid
  for (;;) {
    i64 result = host_syscall(SYS_waitid, argument(type.value), argument(id.value), raw(info.value.address),
                              flags.value, raw(usage.value.address));
    if (result != 0 || !(flags.value & (__WALL | __WCLONE)) || raw(info.value.address) == 0) return from_raw(result);
    i32 found = TRY(read(GuestPtr<i32>{info.value.address + pid_offset}));
    if (!optimizer::was_go_between(found)) return result;
  }
}

Result<i64> sys_set_tid_address(Thread& thread, Addr address) {
  thread.clear_child_tid = raw(address.value);
  return thread.tid;
}

}  // namespace ferry::syscalls
