// The baseline: translates one block by pasting the stencils of its instructions. Called under the translation lock.
#pragma once
#include <span>

#include "translator/cache/generation.h"

namespace ferry::baseline {

struct Translation {
  u64 code = 0;  // run address of the entry; 0: the first word cannot be read (a fetch fault)
  u32 instructions = 0;
};

// Looks for better code for the block at pc, which begins with these words; 0 when there is none.
using FindBetter = u64 (*)(cache::Generation& generation, u64 pc, std::span<const u32> words);

// Translates the block at pc into the generation, which has room, and enters it into the map. With better code there is nothing to
// translate.
Translation translate(cache::Generation& generation, GuestAddr pc, FindBetter find_better);

// Makes an edge go to `code` from now on. `alone`: no other thread runs translated code, so that the branch itself may be repointed.
void link(cache::Generation& generation, const cache::Edge& edge, u64 code, bool alone);

}  // namespace ferry::baseline
