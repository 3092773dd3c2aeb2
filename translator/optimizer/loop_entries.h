// A loop begins with accesses whose fault edges want to know whether this is the first time around: the flags, say, are then those that the
// loop was entered with, and those of the time before otherwise. Makes these accesses twice, once on the way in and once in the loop, which
// then begins behind them: each fault edge knows, and the loop neither carries the old values nor a number that says which
// (ColdCodePass).
//
//     before:            head: accesses; rest; jump head
//     after:   accesses; head:           rest; accesses; jump head
//
// Where the loop begins then, its phis stand behind accesses, and what these load comes to them from there.
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct LoopEntriesPass : llvm::PassInfoMixin<LoopEntriesPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
