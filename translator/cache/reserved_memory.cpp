#include "translator/cache/reserved_memory.h"

#include <sys/mman.h>

namespace ferry::cache {

namespace {
constexpr size_t small_page = 4096;

u64 up(u64 value, u64 unit) { return (value + unit - 1) / unit * unit; }
}  // namespace

void* reserve_memory(size_t size, int protection) {
  size = up(size, small_page);
  size_t slack = size < huge_page_size ? 0 : huge_page_size;
  void* p = mmap(nullptr, size + slack, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED || slack == 0) return p == MAP_FAILED ? nullptr : p;
  u64 reserved = reinterpret_cast<u64>(p), begin = up(reserved, huge_page_size);
  auto address = [](u64 value) { return reinterpret_cast<void*>(value); };
  if (begin > reserved) munmap(p, begin - reserved);
  if (u64 rest = reserved + slack - begin; rest != 0) munmap(address(begin + size), rest);
  madvise(address(begin), size, MADV_HUGEPAGE);
  return address(begin);
}

void release_memory(void* memory, size_t size) { munmap(memory, size); }

}  // namespace ferry::cache
