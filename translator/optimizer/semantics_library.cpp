#include "translator/optimizer/semantics_library.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "guest/check.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/MemoryBuffer.h"
#include "translator/aarch64/encodings.h"

// The sections' bitcode for this host, one behind the other: FERRY_BITCODE_BEFORE branch FERRY_BITCODE_BEHIND is a file's path.
asm(R"(
    .section .rodata.ferry_semantics, "a"
    .balign 16
)"
#define FERRY_SECTION_ROW(section)                                                              \
  "ferry_semantics_" #section ": .incbin \"" FERRY_BITCODE_BEFORE #section FERRY_BITCODE_BEHIND \
  "\"\n"                                                                                        \
  "ferry_semantics_end_" #section ": .balign 16\n"
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW
    ".previous");

#define FERRY_SECTION_ROW(section)                                                         \
  extern "C" __attribute__((visibility("hidden"))) const char ferry_semantics_##section[], \
      ferry_semantics_end_##section[];
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW

namespace ferry::optimizer {

namespace {

struct Bitcode {
  const char *begin, *end;
};
const Bitcode sections[] = {
#define FERRY_SECTION_ROW(section) {ferry_semantics_##section, ferry_semantics_end_##section},
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW
};
constexpr size_t section_count = std::size(sections);

// The first stencil of each section. Sections are in the table's order, each is a file, and a row's file is that of its macro.
constexpr std::array<u32, section_count> first_of_section = [] {
  constexpr std::string_view files[] = {
#define A64(...) __FILE__,
#include "translator/aarch64/encodings.def"
#undef A64
  };
  std::array<u32, section_count> result{};
  size_t section = 0;
  for (size_t row = 1; row < std::size(files); row++) {
    if (files[row] != files[row - 1]) result.at(++section) = aarch64::first_stencils.first[row];
  }
  return result;
}();

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

SemanticsLibrary::SemanticsLibrary(llvm::LLVMContext& context)
    : context_(context), modules_(section_count), by_stencil_(aarch64::instruction_stencil_count) {}

void SemanticsLibrary::read_section(size_t section) {
  auto [begin, end] = sections[section];
  llvm::StringRef bytes(begin, static_cast<size_t>(end - begin));
  auto module = llvm::getLazyBitcodeModule(llvm::MemoryBufferRef(bytes, "semantics"), context_);
  check(static_cast<bool>(module));
  modules_[section] = std::move(*module);
  for (llvm::GlobalVariable& global : modules_[section]->globals()) {
    if (global.hasInitializer() && global.getSection() == "ferry_stencils") enter(global.getInitializer(), by_stencil_);
  }
}

const SemanticFunction& SemanticsLibrary::find(u32 stencil) {
  SemanticFunction& result = by_stencil_.at(stencil);
  if (result.use != Use::unknown) return result;
  auto above = std::ranges::upper_bound(first_of_section, stencil);
  auto section = static_cast<size_t>(above - first_of_section.begin()) - 1;
  if (modules_[section] == nullptr) read_section(section);
  if (result.function == nullptr) {
    result.use = Use::refused;
    return result;
  }
  check(!result.function->materialize());
  result.use = use_of(*result.function);
  return result;
}

}  // namespace ferry::optimizer
