// Guest instructions as IR: their semantic functions inlined, guest accesses made such with fault edges.
#include <cstddef>

#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "translator/optimizer/lifter.h"
#include "translator/optimizer/target.h"
#include "translator/stencil/cpu_bias.h"

namespace ferry::optimizer {

// Inlines the semantic function and lists what it became. Returns a use of its result, whose block a terminator still ends.
Instruction* Lifter::inline_body(Function* function, const GuestInstruction& instruction,
                                 std::vector<Instruction*>& inlined) {
  Value* arguments[1 + semantic::max_operands] = {cpu_};
  for (int i = 0; i < semantic::max_operands; i++) {
    u64 operand = i < instruction.decoded.operand_count ? instruction.decoded.operands[i] : 0;
    arguments[1 + i] = (instruction.relative_operands >> i & 1) != 0 ? pc_value(static_cast<i64>(operand))
                                                                     : builder_.getInt64(operand);
  }
  BasicBlock* start = builder_.GetInsertBlock();
  start->moveAfter(&function_->back());  // what is inlined comes after it
  Instruction* before = start->empty() ? nullptr : &start->back();
  llvm::CallInst* call = builder_.CreateCall(function, arguments);
  auto* result = llvm::cast<Instruction>(builder_.CreateFreeze(call));
  builder_.CreateUnreachable();
  llvm::InlineFunctionInfo info;
  if (!llvm::InlineFunction(*call, info).isSuccess()) failed_ = true;
  for (auto block = start->getIterator(); block != function_->end(); ++block) {
    bool is_start = &*block == start;
    auto first = is_start && before != nullptr ? std::next(before->getIterator()) : block->begin();
    for (; first != block->end(); ++first) inlined.push_back(&*first);
  }
  inlined.resize(inlined.size() - 2);  // the use of the result and the terminator
  return result;
}

Value* Lifter::lift_instruction(const GuestInstruction& instruction, u32 offset) {
  const SemanticFunction& semantic = semantics_.find(instruction.decoded.stencil);
  if (semantic.use == Use::exact) make_state_exact(offset);
  std::vector<Instruction*> inlined;
  Instruction* marker = inline_body(semantic.function, instruction, inlined);
  // The state at a fault is that of the instruction's beginning: what it writes comes after its accesses.
  SlotSet written, read;
  BasicBlock* fault = nullptr;
  for (Instruction* one : inlined) {
    if (!llvm::isa<llvm::LoadInst, llvm::StoreInst>(one)) {
      if (!note_lazy_flags(*one, written)) settle(*one, offset, fault);
      continue;
    }
    llvm::APInt distance(64, 0);
    Value* pointer = llvm::getPointerOperand(one)->stripAndAccumulateConstantOffsets(layout_, distance, true);
    i64 offset_in_cpu = distance.getSExtValue() + static_cast<i64>(stencil::cpu_bias);
    // An atomic operation that LLVM knew to change nothing would become a load, or nothing at all, which cannot fault alike.
    if (semantic.use == Use::exact && offset_in_cpu == offsetof(Cpu, zero)) continue;
    if (pointer == biased_cpu() && !slots_->rewrite(*one, offset_in_cpu, written, read)) failed_ = true;
  }
  bool packs = (written & Slots::flags()).any() && (written & Slots::lazy_flags()).none();
  if (packs) written |= Slots::lazy_flags();
  // What is written on some ways only must be there before.
  if (semantic.function->size() > 1) read |= written;
  nodes_[current_].read |= read & ~set_;
  set_ |= written;
  written_ |= written;
  Value* result = marker->getOperand(0);
  BasicBlock* end = marker->getParent();
  end->getTerminator()->eraseFromParent();
  marker->eraseFromParent();
  builder_.SetInsertPoint(end);
  if (packs) slots_->pack_flags(builder_);
  return result;
}

// The semantic function's note of what its flags are of.
bool Lifter::note_lazy_flags(Instruction& instruction, SlotSet& written) {
  auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
  Function* callee = call == nullptr ? nullptr : call->getCalledFunction();
  if (callee == nullptr || callee->getName() != "ferry_lazy_flags") return false;
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  builder_.SetInsertPoint(call);
  slots_->write_lazy_flags(builder_, call->getArgOperand(0), call->getArgOperand(1), call->getArgOperand(2));
  written |= Slots::lazy_flags();
  call->eraseFromParent();
  return true;
}

namespace {
// clang's elementwise builtins do not ask how floating point is to be compiled.
void make_strict(llvm::ConstrainedFPIntrinsic& call) {
  auto metadata = [&](const char* text) {
    return llvm::MetadataAsValue::get(call.getContext(), llvm::MDString::get(call.getContext(), text));
  };
  call.setArgOperand(call.arg_size() - 1, metadata("fpexcept.strict"));
  if (call.getRoundingMode()) call.setArgOperand(call.arg_size() - 2, metadata("round.dynamic"));
  // LLVM would compute what is exact, also where it is a zero whose sign goes by the rounding mode.
  call.addFnAttr(llvm::Attribute::NoBuiltin);
}
}  // namespace

// What refers to the semantic functions' module is made to refer to this one; guest accesses become such with edges.
void Lifter::settle(Instruction& instruction, u32 offset, BasicBlock*& fault) {
  auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
  Function* callee = call == nullptr ? nullptr : call->getCalledFunction();
  if (callee == nullptr) return;
  llvm::StringRef name = callee->getName();
  if (name.starts_with("ferry_guest_")) {
    make_access(*call, offset, fault);
  } else if (auto* compare = llvm::dyn_cast<llvm::ConstrainedFPCmpIntrinsic>(call);
             compare != nullptr && compare->getExceptionBehavior() == llvm::fp::ebIgnore) {
    // An ordinary comparison, which branches can be made of.
    auto* plain = new llvm::FCmpInst(call->getIterator(), compare->getPredicate(), compare->getArgOperand(0),
                                     compare->getArgOperand(1));
    call->replaceAllUsesWith(plain);
    call->eraseFromParent();
  } else if (callee->isIntrinsic()) {
    if (auto* constrained = llvm::dyn_cast<llvm::ConstrainedFPIntrinsic>(call)) make_strict(*constrained);
    call->setCalledFunction(module_->getOrInsertFunction(name, callee->getFunctionType(), callee->getAttributes()));
  } else {
    call->setCalledOperand(new llvm::LoadInst(builder_.getPtrTy(), helper_pointer(name), "", call->getIterator()));
  }
}

// Where a helper's address is.
Value* Lifter::helper_pointer(llvm::StringRef name) {
  std::string symbol = helper_prefix + name.str();
  auto* pointer = llvm::cast<llvm::GlobalVariable>(module_->getOrInsertGlobal(symbol, builder_.getPtrTy()));
  pointer->setConstant(true);
  pointer->setDSOLocal(true);
  return pointer;
}

namespace {
// Where an access meets a vector register's lowest lane: the vector that a loaded value becomes, or that a stored one is of.
Instruction* lane_of_load(llvm::CallInst& call) {
  if (!call.hasOneUse()) return nullptr;
  auto* user = llvm::cast<Instruction>(call.user_back());
  if (llvm::isa<llvm::ZExtInst>(user) && user->hasOneUse()) user = llvm::cast<Instruction>(user->user_back());
  auto* insert = llvm::dyn_cast<llvm::InsertElementInst>(user);
  if (insert == nullptr || !insert->getType()->getElementType()->isIntegerTy(64)) return nullptr;
  auto* rest = llvm::dyn_cast<llvm::Constant>(insert->getOperand(0));
  auto* index = llvm::dyn_cast<llvm::ConstantInt>(insert->getOperand(2));
  if (rest == nullptr || index == nullptr || !index->isZero()) return nullptr;
  llvm::Constant* upper = rest->getAggregateElement(1u);
  return upper != nullptr && upper->isNullValue() ? insert : nullptr;
}
Value* lane_of_store(Value* stored) {
  auto* extract = llvm::dyn_cast<llvm::ExtractElementInst>(stored);
  if (extract == nullptr || extract->getVectorOperandType()->getPrimitiveSizeInBits() != 128) return nullptr;
  auto* index = llvm::dyn_cast<llvm::ConstantInt>(extract->getIndexOperand());
  return index != nullptr && index->isZero() ? extract->getVectorOperand() : nullptr;
}
}  // namespace

void Lifter::make_access(llvm::CallInst& call, u32 offset, BasicBlock*& fault) {
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  if (fault == nullptr) fault = trap(offset, false);
  bool is_load = call.getCalledFunction()->getName().starts_with("ferry_guest_load_");
  Value* stored = is_load ? nullptr : call.getArgOperand(1);
  llvm::Type* type = is_load ? call.getType() : stored->getType();
  u32 bytes = static_cast<u32>(type->getPrimitiveSizeInBits().getFixedValue() / 8);
  bool may_be_lane = bytes == 4 || bytes == 8;
  Instruction* loaded_lane = is_load && may_be_lane ? lane_of_load(call) : nullptr;
  Value* stored_lane = !is_load && may_be_lane ? lane_of_store(stored) : nullptr;
  AccessTemplate access = is_load ? loaded_lane != nullptr ? lane_load_template(bytes) : load_template(bytes)
                          : stored_lane != nullptr ? lane_store_template(bytes)
                                                   : store_template(bytes);

  BasicBlock* block = call.getParent();
  BasicBlock* rest = block->splitBasicBlock(&call);
  block->getTerminator()->eraseFromParent();
  builder_.SetInsertPoint(block);
  std::vector<Value*> arguments{builder_.CreateIntToPtr(call.getArgOperand(0), builder_.getPtrTy())};
  if (stored_lane != nullptr) {
    llvm::Type* scalar = bytes == 4 ? builder_.getFloatTy() : builder_.getDoubleTy();
    Value* lanes = builder_.CreateBitCast(stored_lane, llvm::FixedVectorType::get(scalar, 16 / bytes));
    arguments.push_back(builder_.CreateExtractElement(lanes, u64{0}));
  } else if (!is_load) {
    arguments.push_back(stored);
  }
  arguments.push_back(builder_.getInt32(offset));
  std::vector<llvm::Type*> types;
  for (Value* argument : arguments) types.push_back(argument->getType());
  llvm::Type* result = builder_.getVoidTy();
  // Loads of less zero-extend into a whole register.
  if (is_load) result = loaded_lane != nullptr ? loaded_lane->getType() : bytes < 8 ? builder_.getInt64Ty() : type;
  auto* assembly =
      llvm::InlineAsm::get(llvm::FunctionType::get(result, types, false), access.text, access.constraints, true);
  llvm::CallBrInst* jump = builder_.CreateCallBr(assembly, rest, {fault}, arguments);
  jump->addParamAttr(0, llvm::Attribute::get(context_, llvm::Attribute::ElementType, type));
  jump->setMetadata(llvm::LLVMContext::MD_prof, weights(likely, unlikely));
  if (loaded_lane != nullptr) {
    // What made the vector of the value stays behind, unused.
    loaded_lane->replaceAllUsesWith(jump);
    call.replaceAllUsesWith(llvm::PoisonValue::get(type));
  } else if (is_load) {
    builder_.SetInsertPoint(&call);
    // A load of less has extended its value already.
    for (llvm::User* user : llvm::make_early_inc_range(call.users())) {
      if (bytes >= 8 || !llvm::isa<llvm::ZExtInst>(user)) continue;
      user->replaceAllUsesWith(builder_.CreateTrunc(jump, user->getType()));
    }
    call.replaceAllUsesWith(builder_.CreateTrunc(jump, type));
  }
  call.eraseFromParent();
}

// Stores everything, so that a fault anywhere in the instruction finds Cpu as it must be.
void Lifter::make_state_exact(u32 offset) {
  note_write_back(builder_.CreateStore(pc_value(offset), field(offsetof(Cpu, pc))));
  written_.reset();
  passing_.reset();
}

}  // namespace ferry::optimizer
