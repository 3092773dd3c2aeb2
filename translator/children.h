// What forked children translate and link, told to the parent. A program that forks often, such as a shell, has children that all run the
// same code for a moment, which the parent itself never comes to. It translates that code once when it forks again, so that the
// children after that find it there, in pages that they share with it.
// The notes are hints: the parent translates from its own memory only, and checks what it is told. All under the translation lock.
#pragma once
#include "translator/cache/generation.h"

namespace ferry::translator {

// In the child: it has translated the block at pc, made `edge` go to it, come by it while it waits for a region of the store
// (Generation::waiting), or put the region in its place.
void tell_translated(u64 pc);
void tell_linked(const cache::Generation& generation, const cache::Edge& edge);
void tell_visited(u64 pc);
void tell_worth_a_region(u64 pc);

// Before a fork in the parent: does what its children had to do since the last, and makes ready for the next one's notes.
void learn_from_children(cache::Generation& generation);

// In the child: from now on it tells its parent.
void begin_telling(const cache::Generation& generation);

}  // namespace ferry::translator
