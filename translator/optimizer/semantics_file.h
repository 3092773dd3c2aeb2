// The semantic functions' bitcode as forge_bitcode writes it at build time and SemanticsLibrary reads it: a small module for each row of
// the encodings table. LLVM has to read what a module declares before any of its functions; for a section of the table that takes longer
// than to compile a loop.
#pragma once
#include "guest/types.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/GlobalVariable.h"

namespace ferry::optimizer {

// What the file begins with; then `rows` of RowBitcode, by their stencils.
struct SemanticsHeader {
  u32 rows;
};
struct RowBitcode {
  u32 least_stencil, offset, size;  // the least id of its stencils; where its module lies in the file, in bytes
};

// Whether these are the entries of a row (aarch64/semantics/section.h).
inline bool is_row(const llvm::GlobalVariable& global) {
  return global.hasInitializer() && global.getSection() == "ferry_stencils";
}

// visit(stencil id, llvm::Function&) for each: they are arrays of {stencil id, function}, which clang may have cut in pieces.
template <class Visit>
void for_each_entry(llvm::Constant& entries, const Visit& visit) {
  if (auto* entry = llvm::dyn_cast<llvm::ConstantStruct>(&entries); entry != nullptr && entry->getNumOperands() == 2) {
    auto* id = llvm::dyn_cast<llvm::ConstantInt>(entry->getOperand(0));
    auto* function = llvm::dyn_cast<llvm::Function>(entry->getOperand(1));
    if (id != nullptr && function != nullptr) return visit(static_cast<u32>(id->getZExtValue()), *function);
  }
  for (llvm::Use& operand : entries.operands()) {
    if (auto* part = llvm::dyn_cast<llvm::ConstantAggregate>(operand.get())) for_each_entry(*part, visit);
  }
}

}  // namespace ferry::optimizer
