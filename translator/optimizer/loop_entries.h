// A loop begins with accesses whose fault edges want to know whether this is the first time around: the flags, say, are then those that the
// loop was entered with, and those of the time before otherwise. Makes these accesses twice, once on the way in and once in the loop, which
// then begins behind them: each fault edge knows, and the loop neither carries the old values nor a number that says which
// (ColdCodePass).
//
//     enter:  access     loop:   access         enter:  access   ──┐
//             ...          ↑     rest     →             access     │   loop:  rest  ◄──┘
//                          └── again                               │    ↑     access again
#pragma once
#include "llvm/IR/PassManager.h"

namespace ferry::optimizer {

struct LoopEntriesPass : llvm::PassInfoMixin<LoopEntriesPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace ferry::optimizer
