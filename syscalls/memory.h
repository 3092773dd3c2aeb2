// The guest's address space as a list of the ranges that are the guest's. ferry lives in the same address space, so every
// mapping call of the guest is held to these ranges: what is not the guest's is neither replaced, removed nor re-protected.
#pragma once
#include "guest/result.h"

namespace ferry::syscalls {

// The range has become the guest's, with these PROT_* bits as the guest sees them: for the loader's image, stack and vDSO.
void adopt_mapping(GuestAddr begin, GuestAddr end, int protection);

// Where brk() begins: the end of the image's bss, any alignment. Before the guest runs.
void set_initial_break(GuestAddr address);

// The main thread's stack, adopted already: the one mapping that grows downwards as far as mprotect() is concerned.
void set_stack(GuestAddr begin, GuestAddr end);

// The heap as brk() has made it so far: [begin, end) by pages.
void heap_range(GuestAddr& begin, GuestAddr& end);

// True when the whole range is the guest's.
bool is_guest_range(GuestAddr begin, GuestAddr end);

// Calls back for each range of the guest's in address order: for /proc/self/maps and core dumps.
void for_each_guest_range(void (*visit)(void* context, GuestAddr begin, GuestAddr end, int protection), void* context);

// Around a fork, on the forking thread, so that the child's list is whole and its lock free.
void lock_memory_for_fork();
void unlock_memory_after_fork();  // in parent and child

}  // namespace ferry::syscalls
