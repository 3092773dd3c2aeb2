#include "translator/optimizer/semantics_library.h"

#include <algorithm>
#include <span>

#include "guest/check.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/MemoryBuffer.h"
#include "translator/aarch64/encodings.h"
#include "translator/optimizer/semantics_file.h"

asm(R"(
    .section .rodata.ferry_semantics, "a"
    .balign 16
ferry_semantics: .incbin ")" FERRY_SEMANTICS R"("
    .previous
)");
extern "C" __attribute__((visibility("hidden"))) const char ferry_semantics[];

namespace ferry::optimizer {

namespace {

std::span<const RowBitcode> rows() {
  auto* header = reinterpret_cast<const SemanticsHeader*>(ferry_semantics);
  return {reinterpret_cast<const RowBitcode*>(header + 1), header->rows};
}

// Helpers that change the code or the floating-point environment under a region, or read the latter's sticky flags, which
// LLVM does not know to be written by what it reorders.
bool is_refused(llvm::StringRef name) {
  return name == "ferry_a64_ic_ivau" || name == "ferry_a64_write_fpcr" || name == "ferry_a64_write_fpsr" ||
         name == "ferry_a64_read_fpsr";
}

bool reaches_memory(const llvm::Instruction& instruction) {
  if (instruction.isAtomic()) return true;
  auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
  if (call == nullptr || !call->isInlineAsm()) return false;
  return llvm::cast<llvm::InlineAsm>(call->getCalledOperand())->getAsmString().find('(') != std::string::npos;
}

Use use_of(llvm::Function& function) {
  Use result = Use::inlined;
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    if (reaches_memory(instruction)) result = Use::exact;
    if (auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction)) {
      llvm::Function* callee = call->getCalledFunction();
      if (callee != nullptr && is_refused(callee->getName())) return Use::refused;
    }
  }
  return result;
}

}  // namespace

SemanticsLibrary::SemanticsLibrary(llvm::LLVMContext& context)
    : context_(context), modules_(rows().size()), by_stencil_(aarch64::instruction_stencil_count) {}

void SemanticsLibrary::read_row(size_t row) {
  llvm::StringRef bytes(ferry_semantics + rows()[row].offset, rows()[row].size);
  auto module = llvm::getLazyBitcodeModule(llvm::MemoryBufferRef(bytes, "semantics"), context_);
  check(static_cast<bool>(module));
  modules_[row] = std::move(*module);
  for (llvm::GlobalVariable& global : modules_[row]->globals()) {
    if (!is_row(global)) continue;
    for_each_entry(*global.getInitializer(),
                   [&](u32 stencil, llvm::Function& function) { by_stencil_.at(stencil).function = &function; });
  }
}

const SemanticFunction& SemanticsLibrary::find(u32 stencil) {
  SemanticFunction& result = by_stencil_.at(stencil);
  if (result.use != Use::unknown) return result;
  auto above = std::ranges::upper_bound(rows(), stencil, {}, &RowBitcode::least_stencil);
  auto row = static_cast<size_t>(above - rows().begin()) - 1;
  if (modules_[row] == nullptr) read_row(row);
  if (result.function == nullptr) {
    result.use = Use::refused;
    return result;
  }
  check(!result.function->materialize());
  result.use = use_of(*result.function);
  return result;
}

}  // namespace ferry::optimizer
