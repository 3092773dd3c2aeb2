#include "translator/optimizer/nan_checks.h"

#include <optional>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "translator/optimizer/lift.h"

namespace ferry::optimizer {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::PHINode;
using llvm::Value;
using namespace llvm::PatternMatch;

namespace {

// What keeps values alive until the check of the last of them.
constexpr size_t max_checks = 12;

// Whether a NaN among the operands makes a NaN of the result, in the same lane.
bool spreads_nans(const Value* value) {
  auto* call = llvm::dyn_cast<llvm::ConstrainedFPIntrinsic>(value);
  if (call == nullptr) return false;
  switch (call->getIntrinsicID()) {
    case llvm::Intrinsic::experimental_constrained_fadd:
    case llvm::Intrinsic::experimental_constrained_fsub:
    case llvm::Intrinsic::experimental_constrained_fmul:
    case llvm::Intrinsic::experimental_constrained_fdiv:
    case llvm::Intrinsic::experimental_constrained_fma:
    case llvm::Intrinsic::experimental_constrained_sqrt:
    case llvm::Intrinsic::experimental_constrained_fpext:
    case llvm::Intrinsic::experimental_constrained_fptrunc:
      return true;
    default:
      return false;
  }
}

// The end of a block: where `value` has a NaN, `fix` chooses which, and both go on in `rest`.
struct Check {
  BasicBlock *block, *fix, *rest;
  Value* value;
  llvm::SmallVector<Instruction*, 3> condition;  // what nothing else uses
};

// Whether the vector is `value`, or has it for its lowest lane.
bool is_made_of(const Value* vector, const Value* value) {
  while (vector != value) {
    if (auto* insert = llvm::dyn_cast<llvm::InsertElementInst>(vector)) {
      auto* lane = llvm::dyn_cast<llvm::ConstantInt>(insert->getOperand(2));
      if (lane == nullptr) return false;
      vector = insert->getOperand(lane->isZero() ? 1 : 0);
    } else if (auto* shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(vector)) {
      if (shuffle->getMaskValue(0) != 0) return false;
      vector = shuffle->getOperand(0);
    } else if (auto* cast = llvm::dyn_cast<llvm::BitCastInst>(vector)) {
      vector = cast->getOperand(0);
    } else {
      return false;
    }
  }
  return true;
}

// Whether the block has no effect but that a helper chooses the NaNs of `value`: then it may run where there are none, too.
bool only_chooses_nans(const BasicBlock& block, const Value* value) {
  static const std::string prefix = std::string(helper_prefix) + "ferry_a64_nans_";
  int helpers = 0;
  for (const Instruction& instruction : block) {
    auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    auto* callee = call == nullptr ? nullptr : llvm::dyn_cast<llvm::LoadInst>(call->getCalledOperand());
    if (callee != nullptr && callee->getPointerOperand()->getName().starts_with(prefix)) {
      if (!is_made_of(call->getArgOperand(call->arg_size() - 1), value)) return false;
      helpers++;
    } else if (instruction.mayHaveSideEffects()) {
      return false;
    }
  }
  return helpers == 1;
}

std::optional<Check> check_of(BasicBlock& block) {
  auto* branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
  if (branch == nullptr || !branch->isConditional()) return std::nullopt;
  Check result{&block, nullptr, nullptr, nullptr, {}};
  auto* condition = llvm::dyn_cast<Instruction>(branch->getCondition());
  unsigned when_nan = 0;
  llvm::ICmpInst::Predicate predicate;
  Value* lanes;
  if (condition != nullptr && match(condition, m_ICmp(predicate, m_OneUse(m_BitCast(m_Value(lanes))), m_Zero())) &&
      llvm::ICmpInst::isEquality(predicate)) {
    when_nan = predicate == llvm::ICmpInst::ICMP_EQ ? 1 : 0;
    result.condition = {condition, llvm::cast<Instruction>(condition->getOperand(0))};
    condition = llvm::dyn_cast<Instruction>(lanes);
  }
  auto* compare = llvm::dyn_cast_or_null<llvm::ConstrainedFPCmpIntrinsic>(condition);
  if (compare == nullptr || compare->getPredicate() != llvm::FCmpInst::FCMP_UNO) return std::nullopt;
  result.condition.push_back(compare);
  for (Instruction* part : result.condition) {
    if (!part->hasOneUse() || part->getParent() != &block) return std::nullopt;
  }
  result.value = compare->getArgOperand(0);
  if (compare->getArgOperand(1) != result.value || !spreads_nans(result.value)) return std::nullopt;
  result.fix = branch->getSuccessor(when_nan);
  result.rest = branch->getSuccessor(1 - when_nan);
  bool is_check = result.fix->getSinglePredecessor() == &block && result.fix->getSingleSuccessor() == result.rest &&
                  result.rest->hasNPredecessors(2) && only_chooses_nans(*result.fix, result.value);
  return is_check ? std::optional(result) : std::nullopt;
}

// May be done once more, if with another NaN: sticky flags are what they were.
bool may_be_repeated(const BasicBlock& block) {
  for (const Instruction& instruction : block) {
    if (instruction.isTerminator() || llvm::isa<llvm::ConstrainedFPIntrinsic>(instruction)) continue;
    if (instruction.mayHaveSideEffects() || instruction.mayReadFromMemory()) return false;
  }
  return true;
}

using Chain = llvm::SmallVector<Check, max_checks>;

// Makes a copy of what lies between the checks of a chain, which is to run when there are no NaNs; the original is for when there are.
class Merger {
 public:
  explicit Merger(const Chain& chain)
      : chain_(chain),
        hot_(chain.front().block),
        builder_(hot_->getContext()),
        join_(chain.back().rest),
        rest_(&*join_->getFirstInsertionPt()) {}

