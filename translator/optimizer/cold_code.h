// Moves to fault edges and exits what only they use: flags and addresses that would otherwise be computed on the way for a
// fault that never comes. A loop's flags are the case that counts: at a fault they are either those that the loop was entered
// with or those of the iteration before, so that each would be carried around. Here the loop carries one number that says which,
// and the fault edge computes the flags again from the values that the iteration before has left. Outside loops what depends on the way
// that control came stays where it is: to choose on a way out of a function that is taken whenever the function runs only costs more (bash,
// perl, python3 and sqlite3 took a fifth less code without).
#pragma once
#include "llvm/IR/BasicBlock.h"
#include "llvm/IR/Instruction.h"
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

// A block that leaves the region: nothing comes back from it.
bool is_cold(const llvm::BasicBlock& block);

// Whether an instruction may run elsewhere, more often or less: a value made of values and nothing else. Where a phi is computed again, so is
// what each of its edges brings, also what was computed under a condition: a division by zero must not be, nor arithmetic
// and conversions of floating point, whose sticky flags LLVM does not see.
bool is_pure(const llvm::Instruction& instruction);

struct ColdCodePass : llvm::PassInfoMixin<ColdCodePass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
