#include "translator/optimizer/lanes.h"

#include <map>

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "translator/optimizer/cold_code.h"

namespace ferry::optimizer {

using llvm::Instruction;
using llvm::PHINode;
using llvm::Type;
using llvm::Value;

namespace {

// The lowest lane with zeroes above it, made of a register in one instruction: what helpers are given.
bool clears_upper_lanes(const Instruction& instruction) {
  if (auto* insert = llvm::dyn_cast<llvm::InsertElementInst>(&instruction)) {
    auto* value = llvm::dyn_cast<llvm::Constant>(insert->getOperand(1));
    auto* index = llvm::dyn_cast<llvm::ConstantInt>(insert->getOperand(2));
    return insert->getType()->getElementCount().getFixedValue() == 2 && value != nullptr && value->isNullValue() &&
           index != nullptr && index->isOne();
  }
  auto* shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(&instruction);
  if (shuffle == nullptr || shuffle->getType() != shuffle->getOperand(0)->getType()) return false;
  auto* rest = llvm::dyn_cast<llvm::Constant>(shuffle->getOperand(1));
  if (rest == nullptr || shuffle->getMaskValue(0) != 0) return false;
  int lanes = static_cast<int>(shuffle->getShuffleMask().size());
  for (int lane = 1; lane < lanes; lane++) {
    int from = shuffle->getMaskValue(static_cast<unsigned>(lane));
    if (from < lanes) return false;
    llvm::Constant* element = rest->getAggregateElement(static_cast<unsigned>(from - lanes));
    if (element == nullptr || !element->isNullValue()) return false;
  }
  return true;
}

// The phis of whole vector registers of which hot code uses the lowest lane, always as the same type.
class Candidates {
 public:
  explicit Candidates(llvm::Function& function) {
    for (llvm::BasicBlock& block : function) {
      for (PHINode& phi : block.phis()) {
        if (phi.getType()->isVectorTy() && phi.getType()->getPrimitiveSizeInBits() == 128) types_[&phi] = nullptr;
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (auto at = types_.begin(); at != types_.end();) {
        if (settle(*at->first, at->second, changed)) {
          ++at;
        } else {
          at = types_.erase(at);
          changed = true;
        }
      }
    }
    // What nobody uses as a scalar stays as it is.
    std::erase_if(types_, [](const auto& one) { return one.second == nullptr; });
  }

  const std::map<PHINode*, Type*>& types() const { return types_; }

 private:
  bool settle(PHINode& phi, Type*& type, bool& changed) {
    // What a callbr loads exists only on its way out: no place for an instruction before the phi.
    for (unsigned i = 0; i < phi.getNumIncomingValues(); i++) {
      if (phi.getIncomingValue(i) == phi.getIncomingBlock(i)->getTerminator()) return false;
    }
    for (llvm::User* user : phi.users()) {
      if (!settle_use(*llvm::cast<Instruction>(user), type, changed)) return false;
    }
    return true;
  }

  bool settle_use(Instruction& user, Type*& type, bool& changed) {
    if (is_cold(*user.getParent())) return true;
    Type* wanted = nullptr;
    if (auto* phi = llvm::dyn_cast<PHINode>(&user)) {
      auto other = types_.find(phi);
      if (other == types_.end()) return false;
      wanted = other->second;
    } else if (llvm::isa<llvm::BitCastInst>(user)) {
      for (llvm::User* next : user.users()) {
        if (!settle_use(*llvm::cast<Instruction>(next), type, changed)) return false;
      }
      return true;
    } else if (auto* extract = llvm::dyn_cast<llvm::ExtractElementInst>(&user)) {
      auto* index = llvm::dyn_cast<llvm::ConstantInt>(extract->getIndexOperand());
      if (index == nullptr || !index->isZero() || !extract->getType()->isFloatingPointTy()) return false;
      wanted = extract->getType();
    } else if (clears_upper_lanes(user) && user.getType()->getScalarType()->isFloatingPointTy()) {
      wanted = user.getType()->getScalarType();
    } else {
      return false;
    }
    if (wanted == nullptr || wanted == type) return true;
    if (type != nullptr) return false;
    type = wanted;
    return changed = true;
  }

  std::map<PHINode*, Type*> types_;
};

// The lowest lane of a register as `type`, without an instruction where it is known what the register was made of.
Value* lane(Value* vector, Type* type, llvm::IRBuilder<>& builder) {
  Value* from = vector;
  while (auto* cast = llvm::dyn_cast<llvm::BitCastInst>(from)) from = cast->getOperand(0);
  if (auto* insert = llvm::dyn_cast<llvm::InsertElementInst>(from);
      insert != nullptr && insert->getOperand(1)->getType() == type) {
    auto* index = llvm::dyn_cast<llvm::ConstantInt>(insert->getOperand(2));
    if (index != nullptr && index->isZero()) return insert->getOperand(1);
  }
  unsigned lanes = 128 / type->getPrimitiveSizeInBits();
  return builder.CreateExtractElement(builder.CreateBitCast(vector, llvm::FixedVectorType::get(type, lanes)),
                                      uint64_t{0});
}

void use_scalar(Instruction& vector_user, PHINode& scalar) {
  for (llvm::User* user : llvm::make_early_inc_range(vector_user.users())) {
    auto* one = llvm::cast<Instruction>(user);
    if (is_cold(*one->getParent())) continue;
    if (llvm::isa<llvm::BitCastInst>(one)) {
      use_scalar(*one, scalar);
    } else if (llvm::isa<llvm::ExtractElementInst>(one)) {
      one->replaceAllUsesWith(&scalar);
      one->eraseFromParent();
    } else if (clears_upper_lanes(*one)) {
      llvm::IRBuilder<> builder(one);
      one->replaceAllUsesWith(
          builder.CreateInsertElement(llvm::Constant::getNullValue(one->getType()), &scalar, uint64_t{0}));
      one->eraseFromParent();
    }
  }
}

}  // namespace

llvm::PreservedAnalyses LanesPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  Candidates candidates(function);
  std::map<PHINode*, PHINode*> scalars;
  for (auto [phi, type] : candidates.types())
    scalars[phi] = PHINode::Create(type, phi->getNumIncomingValues(), "", phi->getIterator());
  for (auto [phi, scalar] : scalars) {
    for (unsigned i = 0; i < phi->getNumIncomingValues(); i++) {
      Value* value = phi->getIncomingValue(i);
      auto known = scalars.find(llvm::dyn_cast<PHINode>(value));
      llvm::IRBuilder<> builder(phi->getIncomingBlock(i)->getTerminator());
      if (known != scalars.end() && known->second->getType() == scalar->getType()) {
        scalar->addIncoming(known->second, phi->getIncomingBlock(i));
      } else {
        scalar->addIncoming(lane(value, scalar->getType(), builder), phi->getIncomingBlock(i));
      }
    }
  }
  for (auto [phi, scalar] : scalars) use_scalar(*phi, *scalar);
  return llvm::PreservedAnalyses::none();
}

}  // namespace ferry::optimizer