  void merge() {
    set_apart_original();
    for (size_t i = 1; i < chain_.size(); i++) copy(chain_[i]);
    for (const Check& check : chain_) values_.push_back(copied(check.value));
    branch();
    for (PHINode& phi : join_->phis()) phi.addIncoming(copied(phi.getIncomingValueForBlock(last_block())), hot_);
    for (size_t i = 1; i < chain_.size(); i++) {
      for (Instruction& instruction : *chain_[i].block) join_uses(instruction);
    }
    straighten_original();
  }

 private:
  // The original begins with the first check.
  void set_apart_original() {
    original_ = hot_->splitBasicBlock(hot_->getTerminator());
    hot_->getTerminator()->eraseFromParent();
    const auto& condition = chain_.front().condition;
    for (auto part = condition.rbegin(); part != condition.rend(); ++part)
      (*part)->moveBefore(original_->getTerminator());
    builder_.SetInsertPoint(hot_);
    chain_blocks_.insert(original_);
    for (size_t i = 0; i < chain_.size(); i++) {
      if (i > 0) chain_blocks_.insert(chain_[i].block);
      chain_blocks_.insert(chain_[i].fix);
    }
  }

  Value* copied(Value* value) const {
    auto found = copies_.find(value);
    return found == copies_.end() ? value : found->second;
  }

  // The block that ends with the last check; the first was split.
  BasicBlock* last_block() const { return chain_.back().block; }

  void copy(const Check& check) {
    for (Instruction& instruction : *check.block) {
      if (instruction.isTerminator() || llvm::is_contained(check.condition, &instruction)) continue;
      if (auto* phi = llvm::dyn_cast<PHINode>(&instruction)) {
        copies_[phi] = copied(phi->getIncomingValue(is_fix(phi->getIncomingBlock(0)) ? 1 : 0));
        continue;
      }
      Instruction* copy = instruction.clone();
      for (llvm::Use& operand : copy->operands()) operand.set(copied(operand.get()));
      builder_.Insert(copy);
      copies_[&instruction] = copy;
    }
  }

  bool is_fix(const BasicBlock* block) const {
    return llvm::any_of(chain_, [&](const Check& check) { return check.fix == block; });
  }

  // A NaN in the value is one in the result of a later operation, which is checked.
  bool is_checked_later(Value* value) const {
    return llvm::any_of(value->users(), [&](const llvm::User* user) {
      return spreads_nans(user) && llvm::is_contained(values_, user);
    });
  }

  // To the original when there is a NaN; two values of a type are checked in one comparison.
  void branch() {
    llvm::SmallVector<Value*, max_checks> wanted;
    for (Value* value : values_) {
      if (!is_checked_later(value)) wanted.push_back(value);
    }
    llvm::MDNode* likelihood = llvm::MDBuilder(builder_.getContext()).createBranchWeights(1, 2000);
    builder_.setIsFPConstrained(true);
    while (!wanted.empty()) {
      Value* one = wanted.pop_back_val();
      auto* partner = llvm::find_if(wanted, [&](Value* value) { return value->getType() == one->getType(); });
      Value* other = partner == wanted.end() ? one : *partner;
      if (partner != wanted.end()) wanted.erase(partner);
      Value* unordered = builder_.CreateConstrainedFPCmp(llvm::Intrinsic::experimental_constrained_fcmp,
                                                         llvm::FCmpInst::FCMP_UNO, one, other);
      if (auto* type = llvm::dyn_cast<llvm::FixedVectorType>(unordered->getType()))
        unordered =
            builder_.CreateIsNotNull(builder_.CreateBitCast(unordered, builder_.getIntNTy(type->getNumElements())));
      BasicBlock* next =
          wanted.empty() ? join_ : BasicBlock::Create(builder_.getContext(), "", hot_->getParent(), original_);
      builder_.CreateCondBr(unordered, original_, next, likelihood);
      if (next == join_) return;
      builder_.SetInsertPoint(hot_ = next);
    }
  }

