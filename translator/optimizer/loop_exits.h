// Moves out of a loop, to the way out of it, what is computed there each time around but only wanted by phis behind it: whole vectors made
// of a number that the loop works on, say. LLVM's code generator does not split an edge for what is as cheap as a move.
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct LoopExitsPass : llvm::PassInfoMixin<LoopExitsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
