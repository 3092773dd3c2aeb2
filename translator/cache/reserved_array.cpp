#include "translator/cache/reserved_array.h"

#include <sys/mman.h>

#include "guest/check.h"

namespace ferry::cache {

void* reserve_memory(size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fatal("cannot reserve the translator's tables", "raise the address space limit (ulimit -v)");
  return p;
}

void release_memory(void* memory, size_t size) { munmap(memory, size); }

}  // namespace ferry::cache
