#include "translator/optimizer/lift.h"

#include <cstddef>

#include "llvm/IR/DIBuilder.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "translator/aarch64/lazy_flags.h"
#include "translator/optimizer/lifter.h"
#include "translator/optimizer/target.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/cpu_bias.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

Lifter::Lifter(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout)
    : semantics_(semantics),
      layout_(layout),
      request_(request),
      code_(request),
      max_lifted_(std::max(max_lifted, code_.size())),
      context_(semantics.context()),
      module_(std::make_unique<llvm::Module>(region_symbol, context_)),
      builder_(context_) {
  module_->setDataLayout(layout);
  module_->setTargetTriple(target_triple);
  module_->setPICLevel(llvm::PICLevel::SmallPIC);
  // preserve_none passes the biased Cpu where stencils keep it, the argument, which is where to begin, and what is carried.
  std::vector<llvm::Type*> parameters(2 + stencil::carried_count, builder_.getInt64Ty());
  parameters[stencil::cpu_parameter] = builder_.getPtrTy();
  code_type_ = llvm::FunctionType::get(builder_.getVoidTy(), parameters, false);
  function_ = code_symbol(region_symbol);
  function_->addFnAttr(llvm::Attribute::StrictFP);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  builder_.SetInsertPoint(new_block());
  cpu_ = unbiased(biased_cpu());
  auto* base = new llvm::GlobalVariable(*module_, builder_.getInt64Ty(), true, llvm::GlobalValue::ExternalLinkage,
                                        nullptr, base_symbol);
  base->setDSOLocal(true);
  auto* load = builder_.CreateLoad(builder_.getInt64Ty(), base);
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  base_ = load;
  slots_.emplace(load, cpu_);
  std::vector<Value*> carried;
  for (u32 i = 0; i < stencil::carried_count; i++) carried.push_back(function_->getArg(2 + i));
  slots_->set_carried(builder_, carried);
  entry_jump_ = builder_.CreateIndirectBr(
      builder_.CreateIntToPtr(function_->getArg(stencil::argument_parameter), builder_.getPtrTy()));
}

void Lifter::want_lines() {
  llvm::DIBuilder debug(*module_);
  llvm::DIFile* file = debug.createFile("guest", "");
  debug.createCompileUnit(llvm::dwarf::DW_LANG_Assembly, file, "ferry", true, "", 0, "",
                          llvm::DICompileUnit::LineTablesOnly);
  lines_ = debug.createFunction(file, region_symbol, "", file, 1, debug.createSubroutineType({}), 1,
                                llvm::DINode::FlagZero, llvm::DISubprogram::SPFlagDefinition);
  function_->setSubprogram(lines_);
  debug.finalize();
  module_->addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
}

Function* Lifter::code_symbol(const std::string& name) {
  if (Function* known = module_->getFunction(name)) return known;
  Function* function = Function::Create(code_type_, llvm::GlobalValue::ExternalLinkage, name, *module_);
  function->setCallingConv(llvm::CallingConv::PreserveNone);
  function->setDSOLocal(true);
  return function;
}

Value* Lifter::unbiased(Value* cpu) {
  return builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), cpu, -static_cast<u64>(stencil::cpu_bias));
}

// With carried registers.
void Lifter::jump_to(Value* code, Value* argument) {
  if (argument == nullptr) argument = llvm::PoisonValue::get(builder_.getInt64Ty());
  jump_to(code, biased_cpu(), argument, slots_->carried_values(builder_));
}

// The same where the current node ends.
void Lifter::go_out(Value* code, Value* argument) {
  BasicBlock* block = new_block();
  builder_.CreateBr(block);
  builder_.SetInsertPoint(block);
  jump_to(code, argument);
  note_write_back(&block->front(), true);
}

// To the translator, with Cpu exact and its pc at `offset`: where an access of the instruction there goes on when it faults, or a poll.
BasicBlock* Lifter::trap(u32 offset, bool is_poll) {
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  BasicBlock* block = new_block();
  builder_.SetInsertPoint(block);
  write_backs_.push_back({builder_.CreateUnreachable(), current_, written_, passing_, false, true, is_poll, offset});
  return block;
}

