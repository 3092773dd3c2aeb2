#include "translator/optimizer/loop_entries.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"
#include "translator/optimizer/cold_code.h"

namespace ferry::optimizer {

using llvm::BasicBlock;
using llvm::CallBrInst;
using llvm::Instruction;
using llvm::PHINode;
using llvm::Value;

namespace {

constexpr size_t max_accesses = 4;       // to make twice
constexpr size_t max_instructions = 24;  // likewise, fault edges aside

class Entry {
 public:
  explicit Entry(const llvm::Loop& loop) : loop_(loop), header_(*loop.getHeader()) {}

  // Whether anything was changed.
  bool split() {
    if (header_.hasAddressTaken()) return false;  // control may come to it from an indirectbr
    for (BasicBlock* from : llvm::predecessors(&header_)) {
      if (!loop_.contains(from) && !llvm::is_contained(outside_, from)) outside_.push_back(from);
    }
    if (outside_.empty() || !find_accesses()) return false;
    rest_ = last().getDefaultDest();
    make_twice();
    enter_by_copy();
    join();
    leave_to_latches();
    return true;
  }

 private:
  CallBrInst& last() const { return *llvm::cast<CallBrInst>(blocks_.back()->getTerminator()); }

  // The accesses at the loop's beginning, as far as those whose edges depend on how it was come to. Nothing else leads to what follows
  // them: all of an innermost loop is come to through its header, and their edges lead nowhere.
  bool find_accesses() {
    size_t wanted = 0, instructions = 0;
    for (BasicBlock* block = &header_; blocks_.size() < max_accesses;) {
      auto* access = llvm::dyn_cast<CallBrInst>(block->getTerminator());
      if (access == nullptr || access->getNumIndirectDests() != 1) break;
      BasicBlock *edge = access->getIndirectDest(0), *next = access->getDefaultDest();
      if (next == &header_ || llvm::isa<PHINode>(next->front())) break;
      instructions += block->size();
      if (instructions - count_phis() > max_instructions || !is_private(*edge, *block)) break;
      blocks_.push_back(block);
      edges_.push_back(edge);
      if (depends_on_way(*edge)) wanted = blocks_.size();
      block = next;
    }
    blocks_.truncate(wanted);
    edges_.truncate(wanted);
    return wanted != 0;
  }

  size_t count_phis() const { return static_cast<size_t>(std::distance(header_.phis().begin(), header_.phis().end())); }

  static bool is_private(const BasicBlock& edge, const BasicBlock& from) {
    return edge.getSinglePredecessor() == &from && llvm::succ_empty(&edge) && !llvm::isa<PHINode>(edge.front());
  }

  // Whether the edge wants something of which the loop itself only carries what it was, for such edges. What an access of the time before
  // has loaded is carried in any case: the next is in another register until it is there.
  bool depends_on_way(const BasicBlock& edge) const {
    return llvm::any_of(header_.phis(), [&](const PHINode& phi) {
      if (!brings_more_than_loads(phi)) return false;
      bool is_wanted = false;
      for (const llvm::User* user : phi.users()) {
        const BasicBlock* block = llvm::cast<Instruction>(user)->getParent();
        if (!is_cold(*block)) return false;
        is_wanted |= block == &edge;
      }
      return is_wanted;
    });
  }

  bool brings_more_than_loads(const PHINode& phi) const {
    return llvm::any_of(phi.blocks(), [&](const BasicBlock* from) {
      return loop_.contains(from) && !llvm::isa<CallBrInst>(phi.getIncomingValueForBlock(from));
    });
  }

  void make_twice() {
    llvm::Function& function = *header_.getParent();
    llvm::SmallVector<BasicBlock*, 8> copies;
    for (BasicBlock* block : llvm::concat<BasicBlock*>(blocks_, edges_)) {
      BasicBlock* copy = llvm::CloneBasicBlock(block, copies_, "", &function);
      copies_[block] = copy;
      copies.push_back(copy);
    }
    // Behind the last, as what an access loads is there only behind it.
    before_rest_ = BasicBlock::Create(function.getContext(), "", &function, rest_);
    llvm::BranchInst::Create(rest_, before_rest_)->setDebugLoc(last().getDebugLoc());
    for (BasicBlock* copy : copies) {
      for (Instruction& instruction : *copy)
        llvm::RemapInstruction(&instruction, copies_, llvm::RF_NoModuleLevelChanges | llvm::RF_IgnoreMissingLocals);
    }
    llvm::cast<CallBrInst>(copy_of(*blocks_.back()).getTerminator())->setDefaultDest(before_rest_);
  }

  BasicBlock& copy_of(BasicBlock& block) { return *llvm::cast<BasicBlock>(copies_[&block]); }

  // The copy keeps what comes from outside, the loop the rest.
  void enter_by_copy() {
    BasicBlock& entry = copy_of(header_);
    for (BasicBlock* from : outside_) from->getTerminator()->replaceSuccessorWith(&header_, &entry);
    for (PHINode& phi : entry.phis()) {
      phi.removeIncomingValueIf([&](unsigned i) { return loop_.contains(phi.getIncomingBlock(i)); }, false);
    }
  }

  // What the accesses' blocks compute is the copy's or the loop's where the two meet.
  void join() {
    for (BasicBlock* block : blocks_) {
      for (Instruction& value : *block) {
        llvm::SmallVector<llvm::Use*, 8> uses;
        for (llvm::Use& use : value.uses()) {
          if (is_beyond(use)) uses.push_back(&use);
        }
        if (uses.empty()) continue;
        PHINode* both = PHINode::Create(value.getType(), 2, "", rest_->begin());
        both->addIncoming(&value, blocks_.back());
        both->addIncoming(copies_[&value], before_rest_);
        for (llvm::Use* use : uses) use->set(both);
      }
    }
  }

  bool is_beyond(const llvm::Use& use) const {
    const auto& user = *llvm::cast<Instruction>(use.getUser());
    if (user.getParent() == &header_ && llvm::isa<PHINode>(user)) return true;  // at a latch
    if (user.getParent() == rest_ && llvm::isa<PHINode>(user)) return false;    // where they meet
    return !llvm::is_contained(blocks_, user.getParent()) && !llvm::is_contained(edges_, user.getParent());
  }

  void leave_to_latches() {
    for (PHINode& phi : llvm::make_early_inc_range(header_.phis())) {
      phi.removeIncomingValueIf([&](unsigned i) { return !loop_.contains(phi.getIncomingBlock(i)); }, false);
      fold(phi);
    }
    for (PHINode& phi : llvm::make_early_inc_range(copy_of(header_).phis())) fold(phi);
  }

  static void fold(PHINode& phi) {
    if (phi.getNumIncomingValues() != 1 || phi.getIncomingValue(0) == &phi) return;
    phi.replaceAllUsesWith(phi.getIncomingValue(0));
    phi.eraseFromParent();
  }

  const llvm::Loop& loop_;
  BasicBlock& header_;
  llvm::SmallVector<BasicBlock*, 4> outside_;                    // where the loop is come to from
  llvm::SmallVector<BasicBlock*, max_accesses> blocks_, edges_;  // of the accesses
  BasicBlock *rest_ = nullptr, *before_rest_ = nullptr;
  llvm::ValueToValueMapTy copies_;
};

}  // namespace

llvm::PreservedAnalyses LoopEntriesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  bool changed = false;
  for (const llvm::Loop* loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder()) {
    if (loop->isInnermost()) changed |= Entry(*loop).split();
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace ferry::optimizer
