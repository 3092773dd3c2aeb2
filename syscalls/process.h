// Threads and processes come and go here: clone, clone3, exit, execve, set_tid_address, robust lists.
// Handlers have the guest's argument order of AArch64 (clone: flags, stack, parent_tid, tls, child_tid). man 2 clone, execve.
#pragma once
#include "syscalls/thread.h"

namespace ferry {

Result<i64> sys_clone(Thread&, u64 flags, u64 stack, u64 parent_tid, u64 tls, u64 child_tid);
Result<i64> sys_clone3(Thread&, GuestAddr arguments, u64 size);
Result<i64> sys_execve(Thread&, GuestAddr path, GuestAddr argv, GuestAddr envp);
Result<i64> sys_execveat(Thread&, int directory, GuestAddr path, GuestAddr argv, GuestAddr envp, int flags);
Result<i64> sys_exit(Thread&, int status);
Result<i64> sys_exit_group(Thread&, int status);
Result<i64> sys_set_tid_address(Thread&, u64 address);
Result<i64> sys_set_robust_list(Thread&, u64 head, u64 size);

// wait4, waitid, futex, get_robust_list, getpid, gettid, setpgid ...: forwarded as they are.

}  // namespace ferry
