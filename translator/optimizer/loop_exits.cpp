#include "translator/optimizer/loop_exits.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Instructions.h"

#include "translator/optimizer/cold_code.h"

namespace ferry::optimizer {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::PHINode;

namespace {

// A way out of a loop, into a block that has others.
class Exit {
 public:
  Exit(const llvm::Loop& loop, BasicBlock& from, BasicBlock& to) : loop_(loop), from_(from), to_(to) {}

  // Whether anything was moved.
  bool move() {
    for (PHINode& phi : to_.phis()) {
      if (auto* value = movable(*phi.getIncomingValueForBlock(last()))) sink(*value);
    }
    return between_ != nullptr;
  }

 private:
  // Of the loop, and used only by phis at this way out and by what has been moved there.
  Instruction* movable(llvm::Value& value) {
    auto* instruction = llvm::dyn_cast<Instruction>(&value);
    if (instruction == nullptr || !loop_.contains(instruction) || !is_pure(*instruction)) return nullptr;
    bool is_only_wanted_outside = llvm::all_of(instruction->uses(), [&](const llvm::Use& use) {
      auto* user = llvm::cast<Instruction>(use.getUser());
      auto* phi = llvm::dyn_cast<PHINode>(user);
      if (phi == nullptr) return user->getParent() == between_;
      return phi->getParent() == &to_ && phi->getIncomingBlock(use) == last();
    });
    return is_only_wanted_outside ? instruction : nullptr;
  }

  void sink(Instruction& value) {
    if (between_ == nullptr) split();
    value.moveBefore(&*between_->begin());
    for (llvm::Value* operand : value.operands()) {
      if (auto* instruction = movable(*operand)) sink(*instruction);
    }
  }

  void split() {
    between_ = BasicBlock::Create(to_.getContext(), "", to_.getParent(), &to_);
    llvm::BranchInst::Create(&to_, between_)->setDebugLoc(from_.getTerminator()->getDebugLoc());
    from_.getTerminator()->replaceSuccessorWith(&to_, between_);
    to_.replacePhiUsesWith(&from_, between_);
  }

  const BasicBlock* last() const { return between_ != nullptr ? between_ : &from_; }

  const llvm::Loop& loop_;
  BasicBlock &from_, &to_;
  BasicBlock* between_ = nullptr;
};

}  // namespace

llvm::PreservedAnalyses LoopExitsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  bool changed = false;
  for (const llvm::Loop* loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder()) {
    llvm::SmallVector<std::pair<BasicBlock*, BasicBlock*>, 8> edges;
    loop->getExitEdges(edges);
    for (auto [from, to] : edges) {
      auto* branch = llvm::dyn_cast<llvm::BranchInst>(from->getTerminator());
      if (branch == nullptr || !branch->isConditional() || branch->getSuccessor(0) == branch->getSuccessor(1)) continue;
      changed |= Exit(*loop, *from, *to).move();
    }
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace ferry::optimizer
