#include "translator/optimizer/lift.h"

#include <cstddef>
#include <deque>
#include <map>

#include "guest/aarch64/cpu.h"
#include "llvm/IR/DIBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "translator/exit_reason.h"
#include "translator/optimizer/guest_code.h"
#include "translator/optimizer/slots.h"
#include "translator/optimizer/target.h"
#include "translator/stencil/cpu_bias.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

using aarch64::Cpu;
using llvm::BasicBlock;
using llvm::Function;
using llvm::Instruction;
using llvm::Value;
using semantic::Control;
using translator::ExitReason;

namespace {

constexpr u32 max_lifted = 1200;  // instructions, counting one as often as it is inlined
constexpr u32 max_callee = 160;   // instructions of a callee that is inlined, at depth 1
constexpr u32 max_inlining_depth = 12;
constexpr u32 max_inlined_recursion = 3;  // of a function into itself: a call in eight is made where there are two
constexpr u32 max_indirect_targets = 64;
constexpr u32 unlikely = 1, likely = 2000;

// Calls that are inlined make contexts: the same guest instruction is lifted once in each.
struct Context {
  u32 parent = 0;
  u32 depth = 0;
  u32 callee = 0;         // offset
  u32 return_offset = 0;  // where the call comes back to, in the parent
  bool in_loop = false;   // so is the call
};
constexpr u32 root = 0;

// A basic block in a context. `written`: what it leaves in variables and not in Cpu; `passing`: what of the state that came in
// it has not stored.
struct Node {
  u32 context, offset;
  BasicBlock* head;
  SlotSet written, arriving;
  SlotSet passing;
  SlotSet before_last_fault;             // what it has written when its last access may fault
  std::vector<Instruction*> fault_ends;  // terminators of its fault edges' blocks
  std::vector<u32> successors;
};

// Where Cpu has to be made exact: what a node had written up to there, and whether what came into it counts too.
struct WriteBack {
  Instruction* before;
  u32 node;
  SlotSet written, passing;
  bool shares;  // a fault edge that leaves what the node's edges have in common to one block
};

class Lifter {
 public:
  Lifter(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout);
  std::optional<Lifted> run(std::string& why);
  void want_lines();

 private:
  // Nodes and edges.
  bool liftable(i64 offset);
  u32 node_at(u32 context, u32 offset);
  BasicBlock* edge(u32 context, i64 target, bool polls);
  BasicBlock* exit_to(i64 target, u32 context = root);
  BasicBlock* poll_exit(u32 offset);
  BasicBlock* with_poll(BasicBlock* next, u32 offset);
  void lift_node(u32 index);
  void write_through();
  void finish_node(const GuestInstruction& instruction, u32 offset, Value* result);

  // Instructions.
  Value* lift_instruction(const GuestInstruction& instruction, u32 offset);
  Instruction* inline_body(Function* function, const GuestInstruction& instruction, std::vector<Instruction*>& inlined);
  void settle(Instruction& instruction, u32 offset, BasicBlock*& fault);
  BasicBlock* make_fault_edge(u32 offset);
  void make_access(llvm::CallInst& call, u32 offset, BasicBlock*& fault);
  void make_state_exact(u32 offset);

  // Control.
  void call(u32 offset, Value* target, i64 direct_target);
  BasicBlock* inlined_call(u32 offset, i64 target);
  void push_return(u32 context, u32 return_offset);
  void push_frames(u32 context);
  Function* exit_symbol(i64 target);
  void return_to(Value* target);
  void go_to(Value* target, u32 offset);
  void dispatch(Value* target);

  // Entries and the state.
  u32 entry_at(u32 context, u32 offset, bool in_map);
  void build_entries();
  void write_states_back();

