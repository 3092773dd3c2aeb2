// The guest's calls, returns and indirect branches as IR: inlined, predicted, or left to the translator.
#include <cstddef>

#include "translator/optimizer/lifter.h"
#include "translator/stencil/carried.h"

namespace ferry::optimizer {

// The inlined callee's entry, or nullptr where the call is better made.
BasicBlock* Lifter::inlined_call(u32 offset, i64 target) {
  if (!liftable(target)) return nullptr;
  u32 caller = nodes_[current_].context, callee = static_cast<u32>(target);
  if (contexts_[caller].depth >= max_inlining_depth) return nullptr;
  u32 depth = contexts_[caller].depth + 1, recursion = 0;
  for (u32 context = caller; context != root; context = contexts_[context].parent)
    recursion += contexts_[context].callee == callee;
  if (recursion == max_inlined_recursion) return nullptr;
  u32 size = code_.function_size(callee, max_callee);
  if (size == 0 || lifted_ + size > max_lifted) return nullptr;
  contexts_.push_back({caller, depth, callee, offset + 4, contexts_[caller].in_loop || code_.at(offset)->in_loop});
  return edge(static_cast<u32>(contexts_.size() - 1), target, false);
}

// BL (target null) or BLR at `offset`.
void Lifter::call(u32 offset, Value* target, i64 direct_target) {
  if (target == nullptr) {
    if (BasicBlock* callee = inlined_call(offset, direct_target)) {
      builder_.CreateBr(callee);
      return;
    }
    push_return(nodes_[current_].context, offset + 4);
    // Into the region's own code without leaving. A recursion calls backward somewhere, and polls there.
    builder_.CreateBr(edge(root, direct_target, direct_target <= static_cast<i64>(offset)));
    return;
  }
  for (const IndirectTarget& indirect : request_.indirect_targets) {
    if (indirect.site != offset) continue;
    BasicBlock* callee = inlined_call(offset, indirect.target);
    if (callee == nullptr) continue;
    BasicBlock* otherwise = new_block();
    builder_.CreateCondBr(builder_.CreateICmpEQ(target, pc_value(indirect.target)), callee, otherwise);
    builder_.SetInsertPoint(otherwise);
  }
  push_return(nodes_[current_].context, offset + 4);
  dispatch(target);
}

// Predicts the return of a call that is not inlined, as the stencils do (reading.h).
void Lifter::push_return(u32 context, u32 return_offset) {
  Function* code = liftable(return_offset)
                       ? code_symbol(entry_prefix + std::to_string(entry_at(context, return_offset, context == root)))
                       : exit_symbol(return_offset, exit_prefix);
  llvm::Type* word = builder_.getInt64Ty();
  Value* top = builder_.CreateLoad(word, field(offsetof(Cpu, return_top)));
  top = builder_.CreateAnd(builder_.CreateAdd(top, builder_.getInt64(sizeof(aarch64::ReturnEntry))),
                           builder_.getInt64(sizeof Cpu::return_stack - 1));
  Value* entry = builder_.CreateInBoundsGEP(builder_.getInt8Ty(), field(offsetof(Cpu, return_stack)), top);
  builder_.CreateStore(pc_value(return_offset), entry);
  builder_.CreateStore(
      code, builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), entry, offsetof(aarch64::ReturnEntry, code)));
  builder_.CreateStore(top, field(offsetof(Cpu, return_top)));
}

// The same for the calls that were inlined into the context, outermost first.
void Lifter::push_frames(u32 context) {
  if (context == root) return;
  Context frame = contexts_[context];
  push_frames(frame.parent);
  push_return(frame.parent, frame.return_offset);
}

Value* Lifter::carried_entry(Value* code) {
  return builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), code, -stencil::carried_entry);
}