  // What comes after the chain takes the value from where it comes from.
  void join_uses(Instruction& instruction) {
    for (llvm::Use& use : llvm::make_early_inc_range(instruction.uses())) {
      auto* user = llvm::cast<Instruction>(use.getUser());
      auto* phi = llvm::dyn_cast<PHINode>(user);
      if (joined_phis_.contains(phi)) continue;
      if (!chain_blocks_.contains(phi != nullptr ? phi->getIncomingBlock(use) : user->getParent()))
        use.set(joined(&instruction));
    }
  }

  Value* joined(Value* value) {
    auto* instruction = llvm::dyn_cast<Instruction>(value);
    if (instruction == nullptr || !copies_.contains(value)) return value;
    auto [found, added] = joined_.try_emplace(value, nullptr);
    if (!added) return found->second;
    Value* result;
    if (llvm::isa<llvm::InsertElementInst, llvm::BitCastInst>(instruction)) {
      // Made of what it was made of, rather than carried here: often only code that leaves the region wants it.
      Instruction* again = instruction->clone();
      for (llvm::Use& operand : again->operands()) operand.set(joined(operand.get()));
      again->insertBefore(rest_);
      result = again;
    } else {
      auto* phi = PHINode::Create(value->getType(), 3, "", join_->begin());
      for (BasicBlock* from : llvm::predecessors(join_)) phi->addIncoming(from == hot_ ? copied(value) : value, from);
      joined_phis_.insert(phi);
      result = phi;
    }
    return joined_[value] = result;
  }

  // It runs when there is a NaN somewhere. A helper leaves alone what is no NaN, so each is called without a check: the checks were a
  // third of the region's code.
  void straighten_original() {
    for (size_t i = 0; i < chain_.size(); i++) {
      const Check& check = chain_[i];
      BasicBlock* block = i == 0 ? original_ : check.block;
      for (PHINode& phi : check.rest->phis()) phi.removeIncomingValue(block, false);
      block->getTerminator()->eraseFromParent();
      llvm::BranchInst::Create(check.fix, block);
      for (Instruction* part : check.condition) part->eraseFromParent();
    }
    for (const Check& check : chain_) {
      llvm::MergeBlockIntoPredecessor(check.fix);
      if (check.rest != join_) llvm::MergeBlockIntoPredecessor(check.rest);
    }
  }

  Chain chain_;
  BasicBlock* hot_;  // its end
  llvm::IRBuilder<> builder_;
  BasicBlock* join_;
  Instruction* rest_;  // the first of the join that is not a phi
  BasicBlock* original_ = nullptr;
  llvm::SmallPtrSet<const BasicBlock*, 32> chain_blocks_;  // of the original
  llvm::DenseMap<Value*, Value*> copies_, joined_;
  llvm::SmallPtrSet<const PHINode*, 32> joined_phis_;
  llvm::SmallVector<Value*, max_checks> values_;
};

}  // namespace

llvm::PreservedAnalyses NanChecksPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  llvm::DenseMap<BasicBlock*, Check> checks;
  llvm::SmallPtrSet<BasicBlock*, 32> later;  // checks that go on a chain
  for (BasicBlock& block : function) {
    if (auto check = check_of(block)) checks.try_emplace(&block, *check);
  }
  for (auto& [block, check] : checks) {
    if (checks.contains(check.rest) && may_be_repeated(*check.rest)) later.insert(check.rest);
  }
  llvm::SmallVector<Chain, 8> chains;
  for (BasicBlock& block : function) {
    if (!checks.contains(&block) || later.contains(&block)) continue;
    Chain chain{checks.find(&block)->second};
    while (later.contains(chain.back().rest)) {
      const Check& next = checks.find(chain.back().rest)->second;
      if (chain.size() == max_checks) {
        chains.push_back(chain);
        chain.clear();
      }
      chain.push_back(next);
    }
    chains.push_back(chain);
  }
  bool changed = false;
  for (const Chain& chain : chains) {
    if (chain.size() < 2) continue;
    Merger(chain).merge();
    changed = true;
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace ferry::optimizer
