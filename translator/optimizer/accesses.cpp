#include "translator/optimizer/accesses.h"

#include <algorithm>

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/InlineAsm.h"

#include "guest/check.h"  // after LLVM's headers, which use the name
#include "translator/optimizer/target.h"

namespace ferry::optimizer {

namespace {

using llvm::MachineInstr;
using llvm::MachineOperand;

// What an access's inline assembly is made of.
struct Access {
  llvm::Register loaded;
  const MachineOperand* stored = nullptr;   // a register or a constant
  const MachineOperand* address = nullptr;  // the first operand of it
  unsigned address_size = 0;
  i64 offset = 0;  // of the guest instruction
  llvm::MachineBasicBlock* edge = nullptr;
};

Access read_access(const MachineInstr& assembly) {
  Access access;
  const MachineOperand* last_constant = nullptr;
  for (unsigned i = llvm::InlineAsm::MIOp_FirstOperand; i < assembly.getNumOperands();) {
    const MachineOperand& operand = assembly.getOperand(i);
    if (!operand.isImm()) break;  // implicit operands and the like
    llvm::InlineAsm::Flag flag(static_cast<u32>(operand.getImm()));
    const MachineOperand& first = assembly.getOperand(i + 1);
    if (flag.isRegDefKind()) {
      access.loaded = first.getReg();
    } else if (flag.isMemKind()) {
      access.address = &first;
      access.address_size = flag.getNumOperandRegisters();
    } else if (first.isMBB()) {
      access.edge = first.getMBB();
    } else if (flag.isImmKind()) {
      // The last constant is the offset; one before it is stored.
      if (last_constant != nullptr) access.stored = last_constant;
      last_constant = &first;
    } else {
      access.stored = &first;
    }
    i += 1 + flag.getNumOperandRegisters();
  }
  check(access.address != nullptr && access.edge != nullptr && last_constant != nullptr);
  access.offset = last_constant->getImm();
  return access;
}

class AccessPass : public llvm::MachineFunctionPass {
 public:
  AccessPass() : MachineFunctionPass(identity_) {}

  bool runOnMachineFunction(llvm::MachineFunction& function) override {
    const llvm::TargetSubtargetInfo& target = function.getSubtarget();
    if (opcodes_.empty()) find_opcodes(*target.getInstrInfo());
    for (llvm::MachineBasicBlock& block : function) {
      for (MachineInstr& instruction : llvm::make_early_inc_range(block)) {
        if (instruction.getOpcode() == llvm::TargetOpcode::INLINEASM_BR) settle(instruction, target);
      }
    }
    return true;
  }

 private:
  // Instructions that are no pseudo ones come last, by their names (LLVM's TableGen, CodeGenTarget::ComputeInstrsByEnum). To look at all
  // 20,000 names takes milliseconds.
  void find_opcodes(const llvm::TargetInstrInfo& instructions) {
    auto all = llvm::seq<unsigned>(llvm::TargetOpcode::GENERIC_OP_END + 1, instructions.getNumOpcodes());
    auto real = llvm::partition_point(all, [&](unsigned opcode) { return instructions.get(opcode).isPseudo(); });
    for (const AccessInstruction& one : access_instructions()) {
      for (const char* name : {one.name, one.of_constant}) {
        if (name == nullptr) continue;
        auto found = std::lower_bound(
            real, all.end(), llvm::StringRef(name),
            [&](unsigned opcode, llvm::StringRef wanted) { return instructions.getName(opcode) < wanted; });
        check(found != all.end() && instructions.getName(*found) == name);
        opcodes_[name] = *found;
      }
    }
  }

  void settle(MachineInstr& assembly, const llvm::TargetSubtargetInfo& target) {
    llvm::StringRef text = assembly.getOperand(llvm::InlineAsm::MIOp_AsmString).getSymbolName();
    auto found = llvm::find_if(access_instructions(), [&](const auto& one) { return text == one.name; });
    if (found == access_instructions().end()) return;
    Access access = read_access(assembly);
    bool of_constant = access.stored != nullptr && access.stored->isImm();
    unsigned opcode = opcodes_.at(of_constant ? found->of_constant : found->name);
    llvm::Register loaded = access.loaded;
    const llvm::TargetRegisterInfo& registers = *target.getRegisterInfo();
    if (found->half && loaded.isValid()) loaded = half_of(loaded, registers);
    // The kind of fault is not looked at, and its place free.
    auto made = llvm::BuildMI(*assembly.getParent(), assembly, assembly.getDebugLoc(),
                              target.getInstrInfo()->get(llvm::TargetOpcode::FAULTING_OP))
                    .addReg(loaded, llvm::RegState::Define)
                    .addImm(access.offset)
                    .addMBB(access.edge)
                    .addImm(opcode);
    for (unsigned i = 0; i < access.address_size; i++) made.add(access.address[i]);
    if (access.stored != nullptr) made.add(*access.stored);
    assembly.eraseFromParent();
  }

  // Of a register of 64 bits.
  static llvm::Register half_of(llvm::Register reg, const llvm::TargetRegisterInfo& registers) {
    for (unsigned i = 1; i < registers.getNumSubRegIndices(); i++) {
      if (registers.getSubRegIdxSize(i) == 32 && registers.getSubRegIdxOffset(i) == 0 &&
          registers.getSubReg(reg, i) != 0)
        return registers.getSubReg(reg, i);
    }
    llvm_unreachable("no lower half");
  }

  llvm::StringMap<unsigned> opcodes_;
  static char identity_;
};

char AccessPass::identity_ = 0;

}  // namespace

llvm::FunctionPass* make_access_pass() { return new AccessPass(); }

}  // namespace ferry::optimizer
