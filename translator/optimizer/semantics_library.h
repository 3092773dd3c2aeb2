// The semantic functions' bitcode: found by stencil id, read one by one as they are needed, a module a row of the encodings table
// (semantics_file.h).
#pragma once
#include <memory>
#include <vector>

#include "guest/types.h"
#include "llvm/IR/Module.h"

namespace ferry::optimizer {

// How a region may use a semantic function.
enum class Use : u8 {
  unknown,
  inlined,  // guest memory only through ferry_guest_*
  exact,    // also by other instructions (atomics): Cpu must be exact before it
  refused,  // not in regions: it changes what regions rely on
};

struct SemanticFunction {
  llvm::Function* function = nullptr;  // u64(Cpu*, u64 x 6)
  Use use = Use::unknown;
};

class SemanticsLibrary {
 public:
  explicit SemanticsLibrary(llvm::LLVMContext& context);

  // The function of a stencil id, with its body; use refused when there is none.
  const SemanticFunction& find(u32 stencil);

  llvm::LLVMContext& context() { return context_; }

 private:
  void read_row(size_t row);

  llvm::LLVMContext& context_;
  std::vector<std::unique_ptr<llvm::Module>> modules_;  // by row; null: nothing of it was needed yet
  std::vector<SemanticFunction> by_stencil_;
};

}  // namespace ferry::optimizer
