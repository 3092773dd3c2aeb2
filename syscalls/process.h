// Threads and processes come and go here: clone, clone3, exit, execve, wait. The system calls are declared in handlers.h.
#pragma once
#include "syscalls/thread.h"

namespace ferry::syscalls {

// Before the guest changes its root (chroot, pivot_root, mount namespaces): keeps a descriptor of ferry's own file, so that
// execve of foreign programs goes on working where neither ferry nor /proc can be seen.
void keep_own_executable();

}  // namespace ferry::syscalls