void Lifter::jump_to(Value* code, Value* cpu, Value* argument, llvm::ArrayRef<Value*> carried) {
  std::vector<Value*> arguments(2);
  arguments[stencil::cpu_parameter] = cpu;
  arguments[stencil::argument_parameter] = argument;
  arguments.insert(arguments.end(), carried.begin(), carried.end());
  llvm::CallInst* jump = builder_.CreateCall(code_type_, code, arguments);
  jump->setCallingConv(llvm::CallingConv::PreserveNone);
  jump->setTailCallKind(llvm::CallInst::TCK_MustTail);
  builder_.CreateRetVoid();
}

// ---- Nodes and edges.

bool Lifter::liftable(i64 offset) {
  const GuestInstruction* instruction = code_.at(offset);
  return instruction != nullptr && instruction->control != Control::leave &&
         instruction->decoded.row != aarch64::RowId::isb &&
         semantics_.find(instruction->decoded.stencil).use != Use::refused;
}

u32 Lifter::node_at(u32 context, u32 offset) {
  auto [found, added] = node_index_.try_emplace({context, offset}, static_cast<u32>(nodes_.size()));
  if (added) {
    Node& node = nodes_.emplace_back();
    node.context = context;
    node.offset = offset;
    node.in_loop = code_.at(offset)->in_loop || contexts_[context].in_loop;
    node.head = new_block();
    pending_.push_back(found->second);
  }
  return found->second;
}

// Where control goes on at `target` in the context: a block of the function or a way out. From the current node.
BasicBlock* Lifter::edge(u32 context, i64 target, bool polls) {
  if (!liftable(target)) return exit_to(target, context);
  u32 offset = static_cast<u32>(target);
  if (lifted_ >= max_lifted_ && !node_index_.contains({context, offset})) return exit_to(target, context);
  u32 node = node_at(context, offset);
  nodes_[current_].successors.push_back(node);
  return polls ? with_poll(nodes_[node].head, offset) : nodes_[node].head;
}

// Leaves for `target`. With a context, the calls that were inlined into it are made up for, so that what goes on there returns
// into the region.
BasicBlock* Lifter::exit_to(i64 target, u32 context) {
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  BasicBlock* block = new_block();
  builder_.SetInsertPoint(block);
  u16 exit = exit_at(target);
  jump_to(context == root ? code_symbol(carried_exit_prefix + std::to_string(exit))
                          : call_symbol(out_of(context, {CallTarget::exit, exit})));
  note_write_back(&block->front(), true);
  return block;
}

u16 Lifter::exit_at(i64 target) {
  auto [found, added] = exit_index_.try_emplace(target, static_cast<u16>(exits_.size()));
  if (added) exits_.push_back(static_cast<i32>(target));
  return found->second;
}

// Looks who wants something before it goes on at `offset`.
BasicBlock* Lifter::with_poll(BasicBlock* next, u32 offset) {
  BasicBlock* exit = trap(offset, true);
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  BasicBlock* block = new_block();
  builder_.SetInsertPoint(block);
  Value* budget = builder_.CreateLoad(builder_.getInt32Ty(), field(offsetof(Cpu, budget)), true);
  builder_.CreateCondBr(builder_.CreateICmpSLT(budget, builder_.getInt32(0)), exit, next, weights(unlikely, likely));
  return block;
}

void Lifter::lift_node(u32 index) {
  current_ = index;
  written_.reset();
  passing_.set();
  set_.reset();
  builder_.SetInsertPoint(nodes_[index].head);
  for (u32 offset = nodes_[index].offset;; offset += 4) {
    const GuestInstruction& instruction = *code_.at(offset);
    set_line(offset);
    Value* result = lift_instruction(instruction, offset);
    lifted_++;
    if (instruction.control == Control::next && liftable(offset + 4) && !code_.at(offset + 4)->leader) continue;
    finish_node(instruction, offset, result);
    break;
  }
  nodes_[index].written = written_;
  nodes_[index].passing = passing_;
  nodes_[index].set = set_;
}

