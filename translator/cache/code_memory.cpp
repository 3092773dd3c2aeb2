#include "translator/cache/code_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "guest/check.h"
#include "guest/log.h"
#include "translator/stencil/host.h"

namespace ferry::cache {

namespace {
constexpr size_t commit_step = 16 * 1024;
constexpr size_t page_size = 4096;

u8* map(void* at, size_t size, int protection, int flags, int fd) {
  void* p = mmap(at, size, protection, flags, fd, 0);
  if (p == MAP_FAILED) fatal("cannot map code memory", "raise the address space limit (ulimit -v)");
  return static_cast<u8*>(p);
}

// Above the descriptors that programs count on getting.
int move_out_of_the_way(int fd) {
  int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);
  if (high < 0) return fd;
  close(fd);
  return high;
}
}  // namespace

CodeMemory::CodeMemory(size_t size, bool one_view) : size_(size) {
  if (one_view) {
    map_one_view();
    return;
  }
  int fd = memfd_create("ferry-code", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (fd >= 0) close(fd);
    log(Log::warning, "code memory has one writable and executable view: memfd_create failed");
    map_one_view();
    return;
  }
  write_ = map(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd);
  run_ = map(nullptr, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd);
  close(fd);  // the guest must not come upon it
  if (stencil::rewriting_works(write_, run_base())) return;
  log(Log::memory, "code memory has one writable and executable view: this host runs stale code when there are two");
  unmap();
  map_one_view();
}

CodeMemory::~CodeMemory() { unmap(); }

void CodeMemory::map_one_view() {
  write_ = run_ =
      map(nullptr, size_, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

void CodeMemory::unmap() {
  munmap(write_, size_);
  if (run_ != write_) munmap(run_, size_);
}

void CodeMemory::commit(size_t offset) {
  if (offset < committed_) return;
  size_t step = size_ - committed_ < commit_step ? size_ - committed_ : commit_step;
  // Best effort: older kernels take the faults one by one. The executable view needs none: the kernel maps the pages around
  // a read fault that are in the page cache already (filemap_map_pages).
  madvise(write_ + committed_, step, MADV_POPULATE_WRITE);
  committed_ += step;
}

int CodeMemory::copy_for_child(size_t used) const {
  if (run_ == write_) return -1;  // a private mapping: fork copies it
  int copy = memfd_create("ferry-code", MFD_CLOEXEC);
  if (copy < 0) return -1;
  copy = move_out_of_the_way(copy);
  bool good = ftruncate(copy, static_cast<off_t>(size_)) == 0;
  for (size_t done = 0; good && done < used;) {
    ssize_t n = pwrite(copy, run_ + done, used - done, static_cast<off_t>(done));
    if (n <= 0)
      good = false;
    else
      done += static_cast<size_t>(n);
  }
  if (good) return copy;
  close(copy);
  return -1;
}

bool CodeMemory::adopt_copy(int fd, size_t used) {
  if (run_ == write_) return true;
  if (fd < 0) return false;
  map(write_, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd);
  map(run_, size_, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd);
  close(fd);
  committed_ = (used + page_size - 1) & ~(page_size - 1);
  return true;
}

void CodeMemory::drop_copy(int fd) {
  if (fd >= 0) close(fd);
}

}  // namespace ferry::cache
