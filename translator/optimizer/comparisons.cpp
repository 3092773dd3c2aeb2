#include "translator/optimizer/comparisons.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"

namespace ferry::optimizer {

using llvm::FCmpInst;
using llvm::Instruction;
using llvm::Value;

llvm::PreservedAnalyses QuietComparisonsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  bool changed = false;
  for (Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    auto* comparison = llvm::dyn_cast<FCmpInst>(&instruction);
    if (comparison == nullptr) continue;
    llvm::IRBuilder<> builder(comparison);
    builder.setDefaultConstrainedExcept(llvm::fp::ebIgnore);
    Value* quiet =
        builder.CreateConstrainedFPCmp(llvm::Intrinsic::experimental_constrained_fcmp, comparison->getPredicate(),
                                       comparison->getOperand(0), comparison->getOperand(1));
    comparison->replaceAllUsesWith(quiet);
    comparison->eraseFromParent();
    changed = true;
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace ferry::optimizer
