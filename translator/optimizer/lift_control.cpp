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
  u32 size = code_.function_size(callee, max_callee);
  if (size == 0 || lifted_ + size > max_lifted_) return nullptr;
  u32 depth = contexts_[caller].depth + 1, recursion = 0;
  for (u32 context = caller; context != root; context = contexts_[context].parent)
    recursion += contexts_[context].callee == callee;
  if (recursion == max_inlined_recursion) return nullptr;
  // The region's own function is an entry of it when it is recursive.
  bool recursive = recursion != 0 || llvm::is_contained(request_.entries, callee);
  if (recursive && size > max_recursive_callee) return nullptr;
  bool in_loop = (contexts_[caller].in_loop || code_.at(offset)->in_loop) && size <= max_callee_in_loop;
  contexts_.push_back({caller, depth, callee, offset + 4, in_loop});
  return edge(static_cast<u32>(contexts_.size() - 1), target, false);
}

// BL (target null) or BLR at `offset`.
void Lifter::call(u32 offset, Value* target, i64 direct_target) {
  if (target == nullptr) {
    if (BasicBlock* callee = inlined_call(offset, direct_target)) {
      builder_.CreateBr(callee);
      return;
    }
    go_out(call_symbol(call_in(nodes_[current_].context, offset + 4, callee_at(direct_target))));
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
  dispatch(target, call_symbol(call_in(nodes_[current_].context, offset + 4, {CallTarget::argument, 0})));
}

// Of a call that is made: the region's own code, which others then enter there, too.
Lifter::Callee Lifter::callee_at(i64 target) {
  if (!liftable(target) || entries_.size() >= max_entries / 2) return {CallTarget::exit, exit_at(target)};
  return {CallTarget::entry, static_cast<u16>(entry_at(root, static_cast<u32>(target), true))};
}

u16 Lifter::add_call(u32 back, bool back_to_exit, Callee callee) {
  calls_.push_back({static_cast<u16>(back), callee.index, u8{back_to_exit}, callee.target, {}});
  return static_cast<u16>(calls_.size() - 1);
}

// What makes the call that comes back at `return_offset` in the context.
u16 Lifter::call_in(u32 context, u32 return_offset, Callee callee) {
  if (liftable(return_offset)) return add_call(entry_at(context, return_offset, context == root), false, callee);
  return out_of(context, {CallTarget::call, add_call(exit_at(return_offset), true, callee)});
}

// What goes on outside of the context as if the call that was inlined into it had been made; what that comes back to is part of the
// outer context. Not of the root's.
u16 Lifter::out_of(u32 context, Callee callee) {
  if (context == root) return callee.index;
  return call_in(contexts_[context].parent, contexts_[context].return_offset, callee);
}

Function* Lifter::call_symbol(u16 call) { return code_symbol(call_prefix + std::to_string(call)); }

Value* Lifter::carried_entry(Value* code) {
  return builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), code, -stencil::carried_entry);
}

void Lifter::return_to(Value* target, bool returns_by_link) {
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
  // To what is not in X30, as a return to what is not the frame's pc: by the thread's cache of targets.
  if (returns_by_link)
    go_out(code_symbol(carried_return_symbol), builder_.getInt64(0));
  else
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
                    edge(context, indirect.target, code_.goes_back(offset, indirect.target)));
    cases++;
  }
  if (choice == nullptr) builder_.CreateBr(otherwise);
  builder_.SetInsertPoint(otherwise);
  dispatch(target, context == root ? nullptr : call_symbol(out_of(context, {CallTarget::argument, 0})));
}

// Goes on at any guest pc: by the thread's cache of targets, else by the translator. `by`: what goes to its argument.
void Lifter::dispatch(Value* target, Function* by) {
  llvm::Type* word = builder_.getInt64Ty();
  BasicBlock* block = new_block();
  builder_.CreateBr(block);
  builder_.SetInsertPoint(block);
  Value* cache = builder_.CreateLoad(builder_.getPtrTy(), field(offsetof(Cpu, jump_cache)));
  Value* product = builder_.CreateMul(target, builder_.getInt64(aarch64::jump_cache_multiplier));
  Value* index = builder_.CreateAnd(builder_.CreateLShr(product, aarch64::jump_cache_shift),
                                    builder_.getInt64(aarch64::jump_cache_size - 1));
  Value* entry = builder_.CreateInBoundsGEP(
      builder_.getInt8Ty(), cache, builder_.CreateMul(index, builder_.getInt64(sizeof(aarch64::JumpCacheEntry))));
  BasicBlock *known = new_block(), *unknown = new_block();
  builder_.CreateCondBr(builder_.CreateICmpEQ(builder_.CreateLoad(word, entry), target), known, unknown,
                        weights(likely, unlikely));
  builder_.SetInsertPoint(known);
  auto* code = builder_.CreateLoad(
      builder_.getPtrTy(),
      builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), entry, offsetof(aarch64::JumpCacheEntry, code)));
  if (by == nullptr)
    jump_to(carried_entry(code));
  else
    jump_to(by, builder_.CreatePtrToInt(carried_entry(code), word));
  builder_.SetInsertPoint(unknown);
  jump_to(code_symbol(carried_lookup_symbol), target);
  note_write_back(&block->front(), true);
}

}  // namespace ferry::optimizer
