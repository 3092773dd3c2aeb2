// Installing a region: its code is placed in code memory, joined with what is there, and made reachable. Under the translation lock.
#pragma once
#include "translator/cache/executable_ranges.h"
#include "translator/cache/generation.h"
#include "translator/optimizer/region.h"

namespace ferry::optimizer {

// Does guest memory from `base` hold the guest code that the region stands for, where the guest may execute it?
bool matches_guest(const Region& region, u64 base, const cache::ExecutableRanges& executable);

// Whether all its helpers are in this program.
bool helpers_known(const Region& region);

bool has_room(const cache::Generation& generation, const Region& region);

// Places a region for which all of these are true. Its entries take over from blocks that start there; from another region's
// entries only the first does.
void install(cache::Generation& generation, const Region& region, u64 base);

}  // namespace ferry::optimizer