void Lifter::finish_node(const GuestInstruction& instruction, u32 offset, Value* result) {
  u32 context = nodes_[current_].context;
  if (!nodes_[current_].in_loop) write_through();
  nodes_[current_].tail = new_block();
  builder_.CreateBr(nodes_[current_].tail);
  builder_.SetInsertPoint(nodes_[current_].tail);
  i64 next = static_cast<i64>(offset) + 4;
  switch (instruction.control) {
    case Control::next:
      builder_.CreateBr(liftable(next) ? edge(context, next, false) : exit_to(next, context));
      return;
    case Control::jump:
      builder_.CreateBr(liftable(instruction.target())
                            ? edge(context, instruction.target(), code_.goes_back(offset, instruction.target()))
                            : exit_to(instruction.target(), context));
      return;
    case Control::branch: {
      // What the request leaves out hardly ever runs.
      bool taken_known = liftable(instruction.target()), next_known = liftable(next);
      llvm::MDNode* likelihood = taken_known == next_known ? nullptr
                                 : taken_known             ? weights(likely, unlikely)
                                                           : weights(unlikely, likely);
      BasicBlock* taken = edge(context, instruction.target(), code_.goes_back(offset, instruction.target()));
      builder_.CreateCondBr(builder_.CreateICmpNE(result, builder_.getInt64(0)), taken, edge(context, next, false),
                            likelihood);
      return;
    }
    case Control::call:
      call(offset, nullptr, instruction.target());
      return;
    case Control::indirect_call:
      call(offset, result, 0);
      return;
    case Control::function_return:
      return_to(result, instruction.decoded.operands[0] == offsetof(Cpu, x) + 8 * 30);
      return;
    case Control::indirect_jump:
      go_to(result, offset);
      return;
    case Control::leave:
      llvm_unreachable("not liftable");
  }
}

// Outside loops a node's results are stored when it ends. That is a store where it often would not be needed, but every way out that
// follows would otherwise have to store them, and the values be kept for that: bash, python3, perl and sqlite3 took 78 bytes of code
// an instruction instead of 49, and half as much time again to compile. Not the flags, which would have to be computed for it, nor what
// is carried out of the region in registers.
void Lifter::write_through() {
  BasicBlock* rest = new_block();
  note_write_back(builder_.CreateBr(rest));
  SlotSet kept = Slots::flags() | Slots::lazy_flags() | Slots::carried();
  write_backs_.back().written &= ~kept;
  write_backs_.back().passing &= ~kept;
  builder_.SetInsertPoint(rest);
  written_ &= kept;
  passing_ &= kept;
}

// ---- Entries and the state.

u32 Lifter::entry_at(u32 context, u32 offset, bool in_map) {
  u32 node = node_at(context, offset);
  auto [found, added] = entry_index_.try_emplace(node, static_cast<u32>(entries_.size()));
  if (added) {
    entries_.push_back({offset, in_map});
    entry_nodes_.push_back(node);
  }
  return found->second;
}

void Lifter::build_entries() {
  builder_.SetCurrentDebugLocation({});
  std::vector<llvm::Constant*> blocks;
  for (u32 i = 0; i < entries_.size(); i++) {
    current_ = entry_nodes_[i];
    written_ = Slots::carried();
    passing_.reset();
    nodes_[current_].arriving |= Slots::carried();
    BasicBlock* loads = new_block();
    builder_.SetInsertPoint(loads);
    entry_ends_.push_back(builder_.CreateBr(nodes_[entry_nodes_[i]].head));
    if (entries_.size() == 1) {
      // The body's beginning (pack.cpp).
      llvm::BranchInst::Create(loads, entry_jump_);
      entry_jump_->eraseFromParent();
      blocks.push_back(llvm::ConstantPointerNull::get(builder_.getPtrTy()));
      break;
    }
    entry_jump_->addDestination(loads);
    blocks.push_back(llvm::BlockAddress::get(function_, loads));
  }
  build_entry_table(blocks);
  build_loader();
}

