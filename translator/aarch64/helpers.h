// Functions that stencils and regions call out of line (semantic::call_out): what is rare or too large to paste.
// extern "C" so that a stencil can name them; defined in helpers.cpp, never inlined, no locks, no allocation.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"

extern "C" {
// IC IVAU: drops translations of the cache line at `address`. Ends up in translator::invalidate().
void ferry_a64_ic_ivau(ferry::u64 address);
}
