#include "translator/optimizer/compile.h"

#include <time.h>

#include "llvm/Analysis/AliasAnalysis.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/BasicAliasAnalysis.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/OptimizationRemarkEmitter.h"
#include "llvm/Analysis/PostDominators.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/PassInstrumentation.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/ADCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include "llvm/Transforms/Utils/Mem2Reg.h"

#include "guest/check.h"  // after LLVM's headers, which use the name
#include "translator/optimizer/addresses.h"
#include "translator/optimizer/cold_code.h"
#include "translator/optimizer/comparisons.h"
#include "translator/optimizer/fault_states.h"
#include "translator/optimizer/generator.h"
#include "translator/optimizer/lanes.h"
#include "translator/optimizer/lift.h"
#include "translator/optimizer/listing.h"
#include "translator/optimizer/loop_entries.h"
#include "translator/optimizer/loop_exits.h"
#include "translator/optimizer/nan_checks.h"
#include "translator/optimizer/pack.h"
#include "translator/optimizer/target.h"

namespace ferry::optimizer {

namespace {

u64 cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

struct HostProcessor {
  std::string name, features;
};

// Asked once: each question (CPUID) may be a hypervisor's to answer. The optimiser asks before it forks its compilers (run_optimizer()).
const HostProcessor& host_processor() {
  static const HostProcessor processor = [] {
    HostProcessor result{llvm::sys::getHostCPUName().str(), {}};
    for (const auto& feature : llvm::sys::getHostCPUFeatures()) {
      if (!result.features.empty()) result.features += ',';
      result.features += feature.second ? '+' : '-';
      result.features += feature.first();
    }
    return result;
  }();
  return processor;
}

std::unique_ptr<llvm::TargetMachine> make_target_machine() {
  std::string error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(target_triple, error);
  check(target != nullptr);
  llvm::TargetOptions options;
  options.UniqueSectionNames = false;
  options.EmitAddrsig = false;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(target_triple, host_processor().name, host_processor().features, options,
                                  llvm::Reloc::PIC_, llvm::CodeModel::Small, llvm::CodeGenOptLevel::Less));
}

// Prints the module for people to read; false when it is not well-formed.
bool list(const llvm::Module& module, std::string& text, std::string& why) {
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  llvm::raw_string_ostream reason(why);
  return !llvm::verifyModule(module, &reason);
}

}  // namespace

struct Compiler::State {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::optional<SemanticsLibrary> semantics;
  llvm::FunctionAnalysisManager functions;
  llvm::ModuleAnalysisManager modules;
  llvm::FunctionPassManager passes;
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream{object};
  std::optional<llvm::legacy::PassManager> generator;
  std::string loader;  // its code

  State() : machine(make_target_machine()) {
    semantics.emplace(context);
    register_analyses();
    passes.addPass(llvm::PromotePass());
    passes.addPass(llvm::EarlyCSEPass());
    passes.addPass(llvm::InstCombinePass(llvm::InstCombineOptions().setVerifyFixpoint(false)));
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(LoopEntriesPass());
    passes.addPass(NanChecksPass());
    passes.addPass(LanesPass());
    passes.addPass(ColdCodePass());
    passes.addPass(AddressesPass());
    passes.addPass(llvm::ADCEPass());
    passes.addPass(LoopExitsPass());
    passes.addPass(QuietComparisonsPass());
  }

  // What these passes ask for. llvm::PassBuilder would do, but it knows all of LLVM's passes and so brings them along, with the options
  // that each registers before main(). What passes use only where it is there already is left out, and so is what knows about aliases from
  // metadata: the bitcode has none.
  void register_analyses() {
    modules.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
    functions.registerPass([&] { return llvm::ModuleAnalysisManagerFunctionProxy(modules); });
    functions.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
    functions.registerPass([] {
      llvm::AAManager aliases;
      aliases.registerFunctionAnalysis<llvm::BasicAA>();
      return aliases;
    });
    functions.registerPass([] { return llvm::BasicAA(); });
    functions.registerPass([] { return llvm::AssumptionAnalysis(); });
    functions.registerPass([] { return llvm::DominatorTreeAnalysis(); });
    functions.registerPass([] { return llvm::PostDominatorTreeAnalysis(); });
    functions.registerPass([] { return llvm::LoopAnalysis(); });
    functions.registerPass([] { return llvm::OptimizationRemarkEmitterAnalysis(); });
    functions.registerPass([] { return llvm::TargetLibraryAnalysis(); });
    functions.registerPass([&] { return machine->getTargetIRAnalysis(); });
  }

