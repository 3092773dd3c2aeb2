// The baseline: translates one block by pasting the stencils of its instructions. Called under the translation lock.
#pragma once
#include <span>
#include <vector>

#include "translator/cache/generation.h"
#include "translator/optimizer/kept_page.h"

namespace ferry::baseline {

struct Translation {
  u64 code = 0;  // run address of the entry; 0: the first word cannot be read (a fetch fault)
  u32 instructions = 0;
};

// Says of the block at pc, by the words that it begins with, whether it is to wait (Generation::waiting).
using IsToWait = bool (*)(u64 pc, std::span<const u32> words);

// What of translated code depends on where it lies and where the guest's code does (optimizer/kept_page.h); fields are offsets in code
// memory. Without the thunks of edges.
struct Moves {
  std::vector<u32> address_fields, common_fields;
  std::vector<optimizer::KeptHelper> helpers;
  bool impossible = false;  // there is something else that does
};

// Translates the block at pc into the generation, which has room, and enters it into the map or among those that wait. What is to
// change when it is moved is added to `moves`.
Translation translate(cache::Generation& generation, GuestAddr pc, IsToWait is_to_wait, Moves* moves = nullptr);

// Makes an edge go to `code` from now on. `alone`: no other thread runs translated code, so that the branch itself may be repointed.
void link(cache::Generation& generation, const cache::Edge& edge, u64 code, bool alone);

}  // namespace ferry::baseline
