#include "translator/optimizer/cold_code.h"

#include <map>
#include <unordered_set>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"

#include "guest/types.h"

namespace ferry::optimizer {

using llvm::BasicBlock;
using llvm::Instruction;
using llvm::PHINode;
using llvm::Value;

namespace {
bool leaves(const BasicBlock& block) {
  return llvm::isa<llvm::ReturnInst, llvm::UnreachableInst>(block.getTerminator());
}
}  // namespace

bool is_cold(const BasicBlock& block) {
  const BasicBlock* last = &block;
  for (int i = 0; i < 3 && !leaves(*last); i++) {
    const BasicBlock* next = last->getUniqueSuccessor();
    if (next == nullptr) break;
    if (llvm::isa<PHINode>(next->front())) return false;
    last = next;
  }
  if (leaves(*last)) return true;
  // One of several ways out of the region is taken there.
  return llvm::isa<llvm::BranchInst>(last->getTerminator()) &&
         llvm::all_of(llvm::successors(last), [](const BasicBlock* next) {
           return next->getTerminatingMustTailCall() != nullptr && !llvm::isa<PHINode>(next->front());
         });
}

namespace {
// Arithmetic and conversions of floating point raise sticky flags that LLVM does not see. Comparisons do too: clone() sees to those.
bool raises_flags(const Instruction& instruction) {
  auto is_float = [](const Value* value) { return value->getType()->isFPOrFPVectorTy(); };
  if (llvm::isa<llvm::BinaryOperator>(instruction)) return is_float(&instruction);
  return llvm::isa<llvm::CastInst>(instruction) && !llvm::isa<llvm::BitCastInst>(instruction) &&
         (is_float(&instruction) || is_float(instruction.getOperand(0)));
}
}  // namespace

bool is_pure(const Instruction& instruction) {
  return !instruction.isTerminator() && !instruction.mayReadFromMemory() &&
         !llvm::isa<llvm::AllocaInst, llvm::FreezeInst, PHINode>(instruction) && !raises_flags(instruction) &&
         llvm::isSafeToSpeculativelyExecute(&instruction);
}

namespace {

constexpr int max_clones = 48;       // and choices, for one value in one block; beyond, it is left where it is
constexpr unsigned max_edges = 256;  // into one block, likewise: their numbers have eight bits

// A number as another type, or as a lane of a constant vector: who has the number has it.
bool is_widened(const Instruction& instruction) {
  if (llvm::isa<llvm::BitCastInst>(instruction)) return true;
  return llvm::isa<llvm::InsertElementInst>(instruction) && llvm::isa<llvm::Constant>(instruction.getOperand(0)) &&
         llvm::isa<llvm::Constant>(instruction.getOperand(2));
}

// The values of hot blocks that, directly or through each other, only cold blocks use.
class ColdValues {
 public:
  ColdValues(llvm::Function& function, const llvm::DominatorTree& dominators, const llvm::LoopInfo& loops)
      : dominators_(dominators) {
    llvm::SmallVector<const Instruction*, 64> excluded;
    for (BasicBlock& block : function) {
      if (is_cold(block)) continue;
      for (Instruction& instruction : block) {
        if (is_pure(instruction) || (llvm::isa<PHINode>(instruction) && loops.getLoopFor(&block) != nullptr))
          values_.insert(&instruction);
      }
    }
    for (const Value* value : values_) {
      if (has_hot_user(*value)) excluded.push_back(llvm::cast<Instruction>(value));
    }
    exclude(excluded);
    find_cycles(excluded);
    exclude(excluded);
    find_plain_phis(function, excluded);
    exclude(excluded);
  }

  bool contains(const Value* value) const { return values_.contains(value); }

 private:
  // Takes these out, and what they are computed from. Empties the list.
  void exclude(llvm::SmallVectorImpl<const Instruction*>& excluded) {
    while (!excluded.empty()) {
      const Instruction* value = excluded.pop_back_val();
      if (values_.erase(value) == 0) continue;
      for (const Value* operand : value->operands()) {
        if (contains(operand)) excluded.push_back(llvm::cast<Instruction>(operand));
      }
    }
  }

  // What depends on itself has to be computed each time around. Finds a value of each cycle.
  void find_cycles(llvm::SmallVectorImpl<const Instruction*>& found) const {
    llvm::DenseMap<const Value*, bool> on_path;                           // of those visited
    llvm::SmallVector<std::pair<const Instruction*, unsigned>, 32> path;  // with the operand to go on with
    auto visit = [&](const Value* value) {
      auto [known, added] = on_path.try_emplace(value, true);
      if (added)
        path.push_back({llvm::cast<Instruction>(value), 0});
      else if (known->second)
        found.push_back(llvm::cast<Instruction>(value));
    };
    for (const Value* start : values_) {
      if (!on_path.contains(start)) visit(start);
      while (!path.empty()) {
        auto& [value, next] = path.back();
        if (next == value->getNumOperands()) {
          on_path[value] = false;
          path.pop_back();
        } else if (const Value* operand = value->getOperand(next++); contains(operand)) {
          visit(operand);
        }
      }
    }
  }

