#include "sysroots/resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "sysroots/walk.h"

namespace ferry::sysroots {

namespace {

std::string root;
std::atomic<int> root_descriptor = -1;
std::atomic<bool> active = false;
std::atomic<bool> no_openat2 = false;

// "/proc/..." without a ".." that might lead out again.
bool is_plainly_the_host(std::string_view path) {
  while (path.starts_with("//")) path.remove_prefix(1);
  return is_host_directory(path) && path.find("..") == path.npos;
}

// A descriptor of what `path` means in the sysroot, or a negated errno.
int open_in_root(const char* path, LastLink last) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | (last == LastLink::keep ? O_NOFOLLOW : 0);
  how.resolve = RESOLVE_IN_ROOT;
  long fd = syscall(SYS_openat2, root_descriptor.load(std::memory_order_relaxed), path, &how, sizeof how);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

bool is_in_root(std::string_view path) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

// The host path of an open descriptor, from /proc; 0 when it cannot be told or lies outside the sysroot.
size_t path_of(int fd, PathBuffer& buffer) {
  char name[32] = "/proc/self/fd/";
  char* end = name + strlen(name);
  char digits[12];
  int count = 0;
  for (unsigned value = static_cast<unsigned>(fd); value != 0 || count == 0; value /= 10)
    digits[count++] = static_cast<char>('0' + value % 10);
  while (count > 0) *end++ = digits[--count];
  *end = 0;
  ssize_t size = readlink(name, buffer, sizeof buffer);
  if (size < 0 || size >= static_cast<ssize_t>(sizeof buffer) - 1) return 0;
  std::string_view found{buffer, static_cast<size_t>(size)};
  return is_in_root(found) ? found.size() : 0;
}

size_t path_of_working_directory(PathBuffer& buffer) {
  long size = syscall(SYS_getcwd, buffer, sizeof buffer);  // with its final zero
  return size > 1 && is_in_root({buffer, static_cast<size_t>(size - 1)}) ? static_cast<size_t>(size - 1) : 0;
}

Result<const char*> resolve_by_walk(const char* path, LastLink last, PathBuffer& buffer) {
  bool found = TRY(walk(root, root_descriptor.load(std::memory_order_relaxed), path, last, buffer));
  return found ? buffer : path;
}

// A trailing slash is kept, for the calls that tell "dir" from "dir/" (mkdir, unlink, rename); a link of the sysroot that leads
// into an always-host directory means the host's.
const char* finish(const char* path, size_t size, PathBuffer& buffer) {
  size_t length = strlen(path);
  if (path[length - 1] == '/' && size > root.size()) buffer[size++] = '/';
  buffer[size] = 0;
  const char* inside = buffer + root.size();
  return is_host_directory(inside) ? inside : buffer;
}

// rmdir and rename refuse ".", whatever its name is otherwise.
bool ends_in_dot(std::string_view path) { return path == "." || path.ends_with("/."); }

// A name in a directory where the kernel finds what it means without help: the usual case of walking through a tree.
bool is_plainly_there(int directory, const char* name, LastLink last) {
  if (strchr(name, '/') != nullptr || strcmp(name, "..") == 0) return false;
  char absolute[16] = "/";
  if (is_host_directory(strncat(absolute, name, sizeof absolute - 2))) return false;  // if `directory` is the root
  struct stat status;
  return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         (last == LastLink::keep || !S_ISLNK(status.st_mode));
}

}  // namespace

Result<void> set_sysroot(const std::string& directory) {
  if (directory.empty()) return {};
  PathBuffer absolute;
  if (realpath(directory.c_str(), absolute) == nullptr) return fail(errno);
  int fd = open(absolute, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(errno);
  root = absolute;
  // The host's own root is no sysroot: every path is there already.
  if (root == "/") {
    root.clear();
    close(fd);
    return {};
  }
  // Out of the way of the guest, which expects the lowest free numbers.
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
  if (high >= 0) close(fd);
  root_descriptor = high >= 0 ? high : fd;
  active = true;
  return {};
}

const std::string& sysroot() { return root; }
int sysroot_descriptor() { return root_descriptor; }
void leave_sysroot() { active = false; }

Result<const char*> resolve(const char* path, LastLink last, PathBuffer& buffer) {
  if (path[0] != '/' || !active.load(std::memory_order_relaxed) || is_plainly_the_host(path)) return path;
  if (no_openat2.load(std::memory_order_relaxed)) return resolve_by_walk(path, last, buffer);
  int fd = open_in_root(path, last);
  if (fd >= 0) {
    size_t size = path_of(fd, buffer);
    close(fd);
    return size != 0 ? Result<const char*>{finish(path, size, buffer)} : resolve_by_walk(path, last, buffer);
  }
  switch (-fd) {
    case ENOENT:
    case ENOTDIR:
      return path;
    case ELOOP:
    case EACCES:
    case ENAMETOOLONG:
      return fail(-fd);
    case ENOSYS:
    case EPERM:
      no_openat2 = true;
      [[fallthrough]];
    default:  // EAGAIN: ".." met a rename; EMFILE, ENFILE
      return resolve_by_walk(path, last, buffer);
  }
}

Result<const char*> resolve_at(int directory, const char* path, LastLink last, PathBuffer& buffer) {
  if (path[0] == '/' || path[0] == 0 || !active.load(std::memory_order_relaxed)) return resolve(path, last, buffer);
  if (is_plainly_there(directory, path, last)) return path;
  PathBuffer joined;
  size_t size = directory == AT_FDCWD ? path_of_working_directory(joined) : path_of(directory, joined);
  size_t length = strlen(path);
  if (size == 0 || ends_in_dot(path) || size + 1 + length >= sizeof joined) return path;
  joined[size] = '/';
  memcpy(joined + size + 1, path, length + 1);
  const char* guest = joined + root.size();
  Result<const char*> found = resolve(guest, last, buffer);
  if (!found) return path;
  // The file the kernel would find itself: then it gets the guest's own bytes, and its own errors come back.
  if (*found != guest) return strcmp(*found, joined) == 0 ? path : *found;
  int flags = last == LastLink::keep ? AT_SYMLINK_NOFOLLOW : 0;
  if (!is_plainly_the_host(guest) && faccessat(AT_FDCWD, guest, F_OK, flags) != 0) return path;
  return strcpy(buffer, guest);
}

std::string_view guest_view(std::string_view path) {
  if (root.empty() || !path.starts_with(root)) return path;
  path.remove_prefix(root.size());
  if (path.empty()) return "/";
  return path[0] == '/' ? path : std::string_view{path.data() - root.size(), path.size() + root.size()};
}

}  // namespace ferry::sysroots
