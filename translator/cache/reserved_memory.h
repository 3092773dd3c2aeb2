// Address space that is committed by touching, most of it in huge pages.
#pragma once
#include "guest/types.h"

namespace ferry::cache {

inline constexpr size_t huge_page_size = 2 << 20;

// Private zeroed memory; null when there is no address space or the host denies the protection (PROT_*). Any thread.
// Behind the first `small_part` bytes it is of huge pages, where the kernel has them: a large program touches thousands of pages here, and
// each costs it a fault, a microsecond, or ten in a virtual machine with shadow page tables, where to populate them ahead costs nearly as
// much. A small program would only be larger for them.
void* reserve_memory(size_t size, int protection, size_t small_part);
void release_memory(void* memory, size_t size);

}  // namespace ferry::cache
