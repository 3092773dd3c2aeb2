// LLVM's code generator as regions want it: without the passes that find nothing to do in them, or gain less than they take.
#pragma once
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Target/TargetMachine.h"

namespace ferry::optimizer {

// Settings of its passes, for the whole process. Before the first generator is made.
void choose_passes();

// Adds what makes an object file on the stream of a module; false when LLVM cannot for this target.
bool add_generator(llvm::legacy::PassManager& to, llvm::TargetMachine& machine, llvm::raw_pwrite_stream& stream);

}  // namespace ferry::optimizer
