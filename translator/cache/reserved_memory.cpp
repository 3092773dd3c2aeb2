#include "translator/cache/reserved_memory.h"

#include <sys/mman.h>

#include <algorithm>

namespace ferry::cache {

namespace {
constexpr size_t small_page = 4096;

u64 up(u64 value, u64 unit) { return (value + unit - 1) / unit * unit; }
}  // namespace

void* reserve_memory(size_t size, int protection, size_t small_part) {
  size = up(size, small_page);
  small_part = std::min(size, small_part);
  // So that a huge page can begin where the small ones end.
  size_t room = size + (small_part < size ? huge_page_size : 0);
  void* p = mmap(nullptr, room, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED || small_part == size) return p == MAP_FAILED ? nullptr : p;
  u64 reserved = reinterpret_cast<u64>(p), begin = up(reserved + small_part, huge_page_size) - small_part;
  auto address = [](u64 value) { return reinterpret_cast<void*>(value); };
  if (begin > reserved) munmap(p, begin - reserved);
  munmap(address(begin + size), reserved + room - (begin + size));
  madvise(address(begin + small_part), size - small_part, MADV_HUGEPAGE);
  return address(begin);
}

void release_memory(void* memory, size_t size) { munmap(memory, size); }

}  // namespace ferry::cache