void Lifter::build_entry_table(llvm::ArrayRef<llvm::Constant*> blocks) {
  auto* type = llvm::ArrayType::get(builder_.getPtrTy(), blocks.size());
  auto* table = new llvm::GlobalVariable(*module_, type, true, llvm::GlobalValue::ExternalLinkage,
                                         llvm::ConstantArray::get(type, blocks), "");
  table->setSection(entries_section);
}

// Enters the body from where Cpu is exact: goes to the argument.
void Lifter::build_loader() {
  Function* loader = code_symbol(loader_symbol);
  loader->addFnAttr(llvm::Attribute::NoUnwind);
  builder_.SetInsertPoint(BasicBlock::Create(context_, "", loader));
  Value *cpu = loader->getArg(stencil::cpu_parameter), *code = loader->getArg(stencil::argument_parameter);
  jump_to(builder_.CreateIntToPtr(code, builder_.getPtrTy()), cpu, code, Slots::load_carried(builder_, unbiased(cpu)));
}

// The values that a fault needs, where they happen to be: a trap tells the signal handler to look there (fault_states.h).
void Lifter::map_state(const WriteBack& write_back, const SlotSet& set) {
  std::vector<Value*> operands{builder_.getInt64(faults_.size()), builder_.getInt32(0)};
  LiftedFault& fault = faults_.emplace_back(LiftedFault{write_back.offset, write_back.is_poll, {}});
  slots_->read_all(builder_, set, operands, fault.values);
  builder_.CreateIntrinsic(llvm::Intrinsic::experimental_stackmap, {}, operands)->setDoesNotThrow();
  builder_.CreateIntrinsic(llvm::Intrinsic::trap, {}, {});
}

// What may be in variables only when a node begins, by iteration to the least solution.
void Lifter::find_arriving() {
  std::vector<u32> changed;
  for (u32 i = 0; i < nodes_.size(); i++) changed.push_back(i);
  while (!changed.empty()) {
    const Node node = nodes_[changed.back()];
    changed.pop_back();
    SlotSet leaving = node.written | (node.arriving & node.passing);
    for (u32 next : node.successors) {
      if ((leaving & ~nodes_[next].arriving).none()) continue;
      nodes_[next].arriving |= leaving;
      changed.push_back(next);
    }
  }
}

// Sets what nodes want of those before them: of(node, what its successors want), by iteration to the least solution.
template <class F>
void Lifter::find_backward(SlotSet Node::* wanted, F&& of) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Node& node : llvm::reverse(nodes_)) {
      SlotSet later;
      for (u32 next : node.successors) later |= nodes_[next].*wanted;
      SlotSet result = of(node, later);
      changed |= result != node.*wanted;
      node.*wanted = result;
    }
  }
}

// What has to be in variables at the end of `from` because control goes on at `to`: what on other ways there is in variables only, and,
// into a loop, what is used in it.
SlotSet Lifter::wanted(const Node& from, u32 to) const {
  const Node& node = nodes_[to];
  SlotSet result = node.arriving;
  if (node.in_loop && !from.in_loop) result |= node.loop_reads;
  return result & (~Slots::flags() | node.live_flags);
}

// What is in variables when a node begins, whichever way control came, by iteration to the greatest solution.
void Lifter::find_loaded() {
  for (Node& node : nodes_) {
    for (u32 next : node.successors) node.wanted |= wanted(node, next);
    node.loaded.set();
  }
  for (u32 node : entry_nodes_) nodes_[node].loaded = Slots::carried() | wanted({}, node);
  for (bool changed = true; changed;) {
    changed = false;
    for (const Node& node : nodes_) {
      SlotSet after = node.loaded | node.read | node.set | node.wanted;
      for (u32 next : node.successors) {
        changed |= (nodes_[next].loaded & ~after).any();
        nodes_[next].loaded &= after;
      }
    }
  }
}

