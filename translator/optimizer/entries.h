// The ways into a region's body. LLVM makes a function with one beginning, which jumps to where its argument says; nearly
// every entry of a region would come by that one jump, which is hard to predict.
#pragma once
#include <span>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

// Code to be placed `at` in `code`: does what the function at `body` does up to its jump to its argument, then goes to `block`. Empty
// when that is nothing: `block` can be entered as it is. Offsets into code.
std::vector<u8> entry_code(std::span<const u8> code, u32 body, u32 block, u32 at);

}  // namespace ferry::optimizer