  // A phi of what is in registers anyway is best left alone: to choose among them later takes the same and the number of an edge.
  // Unless the edges of its block are numbered for others, or two such phis can do with that number.
  void find_plain_phis(llvm::Function& function, llvm::SmallVectorImpl<const Instruction*>& found) const {
    llvm::SmallVector<const Instruction*, 64> computed;
    std::unordered_set<const Value*> choosing;
    for (BasicBlock& block : function) {
      for (Instruction& instruction : block) {
        if (contains(&instruction) && !llvm::isa<PHINode>(instruction)) computed.push_back(&instruction);
      }
    }
    while (!computed.empty()) {
      for (const llvm::User* user : computed.pop_back_val()->users()) {
        auto* phi = llvm::dyn_cast<PHINode>(user);
        if (phi != nullptr && contains(phi) && choosing.insert(phi).second) computed.push_back(phi);
      }
    }
    for (BasicBlock& block : function) {
      llvm::SmallVector<const PHINode*, 8> plain, free;
      bool is_numbered = false;
      for (PHINode& phi : block.phis()) {
        if (!contains(&phi)) continue;
        if (choosing.contains(&phi))
          is_numbered = true;
        else
          (needs_no_more_registers(phi) ? free : plain).push_back(&phi);
      }
      found.append(plain.begin(), plain.end());
      if (!is_numbered && free.size() < 2) found.append(free.begin(), free.end());
    }
  }

  // Whether all that the phi takes, but for one edge's, is there without it.
  bool needs_no_more_registers(const PHINode& phi) const {
    const BasicBlock* block = phi.getParent();
    int carried = 0;
    for (unsigned i = 0; i < phi.getNumIncomingValues() && carried < 2; i++) {
      auto* value = llvm::dyn_cast<Instruction>(phi.getIncomingValue(i));
      if (value == nullptr || dominators_.dominates(value, block)) continue;
      carried += llvm::none_of(block->phis(), [&](const PHINode& other) {
        return !contains(&other) && other.getIncomingValueForBlock(phi.getIncomingBlock(i)) == value;
      });
    }
    return carried < 2;
  }

  bool has_hot_user(const Value& value) const {
    for (const llvm::User* user : value.users()) {
      if (!contains(user) && !is_cold(*llvm::cast<Instruction>(user)->getParent())) return true;
    }
    return false;
  }

  const llvm::DominatorTree& dominators_;
  std::unordered_set<const Value*> values_;  // Instructions
};

// An edge into a block with phis.
struct Edge {
  BasicBlock* from;
  BasicBlock* to;
  bool operator<(const Edge& other) const { return std::tie(from, to) < std::tie(other.from, other.to); }
};
// A value as it was before these edges were taken, one after the other.
using Path = std::vector<Edge>;

// Computes cold values anew in a cold block.
class Mover {
 public:
  Mover(llvm::Function& function, const llvm::DominatorTree& dominators, const llvm::LoopInfo& loops)
      : dominators_(dominators), cold_(function, dominators, loops) {}

  void move_into(BasicBlock& block) {
    made_.clear();
    builder_.emplace(&*block.getFirstInsertionPt());
    for (Instruction& user : llvm::make_early_inc_range(block)) {
      // What the block's own phis take is wanted before it, on some of the ways to it.
      if (llvm::isa<PHINode>(user)) continue;
      for (llvm::Use& use : user.operands()) {
        auto* value = llvm::dyn_cast<Instruction>(use.get());
        bool is_from_before = value != nullptr && value->getParent() != &block;
        if (!is_from_before || !(cold_.contains(value) || is_widened(*value))) continue;
        budget_ = max_clones;
        if (Value* computed = compute(value, {})) use.set(computed);
      }
    }
  }

 private:
  // The value in the cold block; nullptr when it would be too much, or depends on more than the last time around.
  Value* compute(Value* value, const Path& path) {
    if (!llvm::isa<Instruction>(value)) return value;
    auto& instruction = llvm::cast<Instruction>(*value);
    Path needed = path;
    while (!needed.empty() && dominators_.dominates(&instruction, needed.front().to)) needed.erase(needed.begin());
    // A condition or a vector made of a number is computed again rather than kept in a register for a block that may never run.
    bool is_cheap = is_widened(instruction) || (value->getType()->isIntegerTy(1) && is_pure(instruction));
    if (!cold_.contains(value) && !is_cheap) return carry(value, needed);
    auto [made, added] = made_.try_emplace({value, needed}, nullptr);
    if (!added) return made->second;  // also nullptr, while it is being made: it depends on itself
    if (--budget_ < 0) return nullptr;
    Value* result =
        llvm::isa<PHINode>(instruction) ? choose(llvm::cast<PHINode>(instruction), needed) : clone(instruction, needed);
    made_[{value, needed}] = result;
    return result;
  }

