// Comparisons and the branches upon them, next to each other in the code: the host's decoder makes one operation of the two only where
// nothing is between. The code generator places there what a loop carries around, because copies for the next block's phis stand before
// the first of a block's branches.
#pragma once

namespace llvm {
class FunctionPass;
}

namespace ferry::optimizer {

// For the end of code generation, when registers are allocated and blocks have their places.
llvm::FunctionPass* make_compare_pass();

}  // namespace ferry::optimizer
