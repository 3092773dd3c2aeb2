// Path resolution below a directory without openat2(2): component by component, as fs/namei.c does it.
// For kernels before 5.6, for seccomp filters that refuse openat2, without /proc, and when descriptors have run out.
#pragma once
#include "sysroots/resolve.h"

namespace ferry::sysroots {

// One of the directories that are the host's own in every sysroot: /proc, /dev, /sys, /tmp, /run. Of a normal form, from its "/".
bool is_host_directory(std::string_view path);

// Resolves `path` below `root` (a host path; `root_descriptor` is its directory). On success `buffer` has the host path: below
// `root`, or what an always-host directory leads to. False: does not exist there. The errors of resolve().
Result<bool> walk(std::string_view root, int root_descriptor, const char* path, LastLink last, PathBuffer& buffer);

}  // namespace ferry::sysroots
