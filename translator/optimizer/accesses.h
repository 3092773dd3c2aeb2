// Accesses to guest memory where code is generated: as far as the code generator can see they are inline assembly that may jump. Before
// it is printed each becomes the instruction that its text names, in LLVM's fault maps with the edge; assembly proper would be parsed,
// by a parser of its own for each, which took a twentieth of all the time.
#pragma once
#include "llvm/Pass.h"

namespace ferry::optimizer {

// Leaves alone what is assembly proper.
llvm::FunctionPass* make_access_pass();

}  // namespace ferry::optimizer
