#include "loader/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace ferry::loader {

File::~File() {
  if (fd_ >= 0) close(fd_);
}

namespace {

// Execute permission with the effective ids, and not on a noexec mount: what execve looks at.
bool executable(int fd) {
  if (faccessat(fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0) return true;
  if (errno != EINVAL) return false;
  char path[32];  // a kernel before 5.8 has no faccessat2
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

}  // namespace

Result<File> File::check_program(int fd) {
  File file;
  file.fd_ = fd;
  struct stat status;
  if (fstat(fd, &status) != 0) return fail(errno);
  if (!S_ISREG(status.st_mode)) return fail(EACCES);
  if (!executable(fd)) return fail(EACCES);
  file.size_ = static_cast<u64>(status.st_size);
  return file;
}

Result<File> File::open_program(const char* path) {
  // O_NONBLOCK: a FIFO given as a program must be refused, not waited for.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fail(errno);
  return check_program(fd);
}

Result<File> File::duplicate_program(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_PATH) != 0) {  // good for execveat, not for reading
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open_program(path);
  }
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail(errno);
  return check_program(copy);
}

Result<size_t> File::read_at(u64 offset, std::span<u8> bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

}  // namespace ferry::loader
