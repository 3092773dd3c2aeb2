#include "translator/optimizer/addresses.h"

#include "llvm/IR/Instructions.h"
#include "llvm/IR/PatternMatch.h"

namespace ferry::optimizer {

using llvm::Instruction;
using llvm::Value;
using namespace llvm::PatternMatch;

namespace {

// Sums with a constant, sums of two registers, and shifts as far as an addressing mode scales.
bool is_part_of_address(Value* value, int depth) {
  uint64_t shift;
  if (match(value, m_Add(m_Value(), m_ConstantInt()))) return true;
  return depth < 2 && (match(value, m_Add(m_Value(), m_Value())) ||
                       (match(value, m_Shl(m_Value(), m_ConstantInt(shift))) && shift <= 3));
}

// Whether the fault edge wants the value, so that it is kept somewhere, mostly in a register, in any case.
bool is_wanted_at_fault(const Value& value, const llvm::CallBrInst& access) {
  return llvm::any_of(value.users(), [&](const llvm::User* user) {
    return llvm::cast<Instruction>(user)->getParent() == access.getIndirectDest(0);
  });
}

Value* bring(Value* value, llvm::CallBrInst& access, int depth) {
  auto* instruction = llvm::dyn_cast<Instruction>(value);
  if (instruction == nullptr || depth == 3 || !is_part_of_address(value, depth)) return value;
  if (is_wanted_at_fault(*instruction, access)) return value;
  Instruction* copy = instruction->clone();
  for (unsigned i = 0; i < copy->getNumOperands(); i++)
    copy->setOperand(i, bring(copy->getOperand(i), access, depth + 1));
  copy->insertBefore(access.getIterator());
  return copy;
}

}  // namespace

llvm::PreservedAnalyses AddressesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  for (llvm::BasicBlock& block : function) {
    auto* access = llvm::dyn_cast<llvm::CallBrInst>(block.getTerminator());
    if (access == nullptr) continue;
    auto* pointer = llvm::dyn_cast<llvm::IntToPtrInst>(access->getArgOperand(0));
    if (pointer == nullptr) continue;
    Value* address = bring(pointer->getOperand(0), *access, 0);
    if (address == pointer->getOperand(0) && pointer->getParent() == &block) continue;
    access->setArgOperand(0, new llvm::IntToPtrInst(address, pointer->getType(), "", access->getIterator()));
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace ferry::optimizer
