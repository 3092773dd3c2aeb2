#include "translator/optimizer/fused_compares.h"

#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

namespace ferry::optimizer {

namespace {

using llvm::MachineBasicBlock;
using llvm::MachineInstr;
using llvm::MachineOperand;

class ComparePass : public llvm::MachineFunctionPass {
 public:
  ComparePass() : MachineFunctionPass(identity_) {}

  bool runOnMachineFunction(llvm::MachineFunction& function) override {
    registers_ = function.getSubtarget().getRegisterInfo();
    for (MachineBasicBlock& block : function) {
      auto branch = block.getFirstTerminator();
      if (branch == block.end() || !branch->isConditionalBranch()) continue;
      auto compare = comparison_of(block, branch);
      if (compare != block.end()) block.splice(branch, &block, compare);
    }
    return true;
  }

 private:
  // What the branch is upon, where it may stand right before it and does not; the block's end otherwise.
  MachineBasicBlock::iterator comparison_of(MachineBasicBlock& block, MachineBasicBlock::iterator branch) const {
    auto at = branch;
    while (at != block.begin()) {
      --at;
      if (!sets_what_is_read(*at, *branch)) continue;
      bool moves = at->isCompare() && std::next(at) != branch &&
                   std::all_of(std::next(at), branch, [&](const MachineInstr& one) { return may_pass(*at, one); });
      return moves ? at : block.end();
    }
    return block.end();
  }

  bool sets_what_is_read(const MachineInstr& instruction, const MachineInstr& reader) const {
    return llvm::any_of(reader.all_uses(), [&](const MachineOperand& use) {
      return use.isReg() && use.getReg().isPhysical() && instruction.modifiesRegister(use.getReg(), registers_);
    });
  }

  // Whether the comparison means the same behind the instruction, and the instruction before it.
  bool may_pass(const MachineInstr& compare, const MachineInstr& instruction) const {
    if (instruction.isCall() || instruction.isInlineAsm() || instruction.hasUnmodeledSideEffects()) return false;
    if (compare.mayAlias(nullptr, instruction, false)) return false;
    if (compare.hasOrderedMemoryRef() && instruction.hasOrderedMemoryRef()) return false;
    return llvm::none_of(compare.operands(), [&](const MachineOperand& operand) {
      if (!operand.isReg() || !operand.getReg().isPhysical()) return false;
      return instruction.modifiesRegister(operand.getReg(), registers_) ||
             (operand.isDef() && instruction.readsRegister(operand.getReg(), registers_));
    });
  }

  const llvm::TargetRegisterInfo* registers_ = nullptr;
  static char identity_;
};

char ComparePass::identity_ = 0;

}  // namespace

llvm::FunctionPass* make_compare_pass() { return new ComparePass(); }

}  // namespace ferry::optimizer