  Value* clone(Instruction& instruction, const Path& path) {
    llvm::SmallVector<Value*, 4> operands;
    for (Value* operand : instruction.operands()) {
      Value* value = compute(operand, path);
      if (value == nullptr) return nullptr;
      operands.push_back(value);
    }
    if (llvm::isa<llvm::FCmpInst>(instruction) && !path.empty()) {
      // A comparison that the guest did not make must not raise a sticky flag: what would be compared may be anything.
      Value* made = was_taken(path);
      for (Value*& operand : operands)
        operand = builder_->CreateSelect(made, operand, llvm::Constant::getNullValue(operand->getType()));
    }
    Instruction* copy = instruction.clone();
    copy->dropUBImplyingAttrsAndMetadata();  // for what comes of an edge that was not taken may be poison
    for (unsigned i = 0; i < operands.size(); i++) copy->setOperand(i, operands[i]);
    builder_->Insert(copy);
    return copy;
  }

  // Whether control has come along all the edges. Beyond one that was not taken the numbers of those before it mean nothing.
  Value* was_taken(const Path& path) {
    Value* result = nullptr;
    for (Path rest = path; !rest.empty();) {
      Edge edge = rest.back();
      rest.pop_back();
      Path later(path.begin() + static_cast<i64>(rest.size()) + 1, path.end());
      PHINode* numbers = selector(edge.to);
      Value* taken = builder_->CreateICmpEQ(carry(numbers, later), numbers->getIncomingValueForBlock(edge.from));
      result = result == nullptr ? taken : builder_->CreateLogicalAnd(result, taken);
    }
    return result;
  }

  Value* choose(PHINode& phi, const Path& path) {
    BasicBlock* block = phi.getParent();
    if (phi.getNumIncomingValues() > max_edges) return nullptr;
    Value *first = nullptr, *result = nullptr, *which = nullptr;
    for (unsigned i = 0; i < phi.getNumIncomingValues(); i++) {
      Path longer{{phi.getIncomingBlock(i), block}};
      longer.insert(longer.end(), path.begin(), path.end());
      Value* value = compute(phi.getIncomingValue(i), longer);
      if (value == nullptr) return nullptr;
      if (first == nullptr) first = result = value;
      if (value == first) continue;
      if (--budget_ < 0) return nullptr;
      // The block's phis need not list its edges in one order.
      Value* number = selector(block)->getIncomingValueForBlock(phi.getIncomingBlock(i));
      if (which == nullptr) which = carry(selector(block), path);
      result = builder_->CreateSelect(builder_->CreateICmpEQ(which, number), value, result);
    }
    return result;
  }

  // The number of the edge by which control has come into the block. Edges from one block are one edge.
  PHINode* selector(BasicBlock* block) {
    PHINode*& result = selectors_[block];
    if (result == nullptr) {
      auto& model = llvm::cast<PHINode>(block->front());
      result = PHINode::Create(builder_->getInt8Ty(), model.getNumIncomingValues(), "", block->begin());
      for (BasicBlock* from : model.blocks())
        result->addIncoming(builder_->getInt8(static_cast<u8>(model.getBasicBlockIndex(from))), from);
    }
    return result;
  }

  // A hot value as it was before the edges of the path: through phis where the edge leads to another one.
  Value* carry(Value* value, const Path& path) {
    for (const Edge& edge : path) {
      auto* instruction = llvm::dyn_cast<Instruction>(value);
      if (instruction == nullptr || dominators_.dominates(instruction, edge.to)) continue;
      value = phi_of(value, edge);
    }
    return value;
  }

  // The phi that has the value when control comes by the edge; what it has otherwise does not matter.
  Value* phi_of(Value* value, const Edge& edge) {
    if (indexed_.insert(edge.to).second) {
      for (PHINode& phi : edge.to->phis()) {
        if (cold_.contains(&phi)) continue;
        for (unsigned i = 0; i < phi.getNumIncomingValues(); i++)
          phis_.try_emplace({phi.getIncomingValue(i), {phi.getIncomingBlock(i), edge.to}}, &phi);
      }
    }
    auto [found, added] = phis_.try_emplace({value, {edge.from, edge.to}}, nullptr);
    if (!added) return found->second;
    auto& model = llvm::cast<PHINode>(edge.to->front());
    PHINode* phi = PHINode::Create(value->getType(), model.getNumIncomingValues(), "", edge.to->begin());
    for (BasicBlock* from : model.blocks())
      phi->addIncoming(from == edge.from ? value : llvm::PoisonValue::get(value->getType()), from);
    return found->second = phi;
  }

  const llvm::DominatorTree& dominators_;
  ColdValues cold_;
  std::optional<llvm::IRBuilder<>> builder_;
  std::map<std::pair<Value*, Path>, Value*> made_;
  std::map<BasicBlock*, PHINode*> selectors_;
  llvm::DenseMap<std::pair<Value*, std::pair<BasicBlock*, BasicBlock*>>, PHINode*> phis_;  // by value and edge
  llvm::DenseSet<BasicBlock*> indexed_;                                                    // whose own phis these have
  int budget_ = 0;
};

}  // namespace

llvm::PreservedAnalyses ColdCodePass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  Mover mover(function, analyses.getResult<llvm::DominatorTreeAnalysis>(function),
              analyses.getResult<llvm::LoopAnalysis>(function));
  for (BasicBlock& block : function) {
    if (is_cold(block)) mover.move_into(block);
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace ferry::optimizer
