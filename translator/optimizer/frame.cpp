#include "translator/optimizer/frame.h"

#include <optional>

#include "guest/types.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetLowering.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

namespace ferry::optimizer {

using llvm::MachineBasicBlock;
using llvm::MachineFunction;
using llvm::MachineInstr;
using llvm::MachineOperand;

namespace {

class FramePass : public llvm::MachineFunctionPass {
 public:
  FramePass() : MachineFunctionPass(identity_) {}

  bool runOnMachineFunction(MachineFunction& function) override {
    llvm::MachineFrameInfo& frame = function.getFrameInfo();
    // What is entered by a jump and leaves by one has no caller: ferry_enter() saves what ferry's own code wants kept.
    function.getRegInfo().setCalleeSavedRegs({});
    if (frame.hasStackMap()) {
      bool calls = false;
      for (MachineBasicBlock& block : function) calls |= remove_call_frames(block);
      frame.setHasStackMap(false);
      if (!calls) {
        frame.setHasCalls(false);
        frame.setAdjustsStack(false);
      }
    }
    function.getRegInfo().freezeReservedRegs();
    return true;
  }

 private:
  // Those around stack maps. Whether calls are left.
  static bool remove_call_frames(MachineBasicBlock& block) {
    const llvm::TargetInstrInfo& instructions = *block.getParent()->getSubtarget().getInstrInfo();
    MachineInstr* setup = nullptr;
    bool is_map = false, calls = false;
    for (MachineInstr& instruction : llvm::make_early_inc_range(block)) {
      if (instruction.getOpcode() == instructions.getCallFrameSetupOpcode()) {
        setup = &instruction;
        is_map = false;
      } else if (instruction.getOpcode() == llvm::TargetOpcode::STACKMAP) {
        is_map = true;
      } else if (instruction.getOpcode() == instructions.getCallFrameDestroyOpcode()) {
        if (!is_map || setup == nullptr) continue;
        setup->eraseFromParent();
        instruction.eraseFromParent();
        setup = nullptr;
      } else if (instruction.isCall() && !instruction.isReturn()) {
        calls = true;
      }
    }
    return calls;
  }

  static char identity_;
};
char FramePass::identity_ = 0;

// Knows x86-64's instructions by their names: their numbers are not among LLVM's public headers.
class NoProloguePass : public llvm::MachineFunctionPass {
 public:
  NoProloguePass() : MachineFunctionPass(identity_) {}

  bool runOnMachineFunction(MachineFunction& function) override {
    instructions_ = function.getSubtarget().getInstrInfo();
    stack_pointer_ = function.getSubtarget().getTargetLowering()->getStackPointerRegisterToSaveRestore();
    std::optional<i64> size = frame_size(function);
    if (!size || *size == 0) return false;
    for (MachineBasicBlock& block : function) {
      for (MachineInstr& instruction : llvm::make_early_inc_range(block)) {
        if (is_of_frame(instruction)) {
          instruction.eraseFromParent();
          continue;
        }
        move(instruction, -*size);
        if (instruction.isCall() && !instruction.isReturn() &&
            instruction.getOpcode() != llvm::TargetOpcode::STACKMAP) {
          adjust(instruction, instruction.getIterator(), -*size);
          adjust(instruction, std::next(instruction.getIterator()), *size);
        }
      }
    }
    return true;
  }

 private:
  static bool is_of_frame(const MachineInstr& instruction) {
    return instruction.getFlag(MachineInstr::FrameSetup) || instruction.getFlag(MachineInstr::FrameDestroy);
  }
  llvm::StringRef name_of(const MachineInstr& instruction) const {
    return instructions_->getName(instruction.getOpcode());
  }

