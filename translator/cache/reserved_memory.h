// Address space that is committed by touching, in huge pages.
#pragma once
#include "guest/types.h"

namespace ferry::cache {

inline constexpr size_t huge_page_size = 2 << 20;

// Private zeroed memory; null when there is no address space or the host denies the protection (PROT_*). Any thread.
// From a huge page's size on it is of huge pages, where the kernel has them: a program touches a hundred to a few thousand pages here, and
// each costs it a fault, a microsecond, or twenty in a virtual machine with shadow page tables, where to populate them ahead saves but half
// of it. A huge one costs as much as 15 to 20 of those.
void* reserve_memory(size_t size, int protection);
void release_memory(void* memory, size_t size);

}  // namespace ferry::cache
