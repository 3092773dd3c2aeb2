// Unpacks .deb files into a tree without dpkg's database being the host's, without root, and without running anything of them.
// Their maintainer scripts do not run; what programs need of what the scripts do is done here:
//   - /bin, /sbin, /lib as links into /usr (merged /usr, as debootstrap makes them) before anything is unpacked;
//   - alternatives (awk, editor, ...) that a postinst installs with literal words; those made in loops with variables are not;
//   - /etc/passwd and /etc/group of base-passwd, /etc/nsswitch.conf of libc-bin, /etc/profile of base-files;
//   - /bin/sh when no package brings it; the bundle of certificates of ca-certificates;
//   - dpkg's status file, so that more packages can be added later and `dpkg -l` works inside.
// Not done: ld.so.cache (the dynamic linker's own directories are enough), users and groups of services, initramfs and the like.
// Files belong to whoever makes the sysroot, and are not set-user-ID: nothing in a sysroot runs with rights of its own.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "sysroots/apt.h"

namespace ferry::sysroots {

// An alternative as update-alternatives --install takes it.
struct Alternative {
  std::string link, name, path;
  int priority;
};
// Those that a maintainer script installs with words that are literal.
std::vector<Alternative> parse_alternatives(std::string_view script);

// A new tree: directories and links that packages expect. `tree` is an empty directory.
std::expected<void, Failure> lay_out(const std::string& tree, const std::string& architecture);

// `debs` into `tree`; the status file gets an entry each. Controls are kept in tree/var/lib/dpkg.
std::expected<void, Failure> unpack(const std::string& tree, const std::vector<std::string>& debs,
                                    const Report& report);

}  // namespace ferry::sysroots
