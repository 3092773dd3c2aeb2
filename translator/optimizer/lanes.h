// A vector register that carries a scalar round a loop: hot code needs only its lowest lane, the rest is zero and matters where the
// register is written back. Gives such a loop a scalar to carry, so that making the whole register of it each time becomes
// what only cold code asks for (ColdCodePass).
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct LanesPass : llvm::PassInfoMixin<LanesPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager&);
};

}  // namespace ferry::optimizer
