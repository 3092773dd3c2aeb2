#include "translator/perf/map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace ferry::perf {

namespace {

constexpr int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;

int open_own(const std::string& path) {
  int fd = open(path.c_str(), flags | O_NONBLOCK);
  struct stat status;
  if (fd < 0) return -1;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1)
    return fd;
  close(fd);
  return -1;
}

// A process of before with the same number may have left one; another user's cannot be removed, and then this fails.
int make(const std::string& path) {
  unlink(path.c_str());
  return open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
}

}  // namespace

MapFile::MapFile(int process, bool continued, const Keep& keep, Gone gone)
    : path_("/tmp/perf-" + std::to_string(process) + ".map"), fd_(-1), gone_(std::move(gone)) {
  if (continued) fd_ = open_own(path_);
  if (fd_ < 0) fd_ = make(path_);
  if (fd_ >= 0) fd_ = keep(fd_);
}

MapFile::~MapFile() {
  if (fd_ < 0) return;
  gone_(fd_);
  close(fd_);
}

void MapFile::add(u64 address, u64 size, const std::string& name) {
  if (fd_ < 0) return;
  char numbers[64];
  int length = snprintf(numbers, sizeof numbers, "%lx %lx ", address, size);
  std::string line(numbers, static_cast<size_t>(length));
  line += name;
  line += '\n';
  (void)!write(fd_, line.data(), line.size());  // one call: lines stay whole, whatever happens to the process
}

}  // namespace ferry::perf
