// A function of LLVM's IR that a pass is to change: it is run before and after by LLVM's interpreter, on many inputs, and stores the same.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "llvm/AsmParser/Parser.h"
#include "llvm/ExecutionEngine/GenericValue.h"
#include "llvm/ExecutionEngine/Interpreter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Scalar/ADCE.h"

#include "guest/types.h"
#include "translator/optimizer/cold_code.h"
#include "translator/optimizer/loop_entries.h"
#include "translator/optimizer/loop_exits.h"

namespace ferry::optimizer {

using Inputs = std::array<u64, 3>;
using Outputs = std::array<u64, 4>;

// void @f(ptr %out, i64 %a, i64 %b, i64 %c)
class Shape {
 public:
  explicit Shape(const std::string& text) {
    llvm::SMDiagnostic problem;
    module_ = llvm::parseAssemblyString(text, problem, context_);
    EXPECT_TRUE(module_ != nullptr) << problem.getMessage().str() << " line " << problem.getLineNo();
  }

  llvm::Function& function() { return *module_->getFunction("f"); }
  bool good() const { return module_ != nullptr; }

  void move() { apply(ColdCodePass()); }
  void move_out_of_loops() { apply(LoopExitsPass()); }
  void split_loop_entries() { apply(LoopEntriesPass()); }
  void split_loop_entries_and_move() { split_loop_entries(), move(); }

  template <class Pass>
  void apply(Pass pass) {
    llvm::PassBuilder builder;
    llvm::FunctionAnalysisManager analyses;
    builder.registerFunctionAnalyses(analyses);
    llvm::FunctionPassManager passes;
    passes.addPass(std::move(pass));
    passes.addPass(llvm::ADCEPass());
    passes.run(function(), analyses);
    std::string problem;
    llvm::raw_string_ostream stream(problem);
    EXPECT_FALSE(llvm::verifyFunction(function(), &stream)) << problem;
  }

  int count(const std::function<bool(const llvm::Instruction&)>& wanted, bool cold) {
    int result = 0;
    for (llvm::Instruction& instruction : llvm::instructions(function()))
      result += is_cold(*instruction.getParent()) == cold && wanted(instruction);
    return result;
  }
  int count(unsigned opcode, bool cold) {
    return count([opcode](const llvm::Instruction& i) { return i.getOpcode() == opcode; }, cold);
  }

  // Uses the module up.
  std::unique_ptr<llvm::ExecutionEngine> interpreter() {
    stand_in_for_accesses();
    std::string problem;
    auto* engine = llvm::EngineBuilder(std::move(module_))
                       .setEngineKind(llvm::EngineKind::Interpreter)
                       .setErrorStr(&problem)
                       .create();
    EXPECT_NE(engine, nullptr) << problem;
    return std::unique_ptr<llvm::ExecutionEngine>(engine);
  }

 private:
  // The interpreter knows no callbr. An access at %c faults, and what is anywhere else comes of where it is.
  void stand_in_for_accesses() {
    for (llvm::BasicBlock& block : function()) {
      auto* access = llvm::dyn_cast<llvm::CallBrInst>(block.getTerminator());
      if (access == nullptr) continue;
      llvm::IRBuilder<> builder(access);
      llvm::Value* address = builder.CreatePtrToInt(access->getArgOperand(0), builder.getInt64Ty());
      access->replaceAllUsesWith(builder.CreateMul(address, builder.getInt64(7)));
      builder.CreateCondBr(builder.CreateICmpEQ(address, function().getArg(3)), access->getIndirectDest(0),
                           access->getDefaultDest());
      access->eraseFromParent();
    }
  }

  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
};

inline Outputs run(llvm::ExecutionEngine& engine, const Inputs& inputs) {
  Outputs outputs{};
  std::vector<llvm::GenericValue> arguments(4);
  arguments[0] = llvm::PTOGV(outputs.data());
  for (size_t i = 0; i < inputs.size(); i++) arguments[i + 1].IntVal = llvm::APInt(64, inputs[i]);
  engine.runFunction(engine.FindFunctionNamed("f"), arguments);
  return outputs;
}

inline constexpr u64 values[] = {0, 1, 2, 3, 5, 7, 100, 255, 256, 299, 300, 0x7ff4000000000000, ~u64{0}};

inline void expect_same(const std::string& text, void (Shape::*move)() = &Shape::move) {
  Shape before(text), after(text);
  ASSERT_TRUE(before.good());
  (after.*move)();
  auto original = before.interpreter(), moved = after.interpreter();
  for (u64 a : values) {
    for (u64 b : values) {
      for (u64 c : {u64{0}, u64{1}, u64{9}})
        EXPECT_EQ(run(*original, {a, b, c}), run(*moved, {a, b, c})) << a << " " << b << " " << c;
    }
  }
}

}  // namespace ferry::optimizer
