// From a guest's path argument to the path the host's kernel gets: paths that exist in the sysroot go there, and /proc/self/exe means the guest's program. What is not redirected goes to the kernel as the guest's own bytes.
#pragma once
#include <climits>

#include "guest/result.h"

namespace ferry::syscalls {

struct PathBuffer {
  char text[PATH_MAX];
};

// The argument for the host's kernel: the guest's own address, or the address of `buffer`. `follow_last`: a symbolic link as the
// last component will be followed. `directory`: what a relative path begins at, or AT_FDCWD. ELOOP, EACCES; a path that does not
// exist is no error here.
Result<u64> host_path(int directory, GuestAddr path, bool follow_last, PathBuffer& buffer);
// The same for a path already read: `path` itself, or a path in `buffer`.
Result<const char*> host_path(int directory, const char* path, bool follow_last, PathBuffer& buffer);

// Reads a path argument into a fixed buffer: EFAULT, ENAMETOOLONG.
Result<void> read_path(GuestAddr path, PathBuffer& buffer);

}  // namespace ferry::syscalls
