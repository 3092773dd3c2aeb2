// Brings the arithmetic of an access's address into the access's own basic block, where the code generator makes it part of the
// instruction. What is shared between accesses would otherwise be computed on its own, once for all of them.
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct AddressesPass : llvm::PassInfoMixin<AddressesPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager&);
};

}  // namespace ferry::optimizer