  void optimise(llvm::Function& function) {
    passes.run(function, functions);
    functions.clear();
    modules.clear();
  }

  // The object file of a module with debugging information, which the generator that is kept does not see.
  std::optional<llvm::StringRef> generate_once(llvm::Module& module) {
    llvm::legacy::PassManager once;
    object.clear();
    if (!add_generator(once, *machine, stream)) return std::nullopt;
    once.run(module);
    return llvm::StringRef(object.data(), object.size());
  }

  // A region's loader is the same in all, and made once. False when it cannot be.
  bool take_loader(llvm::Module& module) {
    llvm::Function* function = module.getFunction(loader_symbol);
    function->removeFromParent();
    llvm::Module alone(loader_symbol, context);
    alone.setDataLayout(module.getDataLayout());
    alone.setTargetTriple(target_triple);
    alone.getFunctionList().push_back(function);
    if (!loader.empty()) return true;
    if (auto made = generate(alone)) loader = code_of(*made);
    return !loader.empty();
  }

  // The object file, valid until the next.
  std::optional<llvm::StringRef> generate(llvm::Module& module) {
    if (!generator) {
      generator.emplace();
      if (!add_generator(*generator, *machine, stream)) return std::nullopt;
    }
    object.clear();
    generator->run(module);
    return llvm::StringRef(object.data(), object.size());
  }
};

Compiler::Compiler() {
#if defined(__x86_64__)
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
#else
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
#endif
  choose_passes();
  state_ = std::make_unique<State>();
}

Compiler::~Compiler() = default;

std::string Compiler::host_description() {
  return std::string("llvm-") + LLVM_VERSION_STRING + " " + host_processor().name + " " + host_processor().features;
}

std::optional<Region> Compiler::compile(const Request& request, std::string& why, CompileTimes* times,
                                        Listing* listing) {
  u64 start = cpu_ns();
  bool listed = listing != nullptr && listing->wanted;
  auto lifted = lift(request, *state_->semantics, state_->machine->createDataLayout(), listed, why);
  if (!lifted) return std::nullopt;
  for (llvm::Function& function : *lifted->module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr("target-cpu", state_->machine->getTargetCPU());
    function.addFnAttr("target-features", state_->machine->getTargetFeatureString());
  }
  if (listed && !list(*lifted->module, listing->before, why)) return std::nullopt;
  u64 after_lift = cpu_ns();
  state_->optimise(*lifted->function);
  settle_fault_states(*lifted->function, lifted->faults);
  if (listed && !list(*lifted->module, listing->after, why)) return std::nullopt;
  // The constrained intrinsics are strict by themselves; with the attribute X86 would put a WAIT after every access.
  lifted->function->removeFnAttr(llvm::Attribute::StrictFP);
  u64 after_optimise = cpu_ns();
  if (!state_->take_loader(*lifted->module)) return why = "LLVM cannot make the loader", std::nullopt;
  auto object = listed ? state_->generate_once(*lifted->module) : state_->generate(*lifted->module);
  if (!object) return why = "LLVM cannot generate code here", std::nullopt;
  u64 after_generate = cpu_ns();
  Region region;
  size_t text_end = 0;
  if (!pack(*object, state_->loader, *lifted, region, text_end, why)) return std::nullopt;
  region.stretches = request.stretches;
  region.instructions = lifted->instructions;
  if (listed) listing->code = side_by_side(request, region, text_end);
  if (times != nullptr)
    *times = {after_lift - start, after_optimise - after_lift, after_generate - after_optimise,
              cpu_ns() - after_generate};
  return region;
}

}  // namespace ferry::optimizer
