// Threads and processes come and go here: clone, clone3, exit, wait, execve. The system calls are declared in handlers.h.
// clone has three forms on the host (kernel/fork.c; man 2 clone):
//  - CLONE_THREAD: a host thread made by pthread_create, because ferry itself is a C++ program with thread-local state;
//  - CLONE_VM without CLONE_THREAD (vfork, posix_spawn): a real process in the same memory. It runs on a stack of its own with the
//    thread-local storage of the host thread that made it, which the kernel holds until the child execs or exits;
//  - the rest: fork.
#pragma once
#include "syscalls/thread.h"

namespace ferry::syscalls {

// clone and clone3 in one form (struct clone_args).
struct CloneRequest {
  u64 flags = 0;  // CLONE_*, without the signal
  u64 pidfd = 0, child_tid = 0, parent_tid = 0;
  u64 exit_signal = 0;
  u64 stack = 0;  // the child's sp; 0: the parent's
  u64 tls = 0;
  u64 set_tid = 0, set_tid_size = 0, cgroup = 0;
};

// thread_create.cpp, called with the request checked.
Result<i64> create_thread(Thread& thread, const CloneRequest& request);
Result<i64> create_vfork_child(Thread& thread, const CloneRequest& request);
Result<i64> create_process_sharing_memory(Thread& thread, const CloneRequest& request);

void forget_host_threads();  // in a fork's child

// What of a request the child sees: registers, tids, signal state. On the child, before it runs guest code.
void begin_child(Thread& child, const CloneRequest& request);

// What the kernel does for a thread that ends, on that thread: robust list, cleared tid and its waiter, detach.
void end_thread(Thread& thread);
// Walks the guest's robust list as the kernel does at exit (exit_robust_list in kernel/futex/core.c).
void walk_robust_list(Thread& thread);

// Frees what an execve of the thread allocated (exec.cpp).
void free_exec_request(Thread& thread);

// Before the guest changes its root (chroot, pivot_root, mount namespaces): keeps a descriptor of ferry's own file, so that
// execve of foreign programs goes on working where neither ferry nor /proc can be seen.
void keep_own_executable();

}  // namespace ferry::syscalls
