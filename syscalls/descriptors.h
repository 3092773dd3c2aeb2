// ferry's own file descriptors (log, trace, code memory) share the descriptor table with the guest. They are kept at high
// numbers and are not there for the guest: EBADF to use one, and close_range passes over them.
#pragma once

namespace ferry::syscalls {

// Moves `fd` to a high number with FD_CLOEXEC as given, closes the old one, and protects the new one. -1 with errno on failure.
int take_descriptor(int fd, bool close_on_exec = true);
// Protects a descriptor where it is; at most 16 in all.
void protect_descriptor(int fd);
void unprotect_descriptor(int fd);
bool is_protected_descriptor(long fd);
// The lowest protected descriptor in [begin, end), or `end`.
unsigned long next_protected_descriptor(unsigned long begin, unsigned long end);

}  // namespace ferry::syscalls
