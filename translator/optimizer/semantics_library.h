// The semantic functions' bitcode: found by stencil id, read one by one as they are needed, a module a section of the encodings
// table. What a module declares has to be read with it, which for all of them takes longer than to compile a loop.
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
  void read_section(size_t section);

  llvm::LLVMContext& context_;
  std::vector<std::unique_ptr<llvm::Module>> modules_;  // by section; null: nothing of it was needed yet
  std::vector<SemanticFunction> by_stencil_;
};

}  // namespace ferry::optimizer
