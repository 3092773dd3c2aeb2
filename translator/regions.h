// The translator's optimised tier, seen from inside: putting regions in place and asking for them. Programs get by with translator.h;
// tests use this to run chosen code as a region.
#pragma once
#include "translator/optimizer/region.h"
#include "translator/translator.h"

namespace ferry::translator {

// Puts the region in place for the guest code at `base`. False when memory does not hold its guest code where the guest may execute it,
// or when it needs a helper that this program has not. Any thread.
bool install_region(u64 base, const optimizer::Region& region);

}  // namespace ferry::translator