  // By how much the prologue lowers the stack pointer; nullopt when it, an epilogue or a use of the stack pointer is unknown.
  std::optional<i64> frame_size(const MachineFunction& function) const {
    if (!function.getTarget().getTargetTriple().isX86() || function.getFrameInfo().hasVarSizedObjects())
      return std::nullopt;
    i64 size = 0;
    for (const MachineBasicBlock& block : function) {
      for (const MachineInstr& instruction : block) {
        if (!is_of_frame(instruction)) {
          if (!has_known_uses(instruction)) return std::nullopt;
          continue;
        }
        std::optional<i64> lowered = lowers_by(instruction);
        if (!lowered) return std::nullopt;
        if (instruction.getFlag(MachineInstr::FrameSetup)) size += *lowered;
      }
    }
    return size;
  }

  std::optional<i64> lowers_by(const MachineInstr& instruction) const {
    llvm::StringRef name = name_of(instruction);
    if (name == "PUSH64r") return 8;
    if (name == "POP64r") return -8;
    if (instruction.isCFIInstruction()) return 0;
    if (instruction.getNumOperands() < 3 || !is_stack_pointer(instruction.getOperand(0)) ||
        !is_stack_pointer(instruction.getOperand(1)))
      return std::nullopt;
    if (name.starts_with("SUB64ri")) return instruction.getOperand(2).getImm();
    if (name.starts_with("ADD64ri")) return -instruction.getOperand(2).getImm();
    if (name == "LEA64r" && instruction.getOperand(3).getReg() == 0) return -instruction.getOperand(4).getImm();
    return std::nullopt;
  }

  bool is_stack_pointer(const MachineOperand& operand) const {
    return operand.isReg() && operand.getReg() == stack_pointer_;
  }

  // The displacement that goes with the stack pointer at operand `i`; -1: none that is known.
  int displacement(const MachineInstr& instruction, unsigned i) const {
    unsigned count = instruction.getNumOperands();
    if (instruction.getOpcode() == llvm::TargetOpcode::STACKMAP)
      return i + 1 < count && instruction.getOperand(i + 1).isImm() ? static_cast<int>(i) + 1 : -1;
    // Base, scale, index, displacement, segment.
    bool is_memory = i + 4 < count && instruction.getOperand(i + 1).isImm() && instruction.getOperand(i + 2).isReg() &&
                     instruction.getOperand(i + 3).isImm() && instruction.getOperand(i + 4).isReg();
    return is_memory ? static_cast<int>(i) + 3 : -1;
  }

  bool has_known_uses(const MachineInstr& instruction) const {
    for (unsigned i = 0; i < instruction.getNumOperands(); i++) {
      const MachineOperand& operand = instruction.getOperand(i);
      if (is_stack_pointer(operand) && !operand.isImplicit() && displacement(instruction, i) < 0) return false;
    }
    return true;
  }

  void move(MachineInstr& instruction, i64 by) const {
    for (unsigned i = 0; i < instruction.getNumOperands(); i++) {
      const MachineOperand& operand = instruction.getOperand(i);
      if (!is_stack_pointer(operand) || operand.isImplicit()) continue;
      MachineOperand& moved = instruction.getOperand(static_cast<unsigned>(displacement(instruction, i)));
      moved.setImm(moved.getImm() + by);
    }
  }

  // As an address: the processor's flags stay.
  void adjust(MachineInstr& call, MachineBasicBlock::iterator before, i64 by) {
    BuildMI(*call.getParent(), before, call.getDebugLoc(), instructions_->get(lea()), stack_pointer_)
        .addReg(stack_pointer_)
        .addImm(1)
        .addReg(0)
        .addImm(by)
        .addReg(0);
  }
  unsigned lea() {
    while (lea_ == 0 || instructions_->getName(lea_) != "LEA64r") lea_++;
    return lea_;
  }

  const llvm::TargetInstrInfo* instructions_ = nullptr;
  llvm::Register stack_pointer_;
  unsigned lea_ = 0;  // its number, once it is known
  static char identity_;
};
char NoProloguePass::identity_ = 0;

}  // namespace

llvm::FunctionPass* make_frame_pass() { return new FramePass(); }
llvm::FunctionPass* make_no_prologue_pass() { return new NoProloguePass(); }

}  // namespace ferry::optimizer
