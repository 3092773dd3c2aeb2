// The guest's floating-point comparisons: the flags that they set are plain comparisons in a region, which fold with the conditions that
// ask for them. Which sticky flags they raise has been settled before; they themselves must raise none.
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

// The last pass: makes comparisons quiet. Of a plain one the code generator may make an instruction that signals quiet NaNs.
struct QuietComparisonsPass : llvm::PassInfoMixin<QuietComparisonsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
