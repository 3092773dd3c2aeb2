#include "translator/optimizer/semantics_library.h"

#include "guest/check.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/MemoryBuffer.h"
#include "translator/aarch64/encodings.h"

// FERRY_SEMANTICS_BC is the path of the bitcode library for this host.
asm(R"(
    .section .rodata.ferry_semantics, "a"
    .balign 16
    .globl ferry_semantics, ferry_semantics_end
    .hidden ferry_semantics, ferry_semantics_end
ferry_semantics:
    .incbin ")" FERRY_SEMANTICS_BC R"("
ferry_semantics_end:
    .previous
)");
extern "C" const char ferry_semantics[], ferry_semantics_end[];

namespace ferry::optimizer {

namespace {

// The entries of a section are arrays of {stencil id, function}, which clang may have cut in pieces.
void enter(llvm::Constant* constant, std::vector<SemanticFunction>& by_stencil) {
  if (auto* entry = llvm::dyn_cast<llvm::ConstantStruct>(constant); entry != nullptr && entry->getNumOperands() == 2) {
    auto* id = llvm::dyn_cast<llvm::ConstantInt>(entry->getOperand(0));
    auto* function = llvm::dyn_cast<llvm::Function>(entry->getOperand(1));
    if (id != nullptr && function != nullptr) {
      by_stencil.at(id->getZExtValue()).function = function;
      return;
    }
  }
  for (llvm::Use& operand : constant->operands()) {
    if (auto* part = llvm::dyn_cast<llvm::Constant>(operand.get());
        part != nullptr && llvm::isa<llvm::ConstantAggregate>(part))
      enter(part, by_stencil);
  }
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

SemanticsLibrary::SemanticsLibrary(llvm::LLVMContext& context) : by_stencil_(aarch64::instruction_stencil_count) {
  llvm::StringRef bytes(ferry_semantics, static_cast<size_t>(ferry_semantics_end - ferry_semantics));
  auto module = llvm::getLazyBitcodeModule(llvm::MemoryBufferRef(bytes, "semantics"), context);
  check(static_cast<bool>(module));
  module_ = std::move(*module);
  for (llvm::GlobalVariable& global : module_->globals()) {
    if (global.hasInitializer() && global.getSection() == "ferry_stencils") enter(global.getInitializer(), by_stencil_);
  }
}

const SemanticFunction& SemanticsLibrary::find(u32 stencil) {
  SemanticFunction& result = by_stencil_.at(stencil);
  if (result.use != Use::unknown) return result;
  if (result.function == nullptr) {
    result.use = Use::refused;
    return result;
  }
  check(!result.function->materialize());
  result.use = use_of(*result.function);
  return result;
}

}  // namespace ferry::optimizer
