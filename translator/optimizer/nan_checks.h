// On an x86-64 host every floating-point operation is followed by a check whether a NaN came out, which ARM may choose otherwise.
// Where operations follow each other, a NaN goes from one to the next: one check at the end does for all, and code that is
// hardly ever reached does the operations once more, each with the helper that chooses NaNs and leaves other results alone.
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct NanChecksPass : llvm::PassInfoMixin<NanChecksPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