// Loads what is not in variables yet as late as possible, so that an entry need not load, and keep, what few of the ways from it use.
// What is not in variables is in Cpu: it cannot have been written since control came in.
void Lifter::place_loads() {
  find_backward(&Node::loop_reads,
                [](const Node& node, const SlotSet& later) { return node.in_loop ? node.read | later : SlotSet{}; });
  find_backward(&Node::live_flags, [](const Node& node, const SlotSet& later) {
    return ((later & ~node.set) | node.read) & Slots::flags();
  });
  find_loaded();
  for (u32 i = 0; i < entry_nodes_.size(); i++) {
    builder_.SetInsertPoint(entry_ends_[i]);
    load(wanted({}, entry_nodes_[i]) & ~Slots::carried());
  }
  for (const Node& node : nodes_) {
    builder_.SetInsertPoint(node.head, node.head->getFirstInsertionPt());
    load(node.read & ~node.loaded);
    builder_.SetInsertPoint(node.tail, node.tail->getFirstInsertionPt());
    load(node.wanted & ~(node.loaded | node.read | node.set));
  }
}

void Lifter::load(const SlotSet& set) {
  if ((set & Slots::flags()).any()) settle_flags();
  slots_->load(builder_, set);
}

// Makes Cpu have the flags themselves, at the builder's place.
void Lifter::settle_flags() {
  Value* kind = builder_.CreateLoad(builder_.getInt32Ty(), field(offsetof(Cpu, flags_kind)));
  Value* lazy = builder_.CreateICmpNE(kind, builder_.getInt32(static_cast<u32>(aarch64::LazyFlags::settled)));
  Instruction* rest = &*builder_.GetInsertPoint();
  builder_.SetInsertPoint(llvm::SplitBlockAndInsertIfThen(lazy, rest, false, weights(unlikely, likely)));
  Value* helper = builder_.CreateLoad(builder_.getPtrTy(), helper_pointer("ferry_a64_settle_flags"));
  auto* type = llvm::FunctionType::get(builder_.getVoidTy(), {builder_.getPtrTy()}, false);
  builder_.CreateCall(type, helper, {cpu_})->setCallingConv(keeping_convention);
  builder_.SetInsertPoint(rest);
}

void Lifter::write_states_back() {
  for (const WriteBack& write_back : write_backs_) {
    builder_.SetInsertPoint(write_back.before);
    const Node& node = nodes_[write_back.node];
    SlotSet set = write_back.written | (node.arriving & write_back.passing);
    set &= ~Slots::flags();
    if (write_back.carries) set &= ~Slots::carried();
    if (write_back.trap)
      map_state(write_back, set);
    else
      slots_->write_back(builder_, set);
  }
}

std::optional<Lifted> Lifter::run(std::string& why) {
  for (u32 entry : request_.entries) {
    if (liftable(entry)) entry_at(root, entry, true);
  }
  if (entries_.empty()) {
    why = "no entry begins with an instruction that regions can hold";
    return std::nullopt;
  }
  while (!pending_.empty()) {
    u32 node = pending_.front();
    pending_.pop_front();
    lift_node(node);
  }
  build_entries();
  find_arriving();
  place_loads();
  write_states_back();
  if (failed_) {
    why = "a semantic function cannot be inlined";
    return std::nullopt;
  }
  // After its entries, so that the first of them shares its cache line.
  function_->removeFromParent();
  module_->getFunctionList().push_back(function_);
  return Lifted{std::move(module_), function_, std::move(entries_), std::move(exits_), std::move(calls_),
                std::move(faults_), lifted_};
}

std::optional<Lifted> lift(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout,
                           bool lines, std::string& why) {
  Lifter lifter(request, semantics, layout);
  if (lines) lifter.want_lines();
  return lifter.run(why);
}

}  // namespace ferry::optimizer
