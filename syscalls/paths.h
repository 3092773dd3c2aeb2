// From a guest's path argument to the path the host's kernel gets: absolute paths that exist in the sysroot go there, and
// /proc/self/exe means the guest's program. Without a sysroot the guest's own bytes go to the kernel.
#pragma once
#include <climits>

#include "guest/result.h"

namespace ferry::syscalls {

struct PathBuffer {
  char text[PATH_MAX];
};

// The argument for the host's kernel: the guest's own address, or the address of `buffer`. `directory` is AT_FDCWD or the
// descriptor a relative path starts from; `follow_last`: a symbolic link as the last component will be followed.
// EFAULT, ENAMETOOLONG; a path that does not exist is no error here.
Result<u64> host_path(int directory, GuestAddr path, bool follow_last, PathBuffer& buffer);
// The same for a path already read.
Result<const char*> host_path(int directory, const char* path, bool follow_last, PathBuffer& buffer);

// Reads a path argument into a fixed buffer: EFAULT, ENAMETOOLONG, and ENOENT when it is empty.
Result<void> read_path(GuestAddr path, PathBuffer& buffer);

}  // namespace ferry::syscalls
