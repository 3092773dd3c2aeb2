// Files and descriptors where the host's kernel cannot be asked directly: what tells about ferry instead of the guest, and
// the flag words that differ between the architectures.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "syscalls/forward.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/proc_files.h"
#include "syscalls/process.h"
#include "syscalls/thread.h"
#include "sysroots/resolve.h"

namespace ferry::syscalls {

namespace {

Result<i64> open_path(int directory, const PathBuffer& path, u64 flags, u32 mode) {
  bool handled = false;
  Result<int> proc = open_proc_file(path.text, static_cast<int>(open_flags_to_host(flags)), handled);
  if (handled) return proc ? Result<i64>{*proc} : std::unexpected(proc.error());
  PathBuffer buffer;
  bool follows_last = (flags & guest_abi::open_nofollow) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  const char* host = TRY(host_path(directory, path.text, follows_last, buffer));
  return from_raw(host_syscall(host_number::openat, static_cast<u64>(directory), reinterpret_cast<u64>(host),
                               open_flags_to_host(flags), mode));
}

}  // namespace

Result<i64> sys_openat(Thread&, DirFd directory, PathAt<follow> path, Flags<open_flags> flags, CreateMode<2> mode) {
  if (is_protected_descriptor(directory.value)) return fail(EBADF);
  PathBuffer text;
  TRY_VOID(read_path(path.value, text));
  return open_path(directory.value, text, flags.value, mode.value);
}

Result<i64> sys_openat2(Thread&, DirFd directory, PathAt<follow> path, In<OpenHow> how, Size size) {
  if (is_protected_descriptor(directory.value)) return fail(EBADF);
  if (size.value < sizeof(OpenHow)) return fail(EINVAL);
  // A longer structure of a newer kernel is fine while what is not known is zero.
  for (u64 at = sizeof(OpenHow); at < size.value; at++) {
    if (at >= 4096 || TRY(read(GuestPtr<u8>{how.value.address + at})) != 0) return fail(E2BIG);
  }
  OpenHow host_how = TRY(read(how.value));
  PathBuffer text, buffer;
  TRY_VOID(read_path(path.value, text));
  const char* host = text.text;
  // With RESOLVE_ flags the kernel must see the path as the guest wrote it.
  if (host_how.resolve == 0)
    host = TRY(host_path(directory.value, text.text, (host_how.flags & guest_abi::open_nofollow) == 0, buffer));
  host_how.flags = open_flags_to_host(host_how.flags);
  return from_raw(host_syscall(host_number::openat2, static_cast<u64>(directory.value), reinterpret_cast<u64>(host),
                               reinterpret_cast<u64>(&host_how), sizeof host_how));
}

Result<i64> sys_readlinkat(Thread&, DirFd directory, PathAt<keep> path, OutBuffer target, Size size) {
  if (is_protected_descriptor(directory.value)) return fail(EBADF);
  if (static_cast<i32>(size.value) <= 0) return fail(EINVAL);
  PathBuffer text, buffer;
  TRY_VOID(read_path(path.value, text));
  if (const char* link = proc_link_target(text.text)) {
    u64 length = std::min<u64>(strlen(link), size.value);
    TRY_VOID(copy_to_guest(target.value, link, length));
    return static_cast<i64>(length);
  }
  const char* host = TRY(host_path(directory.value, text.text, false, buffer));
  bool in_proc = strncmp(text.text, "/proc/", 6) == 0;  // such a link names a file by its path on the host
  if (!in_proc) {
    return from_raw(host_syscall(host_number::readlinkat, static_cast<u64>(directory.value),
                                 reinterpret_cast<u64>(host), raw(target.value), size.value));
  }
  ssize_t length = readlinkat(directory.value, host, text.text, sizeof text.text);
  if (length < 0) return fail(errno);
  std::string_view link = sysroots::guest_view({text.text, static_cast<size_t>(length)}).substr(0, size.value);
  TRY_VOID(copy_to_guest(target.value, link.data(), link.size()));
  return static_cast<i64>(link.size());
}

Result<i64> sys_getcwd(Thread&, OutString buffer, Size size) {
  PathBuffer host;
  i64 length = TRY(from_raw(raw_syscall(host_number::getcwd, reinterpret_cast<u64>(host.text), sizeof host.text)));
  std::string_view directory = sysroots::guest_view({host.text, static_cast<size_t>(length - 1)});
  char path[PATH_MAX + 1];
  memcpy(path, directory.data(), directory.size());
  path[directory.size()] = '\0';
  if (directory.size() + 1 > size.value) return fail(ERANGE);
  TRY_VOID(copy_to_guest(buffer.value, path, directory.size() + 1));
  return static_cast<i64>(directory.size() + 1);
}

Result<i64> sys_chroot(Thread&, Path<follow> path) {
  keep_own_executable();
  PathBuffer buffer;
  u64 host = TRY(host_path(AT_FDCWD, path.value, true, buffer));
  i64 done = TRY(from_raw(host_syscall(host_number::chroot, host)));
  sysroots::leave_sysroot();
  return done;
}

Result<i64> sys_pivot_root(Thread&, Path<follow> new_root, Path<follow> put_old) {
  keep_own_executable();
  PathBuffer first, second;
  u64 root = TRY(host_path(AT_FDCWD, new_root.value, true, first));
  u64 old = TRY(host_path(AT_FDCWD, put_old.value, true, second));
  i64 done = TRY(from_raw(host_syscall(host_number::pivot_root, root, old)));
  sysroots::leave_sysroot();
  return done;
}

Result<i64> sys_unshare(Thread&, Flags<clone_flags> flags) {
  keep_own_executable();
  return from_raw(host_syscall(host_number::unshare, flags.value));
}

Result<i64> sys_fcntl(Thread&, Fd fd, Enum<fcntl_commands> command, FcntlArgument argument) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  u64 value = command.value == F_SETFL ? open_flags_to_host(argument.value) : argument.value;
  i64 result = TRY(
      from_raw(host_syscall(host_number::fcntl, static_cast<u64>(fd.value), static_cast<u64>(command.value), value)));
  return command.value == F_GETFL ? static_cast<i64>(open_flags_to_guest(static_cast<u64>(result))) : result;
}