  // IR.
  Value* field(u64 offset) { return builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), cpu_, offset); }
  Value* pc_value(i64 offset) { return builder_.CreateAdd(base_, builder_.getInt64(static_cast<u64>(offset))); }
  BasicBlock* new_block() { return BasicBlock::Create(context_, "", function_); }
  void set_line(u32 offset) {
    if (lines_ != nullptr)
      builder_.SetCurrentDebugLocation(llvm::DILocation::get(context_, line_of(offset), 0, lines_));
  }
  Function* code_symbol(const std::string& name);
  void jump_to(Value* code);
  void note_write_back(Instruction* before) { write_backs_.push_back({before, current_, written_, passing_, false}); }
  llvm::MDNode* weights(u32 first, u32 second) { return llvm::MDBuilder(context_).createBranchWeights(first, second); }

  SemanticsLibrary& semantics_;
  const llvm::DataLayout& layout_;
  const Request& request_;
  GuestCode code_;
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  llvm::IRBuilder<> builder_;
  Function* function_;
  llvm::FunctionType* code_type_;
  Value *cpu_, *base_;
  std::optional<Slots> slots_;
  llvm::IndirectBrInst* entry_jump_;

  std::vector<Context> contexts_{Context{}};
  std::vector<Node> nodes_;
  std::map<std::pair<u32, u32>, u32> node_index_;
  std::deque<u32> pending_;
  std::vector<WriteBack> write_backs_;
  std::vector<LiftedEntry> entries_;
  std::vector<u32> entry_nodes_;
  std::map<u32, u32> entry_index_;  // by node
  std::vector<i32> exits_;
  std::map<i64, u32> exit_index_;
  u32 lifted_ = 0;
  llvm::DISubprogram* lines_ = nullptr;  // null: no debugging information

  // While a node is lifted:
  u32 current_ = 0;
  SlotSet written_;
  SlotSet passing_;
  bool failed_ = false;
};

Lifter::Lifter(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout)
    : semantics_(semantics),
      layout_(layout),
      request_(request),
      code_(request),
      context_(semantics.context()),
      module_(std::make_unique<llvm::Module>(region_symbol, context_)),
      builder_(context_) {
  module_->setDataLayout(layout);
  module_->setTargetTriple(target_triple);
  module_->setPICLevel(llvm::PICLevel::SmallPIC);
  // preserve_none passes the biased Cpu where stencils keep it; the second parameter numbers the entry.
  code_type_ = llvm::FunctionType::get(builder_.getVoidTy(), {builder_.getPtrTy(), builder_.getInt64Ty()}, false);
  function_ = code_symbol(region_symbol);
  function_->addFnAttr(llvm::Attribute::StrictFP);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  builder_.SetInsertPoint(new_block());
  cpu_ = builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), function_->getArg(0),
                                             -static_cast<u64>(stencil::cpu_bias));
  auto* base = new llvm::GlobalVariable(*module_, builder_.getInt64Ty(), true, llvm::GlobalValue::ExternalLinkage,
                                        nullptr, base_symbol);
  base->setDSOLocal(true);
  auto* load = builder_.CreateLoad(builder_.getInt64Ty(), base);
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  base_ = load;
  slots_.emplace(load, cpu_);
  entry_jump_ = builder_.CreateIndirectBr(builder_.CreateIntToPtr(function_->getArg(1), builder_.getPtrTy()));
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

void Lifter::jump_to(Value* code) {
  llvm::CallInst* jump =
      builder_.CreateCall(code_type_, code, {function_->getArg(0), llvm::PoisonValue::get(builder_.getInt64Ty())});
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
    nodes_.push_back({context, offset, new_block(), {}, {}, {}, {}, {}, {}});
    pending_.push_back(found->second);
  }
  return found->second;
}

// Where control goes on at `target` in the context: a block of the function or a way out. From the current node.
BasicBlock* Lifter::edge(u32 context, i64 target, bool polls) {
  if (!liftable(target)) return exit_to(target);
  u32 offset = static_cast<u32>(target);
  if (lifted_ >= max_lifted && !node_index_.contains({context, offset})) return exit_to(target);
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
  push_frames(context);
  jump_to(exit_symbol(target));
  note_write_back(&block->front());
  return block;
}

Function* Lifter::exit_symbol(i64 target) {
  auto [found, added] = exit_index_.try_emplace(target, static_cast<u32>(exits_.size()));
  if (added) exits_.push_back(static_cast<i32>(target));
  return code_symbol(exit_prefix + std::to_string(found->second));
}

// Leaves to see who wants something, with the pc at `offset`.
BasicBlock* Lifter::poll_exit(u32 offset) {
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  BasicBlock* block = new_block();
  builder_.SetInsertPoint(block);
  Instruction* first = builder_.CreateStore(pc_value(offset), field(offsetof(Cpu, pc)));
  builder_.CreateStore(builder_.getInt64(static_cast<u64>(ExitReason::region_poll)), field(offsetof(Cpu, exit_reason)));
  builder_.CreateRetVoid();
  note_write_back(first);
  return block;
}

BasicBlock* Lifter::with_poll(BasicBlock* next, u32 offset) {
  BasicBlock* exit = poll_exit(offset);
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
}

