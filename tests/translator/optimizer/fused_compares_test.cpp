// Comparisons come next to their branches past what changes nothing for them, and past nothing else.
#include "translator/optimizer/fused_compares.h"

#include <gtest/gtest.h>

#include "llvm/CodeGen/MIRParser/MIRParser.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

namespace ferry::optimizer {
namespace {

const std::string poll =
    "CMP32mi $r13, 1, $noreg, 156, $noreg, 0, implicit-def $eflags :: (volatile load (s32) from %ir.cpu)";
const std::string slots = " :: (load (s64) from %stack.0), (load (s64) from %stack.1)";

// What the first block of a function begins with after the pass: the comparison, what is behind it, and a branch upon it.
std::vector<std::string> order(const std::string& comparison, const std::string& between) {
  static const auto* target = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    std::string error;
    return llvm::TargetRegistry::lookupTarget("x86_64-unknown-linux-gnu", error);
  }();
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine("x86_64-unknown-linux-gnu", "x86-64-v3", "", {}, llvm::Reloc::PIC_));
  std::string text = R"(--- |
  define void @f(ptr %cpu, ptr %guest) { ret void }
...
---
name: f
stack:
  - { id: 0, type: spill-slot, size: 8, alignment: 8 }
  - { id: 1, type: spill-slot, size: 8, alignment: 8 }
body: |
  bb.0:
    successors: %bb.1, %bb.2
    )" + comparison + "\n    " +
                     between + R"(
    JCC_1 %bb.2, 4, implicit $eflags
    JMP_1 %bb.1
  bb.1:
    RET64
  bb.2:
    RET64
...
)";
  llvm::LLVMContext context;
  auto parser = llvm::createMIRParser(llvm::MemoryBuffer::getMemBuffer(text), context);
  std::unique_ptr<llvm::Module> module = parser->parseIRModule();
  EXPECT_NE(module, nullptr) << text;
  module->setDataLayout(machine->createDataLayout());
  auto* info = new llvm::MachineModuleInfoWrapperPass(static_cast<llvm::LLVMTargetMachine*>(machine.get()));
  EXPECT_FALSE(parser->parseMachineFunctions(*module, info->getMMI())) << text;
  std::vector<std::string> names;
  llvm::legacy::PassManager passes;
  passes.add(info);
  passes.add(make_compare_pass());
  passes.run(*module);
  const llvm::MachineFunction* function = info->getMMI().getMachineFunction(*module->getFunction("f"));
  const auto* instructions = function->getSubtarget().getInstrInfo();
  for (const llvm::MachineInstr& one : *function->begin())
    names.push_back(instructions->getName(one.getOpcode()).str());
  names.resize(2);
  return names;
}

TEST(FusedCompares, PassCopiesAndSpills) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(order("CMP64rr $rax, $rcx, implicit-def $eflags", "$rdx = MOV64rr $rcx"), (Names{"MOV64rr", "CMP64rr"}));
  EXPECT_EQ(order(poll, "$xmm1 = VMOVAPDrr $xmm2"), (Names{"VMOVAPDrr", "CMP32mi"}));
  EXPECT_EQ(order(poll, "MOV64mr $rsp, 1, $noreg, 16, $noreg, $rax :: (store (s64) into %stack.0)"),
            (Names{"MOV64mr", "CMP32mi"}));
}

struct Kept {
  const char* name;
  std::string comparison, between;
};

const Kept kept[] = {
    {"what_it_compares_changes", "CMP64rr $rax, $rcx, implicit-def $eflags", "$rcx = MOV64rr $rdx"},
    {"a_part_of_it_changes", "CMP64rr $rax, $rcx, implicit-def $eflags", "$cl = MOV8ri 1"},
    {"its_flags_are_read", "CMP64rr $rax, $rcx, implicit-def $eflags", "$dl = SETCCr 4, implicit $eflags"},
    {"its_address_changes", poll, "$r13 = MOV64rr $rdx"},
    {"its_slot_is_stored_to",
     "CMP64mr $rsp, 1, $noreg, 16, $noreg, $rcx, implicit-def $eflags :: (load (s64) from %stack.0)",
     "MOV64mr $rsp, 1, $noreg, 16, $noreg, $rax :: (store (s64) into %stack.0)"},
    {"one_of_two_slots_is_stored_to", "CMP64mr $rsp, 1, $noreg, 16, $noreg, $rcx, implicit-def $eflags" + slots,
     "MOV64mr $rsp, 1, $noreg, 16, $noreg, $rax :: (store (s64) into %stack.0)"},
    {"what_it_reads_is_not_known", "CMP64mr $rsp, 1, $noreg, 16, $noreg, $rcx, implicit-def $eflags",
     "MOV64mr $rsp, 1, $noreg, 16, $noreg, $rax :: (store (s64) into %stack.0)"},
    {"the_guest_stores", poll, "MOV64mr $rdi, 1, $noreg, 0, $noreg, $rax :: (store (s64) into %ir.guest)"},
    {"another_volatile_load", poll,
     "$rdx = MOV64rm $rdi, 1, $noreg, 0, $noreg :: (volatile load (s64) from %ir.guest)"},
};

TEST(FusedCompares, StayBeforeWhatMatters) {
  for (const Kept& one : kept) {
    std::string opcode = one.comparison.substr(0, one.comparison.find(' '));
    EXPECT_EQ(order(one.comparison, one.between)[0], opcode) << one.name;
  }
}

}  // namespace
}  // namespace ferry::optimizer
