// The semantic functions' bitcode: found by stencil id, read from the file one by one as they are needed.
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

  llvm::LLVMContext& context() { return module_->getContext(); }

 private:
  std::unique_ptr<llvm::Module> module_;
  std::vector<SemanticFunction> by_stencil_;
};

}  // namespace ferry::optimizer