void Lifter::finish_node(const GuestInstruction& instruction, u32 offset, Value* result) {
  u32 context = nodes_[current_].context;
  if (!instruction.in_loop && !contexts_[context].in_loop) write_through();
  auto goes_back = [&](i64 target) { return target <= static_cast<i64>(offset); };
  i64 next = static_cast<i64>(offset) + 4;
  switch (instruction.control) {
    case Control::next:
      builder_.CreateBr(liftable(next) ? edge(context, next, false) : exit_to(next, context));
      return;
    case Control::jump:
      builder_.CreateBr(liftable(instruction.target())
                            ? edge(context, instruction.target(), goes_back(instruction.target()))
                            : exit_to(instruction.target(), context));
      return;
    case Control::branch: {
      // What the request leaves out hardly ever runs.
      bool taken_known = liftable(instruction.target()), next_known = liftable(next);
      llvm::MDNode* likelihood = taken_known == next_known ? nullptr
                                 : taken_known             ? weights(likely, unlikely)
                                                           : weights(unlikely, likely);
      BasicBlock* taken = edge(context, instruction.target(), goes_back(instruction.target()));
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
      return_to(result);
      return;
    case Control::indirect_jump:
      go_to(result, offset);
      return;
    case Control::leave:
      llvm_unreachable("not liftable");
  }
}

// Outside loops a node's results are stored when it ends. That is a store where it often would not be needed, but every access that
// follows would otherwise have to be able to make up for it at its fault edge, and keep the values for that: with it, code that
// calls a lot took a third of the space and of the time to compile. Not the flags, which would have to be computed for it.
void Lifter::write_through() {
  BasicBlock* rest = new_block();
  note_write_back(builder_.CreateBr(rest));
  write_backs_.back().written &= ~Slots::flags();
  write_backs_.back().passing &= ~Slots::flags();
  builder_.SetInsertPoint(rest);
  written_ &= Slots::flags();
  passing_ &= Slots::flags();
}

// ---- Instructions.

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
  SlotSet written;
  BasicBlock* fault = nullptr;
  for (Instruction* one : inlined) {
    if (!llvm::isa<llvm::LoadInst, llvm::StoreInst>(one)) {
      settle(*one, offset, fault);
      continue;
    }
    llvm::APInt distance(64, 0);
    Value* pointer = llvm::getPointerOperand(one)->stripAndAccumulateConstantOffsets(layout_, distance, true);
    i64 offset_in_cpu = distance.getSExtValue() + static_cast<i64>(stencil::cpu_bias);
    // An atomic operation that LLVM knew to change nothing would become a load, or nothing at all, which cannot fault alike.
    if (semantic.use == Use::exact && offset_in_cpu == offsetof(Cpu, zero)) continue;
    if (pointer == function_->getArg(0) && !slots_->rewrite(*one, offset_in_cpu, written)) failed_ = true;
  }
  written_ |= written;
  Value* result = marker->getOperand(0);
  BasicBlock* end = marker->getParent();
  end->getTerminator()->eraseFromParent();
  marker->eraseFromParent();
  builder_.SetInsertPoint(end);
  return result;
}

// clang's elementwise builtins do not ask how floating point is to be compiled.
void make_strict(llvm::ConstrainedFPIntrinsic& call) {
  auto metadata = [&](const char* text) {
    return llvm::MetadataAsValue::get(call.getContext(), llvm::MDString::get(call.getContext(), text));
  };
  call.setArgOperand(call.arg_size() - 1, metadata("fpexcept.strict"));
  if (call.getRoundingMode()) call.setArgOperand(call.arg_size() - 2, metadata("round.dynamic"));
}

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
    std::string symbol = helper_prefix + name.str();
    auto* pointer = llvm::cast<llvm::GlobalVariable>(module_->getOrInsertGlobal(symbol, builder_.getPtrTy()));
    pointer->setConstant(true);
    pointer->setDSOLocal(true);
    call->setCalledOperand(new llvm::LoadInst(builder_.getPtrTy(), pointer, "", call->getIterator()));
  }
}

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

// The block that makes Cpu exact when an access of the instruction faults, and leaves.
BasicBlock* Lifter::make_fault_edge(u32 offset) {
  BasicBlock* block = new_block();
  builder_.SetInsertPoint(block);
  note_write_back(builder_.CreateStore(pc_value(offset), field(offsetof(Cpu, pc))));
  Instruction* end = builder_.CreateRetVoid();
  if (passing_.any()) {
    write_backs_.back().shares = true;
    nodes_[current_].before_last_fault = written_;
    nodes_[current_].fault_ends.push_back(end);
  }
  return block;
}

