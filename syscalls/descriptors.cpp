#include "syscalls/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "guest/check.h"

namespace ferry::syscalls {

namespace {
constexpr int limit = 16;
// Slots hold the descriptor plus one; 0 is free. Written at start-up and when code memory grows, read by every call.
std::atomic<int> slots[limit];
std::atomic<int> used;  // slots in use are below this
}  // namespace

void protect_descriptor(int fd) {
  for (int i = 0; i < limit; i++) {
    int free_slot = 0;
    if (!slots[i].compare_exchange_strong(free_slot, fd + 1)) continue;
    int seen = used.load();
    while (seen < i + 1 && !used.compare_exchange_weak(seen, i + 1)) {}
    return;
  }
  check(!"more than 16 descriptors of ferry's own");
}

void unprotect_descriptor(int fd) {
  for (std::atomic<int>& slot : slots) {
    int expected = fd + 1;
    if (slot.compare_exchange_strong(expected, 0)) return;
  }
}

bool is_protected_descriptor(long fd) {
  if (fd < 0) return false;  // a free slot is no descriptor -1
  int count = used.load(std::memory_order_relaxed);
  for (int i = 0; i < count; i++) {
    if (slots[i].load(std::memory_order_relaxed) == fd + 1) return true;
  }
  return false;
}

unsigned long next_protected_descriptor(unsigned long begin, unsigned long end) {
  unsigned long lowest = end;
  for (const std::atomic<int>& slot : slots) {
    int fd = slot.load() - 1;
    if (fd >= 0 && static_cast<unsigned long>(fd) >= begin && static_cast<unsigned long>(fd) < lowest)
      lowest = static_cast<unsigned long>(fd);
  }
  return lowest;
}

int take_descriptor(int fd, bool close_on_exec) {
  // As high as the limit allows, but not so high that the kernel's table must grow by much for it: programs use the lowest.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  int lowest = files.rlim_cur > 1024 ? 1000 : std::max(3, static_cast<int>(files.rlim_cur) - limit);
  int high = fcntl(fd, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, lowest);
  if (high < 0) return -1;
  close(fd);
  protect_descriptor(high);
  return high;
}

}  // namespace ferry::syscalls
