// Which file of the host a guest's path means: an absolute path that exists in the sysroot is found there, every other is the
// host's own. So programs see the sysroot's libraries and the user's files, with one tree laid over the other.
// Symbolic links are followed as if the sysroot were the root: openat2(2) RESOLVE_IN_ROOT, or component by component without it.
//
// A relative path whose directory (the working directory, or a descriptor's) lies in the sysroot means what the absolute path made
// of both would mean, so that a program that walks down from "/" by openat finds the user's files too; only what is new is made
// in the directory itself. Relative to a directory of the host, a path goes to the kernel as it is.
#pragma once
#include <climits>
#include <string>
#include <string_view>

#include "guest/result.h"

namespace ferry::sysroots {

using PathBuffer = char[PATH_MAX];

enum class LastLink : u8 {
  follow,  // a symbolic link as the last component is followed: open, stat, execve ...
  keep,  // it is meant itself: lstat, readlink, unlink, rename, O_NOFOLLOW, AT_SYMLINK_NOFOLLOW. "link/" is followed all the same
};

// Makes `directory` (on the host; relative to the working directory) the sysroot; empty: none. Once, before guest threads run.
// ENOENT, ENOTDIR, EACCES.
Result<void> set_sysroot(const std::string& directory);
// Its absolute path without links or a final slash; empty: none.
const std::string& sysroot();
// The descriptor of its directory, or -1: high and close-on-exec. Whoever keeps the guest's descriptor table must hide it.
int sysroot_descriptor();
// From now on every path is the host's: after a chroot(2) or pivot_root(2) of the guest. Any thread.
void leave_sysroot();

// The path to give to the host's kernel: `path` itself, or a path in `buffer`. Any thread; no allocation.
// A path that exists nowhere comes back as it is, so a new file is made on the host. /proc, /dev, /sys, /tmp and /run are always
// the host's. Costs one extra host call when the path is not in the sysroot and three short ones when it is.
// ELOOP (more than 40 links), EACCES (a directory of the sysroot), ENAMETOOLONG: the guest's errors.
Result<const char*> resolve(const char* path, LastLink last, PathBuffer& buffer);

// The same for a path relative to `directory`, a descriptor or AT_FDCWD.
Result<const char*> resolve_at(int directory, const char* path, LastLink last, PathBuffer& buffer);

// The other direction, for getcwd, /proc/self/exe, /proc/self/maps: a host path as the guest knows it, without the sysroot before
// it. Returns a tail of `path`, or "/".
std::string_view guest_view(std::string_view path);

}  // namespace ferry::sysroots