void Lifter::make_access(llvm::CallInst& call, u32 offset, BasicBlock*& fault) {
  llvm::IRBuilderBase::InsertPointGuard guard(builder_);
  if (fault == nullptr) {
    fault = make_fault_edge(offset);
  }
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
  // Small loads zero-extend into a whole register.
  if (is_load) result = loaded_lane != nullptr ? loaded_lane->getType() : bytes < 4 ? builder_.getInt32Ty() : type;
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
    // A small load has extended its value already.
    for (llvm::User* user : llvm::make_early_inc_range(call.users())) {
      if (bytes >= 4 || !llvm::isa<llvm::ZExtInst>(user)) continue;
      user->replaceAllUsesWith(builder_.CreateZExt(jump, user->getType()));
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

// ---- Control.

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
    // Into the region's own code without leaving; it may be a recursion, so it polls.
    builder_.CreateBr(edge(root, direct_target, true));
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
                       : exit_symbol(return_offset);
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
  note_write_back(builder_.CreateStore(below, field(offsetof(Cpu, return_top))));
  jump_to(code);
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
    choice->addCase(builder_.getInt64(indirect.target), edge(context, indirect.target, true));
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
  note_write_back(code);
  jump_to(code);
  builder_.SetInsertPoint(unknown);
  note_write_back(builder_.CreateStore(target, field(offsetof(Cpu, pc))));
  builder_.CreateStore(builder_.getInt64(static_cast<u64>(ExitReason::lookup)), field(offsetof(Cpu, exit_reason)));
  builder_.CreateRetVoid();
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
  for (u32 i = 0; i < entries_.size(); i++) {
    // At an entry everything is in Cpu: nothing to be written back when it polls.
    current_ = entry_nodes_[i];
    written_.reset();
    passing_.reset();
    BasicBlock* loads = new_block();
    builder_.SetInsertPoint(loads);
    slots_->load_all(builder_);
    builder_.CreateBr(nodes_[entry_nodes_[i]].head);
    BasicBlock* first = with_poll(loads, entries_[i].offset);
    entry_jump_->addDestination(first);
    auto* address = llvm::ConstantExpr::getPtrToInt(llvm::BlockAddress::get(function_, first), builder_.getInt64Ty());
    // Its first instruction, which loads the address, is long enough to be redirected.
    Function* entry = code_symbol(entry_prefix + std::to_string(i));
    entry->addFnAttr(llvm::Attribute::NoUnwind);
    entry->setAlignment(llvm::Align(stencil::patchable_alignment));
    builder_.SetInsertPoint(BasicBlock::Create(context_, "", entry));
    llvm::CallInst* jump = builder_.CreateCall(function_, {entry->getArg(0), address});
    jump->setCallingConv(llvm::CallingConv::PreserveNone);
    jump->setTailCallKind(llvm::CallInst::TCK_MustTail);
    builder_.CreateRetVoid();
  }
}

// What every fault edge of a node writes back with the same values, so that one block can do it for all: the code generator's
// time goes with the size of these blocks.
SlotSet shared_by_faults(const Node& node) {
  if (node.fault_ends.size() < 2) return {};
  return node.arriving & ~node.before_last_fault;
}

void Lifter::write_states_back() {
  // What may be in variables only when a node begins, by iteration to the least solution.
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
  for (const WriteBack& write_back : write_backs_) {
    builder_.SetInsertPoint(write_back.before);
    const Node& node = nodes_[write_back.node];
    SlotSet set = write_back.written | (node.arriving & write_back.passing);
    slots_->write_back(builder_, write_back.shares ? set & ~shared_by_faults(node) : set);
  }
  for (const Node& node : nodes_) {
    SlotSet shared = shared_by_faults(node);
    if (shared.none()) continue;
    BasicBlock* block = new_block();
    for (Instruction* end : node.fault_ends) llvm::ReplaceInstWithInst(end, llvm::BranchInst::Create(block));
    builder_.SetInsertPoint(block);
    slots_->write_back(builder_, shared);
    builder_.CreateRetVoid();
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
  write_states_back();
  if (failed_) {
    why = "a semantic function cannot be inlined";
    return std::nullopt;
  }
  // After its entries, so that the first of them shares its cache line.
  function_->removeFromParent();
  module_->getFunctionList().push_back(function_);
  return Lifted{std::move(module_), function_, std::move(entries_), std::move(exits_), lifted_};
}

}  // namespace

std::optional<Lifted> lift(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout,
                           bool lines, std::string& why) {
  Lifter lifter(request, semantics, layout);
  if (lines) lifter.want_lines();
  return lifter.run(why);
}

}  // namespace ferry::optimizer