Result<i64> sys_close_range(Thread&, Uint first, Uint last, Flags<close_range_flags> flags) {
  if (first.value > last.value) return fail(EINVAL);
  // ferry's own descriptors stay: the pieces between them are closed.
  u64 begin = first.value;
  i64 result = 0;
  while (begin <= last.value) {
    u64 end = next_protected_descriptor(begin, u64{last.value} + 1);
    if (begin < end) result = TRY(from_raw(host_syscall(host_number::close_range, begin, end - 1, flags.value)));
    begin = end + 1;
  }
  return result;
}

namespace {

// A server's socket that lies in the sysroot is found there; one that is not keeps its name.
struct HostAddress {
  sockaddr_un name{};
  u64 at, size;

  HostAddress(GuestAddr address, u64 length) : at(raw(address)), size(length) {
    constexpr size_t path_at = offsetof(sockaddr_un, sun_path);
    if (size <= path_at + 1 || size > sizeof name || !copy_from_guest(&name, address, size)) return;
    if (name.sun_family != AF_UNIX || name.sun_path[0] != '/') return;
    char path[sizeof name.sun_path + 1] = {};
    memcpy(path, name.sun_path, sizeof name.sun_path);
    PathBuffer buffer;
    Result<const char*> host = host_path(AT_FDCWD, path, true, buffer);
    if (!host || *host == path || strlen(*host) >= sizeof name.sun_path) return;
    strcpy(name.sun_path, *host);
    at = reinterpret_cast<u64>(&name);
    size = path_at + strlen(*host) + 1;
  }
};

}  // namespace

Result<i64> sys_connect(Thread&, Fd fd, InSockaddr<2> address, Int length) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  HostAddress host(address.value, static_cast<u32>(length.value));
  return from_raw(host_syscall(host_number::connect, static_cast<u64>(fd.value), host.at, host.size));
}

Result<i64> sys_sendto(Thread&, Fd fd, InBuffer<2> data, Size size, Flags<message_flags> flags, InSockaddr<5> address,
                       Int length) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  HostAddress host(address.value, static_cast<u32>(length.value));
  return from_raw(host_syscall(host_number::sendto, static_cast<u64>(fd.value), raw(data.value), size.value,
                               flags.value, host.at, host.size));
}

}  // namespace ferry::syscalls
