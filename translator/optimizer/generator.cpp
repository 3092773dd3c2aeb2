#include "translator/optimizer/generator.h"

#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/Support/CommandLine.h"
#include "translator/optimizer/accesses.h"
#include "translator/optimizer/frame.h"
#include "translator/optimizer/fused_compares.h"

namespace ferry::optimizer {

namespace {

// By their names. What some of them would ask for first, above all frequencies of blocks and trees of dominators, takes longer than
// they do.
constexpr llvm::StringLiteral left_out[] = {
    // For what regions do not have: wide division, calls that return, libraries, garbage collection, exceptions, tiles, threads'
    // variables, frames of variable size.
    "Expand large div/rem",
    "Expand large fp convert",
    "Lower AMX intrinsics",
    "Lower AMX type for load/store",
    "Merge contiguous icmps into a memcmp",
    "Expand memcmp() to load/stores",
    "Lower Garbage Collection Instructions",
    "Shadow Stack GC Lowering",
    "Replace intrinsics with calls to vector library",
    "Partially inline calls to library functions",
    "Expand vector predication intrinsics",
    "Scalarize Masked Memory Intrinsics",
    "TLS Variable Hoist",
    "Interleaved Access Pass",
    "X86 Partial Reduction",
    "Exception handling preparation",
    "Safe Stack instrumentation pass",
    "Local Dynamic TLS Access Clean-up",
    "Argument Stack Rebase",
    "Merge disjoint stack slots",
    "Local Stack Slot Allocation",
    "X86 Optimize Call Frame",
    "X86 DynAlloca Expander",
    "Tile Register Pre-configure",
    "Tile Register Configure",
    "X86 Lower Tile Copy",
    "Fixup Statepoint Caller Saved",
    "Shrink Wrapping analysis",
    "Analyze Machine Code For Garbage Collection",
    "Contiguously Lay Out Funclets",
    "StackMap Liveness Analysis",
    // What nobody has asked for.
    "Instrument function entry/exit with calls to e.g. mcount() (post inlining)",
    "Expand indirectbr instructions",
    "X86 speculative load hardening",
    "X86 Load Value Injection (LVI) Load Hardening",
    "X86 Load Value Injection (LVI) Ret-Hardening",
    "X86 Speculative Execution Side Effect Suppression",
    "X86 Return Thunks",
    "X86 Indirect Thunks",
    "X86 Indirect Branch Tracking",
    "Insert KCFI indirect call checks",
    "Insert fentry calls",
    "Insert XRay ops",
    "Implement the 'patchable-function' attribute",
    "X86 Discriminate Memory Operands",
    "X86 Insert Cache Prefetches",
    "X86 Atom pad short functions",
    "Machine Sanitizer Binary Metadata",
    "Pseudo Probe Inserter",
    "Check CFA info and insert CFI instructions if needed",
    "Remove Redundant DEBUG_VALUE analysis",
    "Live DEBUG_VALUE analysis",
    "Stack Frame Layout Analysis",
    "Register Allocation Pass Scoring",
    // What gains nothing where blocks are small: moving integers to AVX-512 mask registers, scheduling for a processor that reorders
    // by itself, looking once more for what the passes over the IR have found.
    "X86 Domain Reassignment Pass",
    "Machine Instruction Scheduler",
    "Post RA top-down list latency scheduler",
    "Constant Hoisting",
    "Early Tail Duplication",
    "Tail Duplication",
    "Early If-Conversion",
    "Machine InstCombiner",
    "X86 Avoid Store Forwarding Blocks",
    "Live Range Shrink",
    "PostRA Machine Sink",
    "Machine Copy Propagation Pass",
};

// Takes all passes but those.
class Chooser : public llvm::legacy::PassManagerBase {
 public:
  explicit Chooser(llvm::legacy::PassManager& to) : to_(to) {}

  void add(llvm::Pass* pass) override {
    if (llvm::is_contained(left_out, pass->getPassName()))
      delete pass;
    else
      to_.add(pass);
  }

 private:
  llvm::legacy::PassManager& to_;
};

}  // namespace

// No strength reduction in loops: the guest's compiler has done it, and once more it makes two of one counter for what only a fault or
// an exit wants to know. And ends of blocks that are alike are not looked for among all pairs of the many that end with a trap.
void choose_passes() {
  for (const auto& [name, value] : {std::pair{"disable-lsr", "true"}, {"tail-merge-threshold", "20"}}) {
    auto option = llvm::cl::getRegisteredOptions().find(name);
    if (option == llvm::cl::getRegisteredOptions().end()) continue;
    option->second->addOccurrence(0, name, value);
  }
}

// What TargetMachine::addPassesToEmitFile() adds, and passes of our own: frame.h, and fused_compares.h and accesses.h when all else is done.
bool add_generator(llvm::legacy::PassManager& to, llvm::TargetMachine& machine, llvm::raw_pwrite_stream& stream) {
  auto& target = static_cast<llvm::LLVMTargetMachine&>(machine);
  Chooser chosen(to);
  auto* info = new llvm::MachineModuleInfoWrapperPass(&target);
  llvm::TargetPassConfig* config = target.createPassConfig(chosen);
  config->setDisableVerify(true);
  to.add(config);
  to.add(info);
  if (config->addISelPasses()) return false;
  to.add(make_frame_pass());
  config->insertPass(&llvm::PrologEpilogCodeInserterID, make_no_prologue_pass());
  config->addMachinePasses();
  to.add(make_compare_pass());
  to.add(make_access_pass());
  config->setInitialized();
  if (target.addAsmPrinter(to, stream, nullptr, llvm::CodeGenFileType::ObjectFile, info->getMMI().getContext()))
    return false;
  to.add(llvm::createFreeMachineFunctionPass());
  return true;
}

}  // namespace ferry::optimizer
