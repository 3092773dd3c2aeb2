// The baseline: translates one block by pasting the stencils of its instructions. Called under the translation lock.
#pragma once
#include <span>

#include "translator/cache/generation.h"

namespace ferry::baseline {

struct Translation {
  u64 code = 0;  // run address of the entry; 0: the first word cannot be read (a fetch fault)
  u32 instructions = 0;
};

// Says of the block at pc, by the words that it begins with, whether it is to wait (Generation::waiting).
using IsToWait = bool (*)(u64 pc, std::span<const u32> words);

// Translates the block at pc into the generation, which has room, and enters it into the map or among those that wait.
Translation translate(cache::Generation& generation, GuestAddr pc, IsToWait is_to_wait);

// Makes an edge go to `code` from now on. `alone`: no other thread runs translated code, so that the branch itself may be repointed.
void link(cache::Generation& generation, const cache::Edge& edge, u64 code, bool alone);

}  // namespace ferry::baseline