void Lifter::return_to(Value* target) {
  Context context = contexts_[nodes_[current_].context];
  if (nodes_[current_].context != root) {
    BasicBlock* otherwise = new_block();
    BasicBlock* back = edge(context.parent, context.return_offset, false);
    builder_.CreateCondBr(builder_.CreateICmpEQ(target, pc_value(context.return_offset)), back, otherwise,
                          weights(likely, unlikely));
    builder_.SetInsertPoint(otherwise);
    dispatch(target);
    return;
  }
  llvm::Type* word = builder_.getInt64Ty();
  Value* top = builder_.CreateLoad(word, field(offsetof(Cpu, return_top)));
  Value* entry = builder_.CreateInBoundsGEP(builder_.getInt8Ty(), field(offsetof(Cpu, return_stack)), top);
  BasicBlock *predicted = new_block(), *otherwise = new_block();
  builder_.CreateCondBr(builder_.CreateICmpEQ(builder_.CreateLoad(word, entry), target), predicted, otherwise,
                        weights(likely, unlikely));
  builder_.SetInsertPoint(predicted);
  Value* code = builder_.CreateLoad(
      builder_.getPtrTy(),
      builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), entry, offsetof(aarch64::ReturnEntry, code)));
  Value* below = builder_.CreateAnd(builder_.CreateSub(top, builder_.getInt64(sizeof(aarch64::ReturnEntry))),
                                    builder_.getInt64(sizeof Cpu::return_stack - 1));
  note_write_back(builder_.CreateStore(below, field(offsetof(Cpu, return_top))), true);
  jump_to(carried_entry(code));
  builder_.SetInsertPoint(otherwise);
  dispatch(target);
}

// BR: to where it was seen to go, else by the dispatcher.
void Lifter::go_to(Value* target, u32 offset) {
  BasicBlock* otherwise = new_block();
  u32 context = nodes_[current_].context, cases = 0;
  llvm::SwitchInst* choice = nullptr;
  Value* distance = nullptr;
  for (const IndirectTarget& indirect : request_.indirect_targets) {
    if (indirect.site != offset || !liftable(indirect.target) || cases == max_indirect_targets) continue;
    if (choice == nullptr) {
      distance = builder_.CreateSub(target, base_);
      choice = builder_.CreateSwitch(distance, otherwise);
    }
    if (choice->findCaseValue(builder_.getInt64(indirect.target)) != choice->case_default()) continue;
    choice->addCase(builder_.getInt64(indirect.target),
                    edge(context, indirect.target, indirect.target <= static_cast<i64>(offset)));
    cases++;
  }
  if (choice == nullptr) builder_.CreateBr(otherwise);
  builder_.SetInsertPoint(otherwise);
  push_frames(context);
  dispatch(target);
}

// Goes on at any guest pc: by the thread's cache of targets, else by the translator.
void Lifter::dispatch(Value* target) {
  llvm::Type* word = builder_.getInt64Ty();
  Value* cache = builder_.CreateLoad(builder_.getPtrTy(), field(offsetof(Cpu, jump_cache)));
  Value* index = builder_.CreateAnd(builder_.CreateLShr(target, 2), builder_.getInt64(aarch64::jump_cache_size - 1));
  Value* entry = builder_.CreateInBoundsGEP(
      builder_.getInt8Ty(), cache, builder_.CreateMul(index, builder_.getInt64(sizeof(aarch64::JumpCacheEntry))));
  BasicBlock *known = new_block(), *unknown = new_block();
  builder_.CreateCondBr(builder_.CreateICmpEQ(builder_.CreateLoad(word, entry), target), known, unknown,
                        weights(likely, unlikely));
  builder_.SetInsertPoint(known);
  auto* code = builder_.CreateLoad(
      builder_.getPtrTy(),
      builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), entry, offsetof(aarch64::JumpCacheEntry, code)));
  note_write_back(code, true);
  jump_to(carried_entry(code));
  builder_.SetInsertPoint(unknown);
  note_write_back(builder_.CreateStore(target, field(offsetof(Cpu, pc))));
  builder_.CreateStore(builder_.getInt64(static_cast<u64>(ExitReason::lookup)), field(offsetof(Cpu, exit_reason)));
  builder_.CreateRetVoid();
}

}  // namespace ferry::optimizer
