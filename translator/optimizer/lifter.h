// How lift() works inside: the Lifter makes basic blocks of IR for guest basic blocks in their contexts (lift.cpp), inlines the
// semantic functions into them (lift_instructions.cpp) and joins them by the guest's calls, returns and indirect branches
// (lift_control.cpp).
#pragma once
#include <deque>
#include <map>

#include "guest/aarch64/cpu.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/MDBuilder.h"
#include "translator/optimizer/guest_code.h"
#include "translator/optimizer/lift.h"
#include "translator/optimizer/slots.h"
#include "translator/stencil/cpu_bias.h"

namespace ferry::optimizer {

using aarch64::Cpu;
using llvm::BasicBlock;
using llvm::Function;
using llvm::Instruction;
using llvm::Value;
using semantic::Control;

// Instructions, counting one as often as it is inlined; more where the request has more.
inline constexpr u32 max_lifted = 1200;
inline constexpr u32 max_callee = 160;  // instructions of a callee that is inlined
// Of one that a loop calls and that is treated as part of it: its state stays in host registers all round. In a longer one every way out
// would have to store it all, which came to a sixth of bash's code for no time.
inline constexpr u32 max_callee_in_loop = 24;
inline constexpr u32 max_inlining_depth = 12;
// Of a function into itself: a call in eight is made where there are two. Not of a longer one, where the calls are a small part of the
// time: quicksort is as fast without, at a fifteenth of the code.
inline constexpr u32 max_inlined_recursion = 3, max_recursive_callee = 32;
inline constexpr u32 max_indirect_targets = 64;
inline constexpr u32 unlikely = 1, likely = 2000;

// Calls that are inlined make contexts: the same guest instruction is lifted once in each.
struct Context {
  u32 parent = 0;
  u32 depth = 0;
  u32 callee = 0;         // offset
  u32 return_offset = 0;  // where the call comes back to, in the parent
  bool in_loop = false;   // so is the call
};
inline constexpr u32 root = 0;

// A basic block in a context.
struct Node {
  u32 context = root, offset = 0;
  bool in_loop = false;
  BasicBlock* head = nullptr;
  BasicBlock* tail = nullptr;  // ends it, once it is lifted
  SlotSet written;             // what it leaves in variables and not in Cpu
  SlotSet passing;             // what of the state that came in it has not stored
  SlotSet arriving;            // what may be in variables only when it begins
  SlotSet read, set;           // what it reads before it sets it; what it sets
  SlotSet loaded;              // what is in variables when it begins, whichever way control came
  SlotSet wanted;              // what must be when it ends, because of where control goes on
  SlotSet loop_reads;          // what the loops that go on from it read, itself included
  SlotSet live_flags;  // which flags are read before they are set, here or further on: to settle others takes a call
  std::vector<u32> successors;
};

// Where Cpu has to be made exact: what a node had written up to there, and what of the state that came in it has not stored.
struct WriteBack {
  Instruction* before;
  u32 node;
  SlotSet written, passing;
  bool carries;  // a way out that takes registers along
  bool trap;     // at the guest instruction at `offset`: not by stores, but by a stack map; is_poll: by a poll
  bool is_poll;
  u32 offset;
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
  BasicBlock* with_poll(BasicBlock* next, u32 offset);
  void lift_node(u32 index);
  void write_through();
  void finish_node(const GuestInstruction& instruction, u32 offset, Value* result);

  // Instructions.
  Value* lift_instruction(const GuestInstruction& instruction, u32 offset);
  Instruction* inline_body(Function* function, const GuestInstruction& instruction, std::vector<Instruction*>& inlined);
  bool note_lazy_flags(Instruction& instruction, SlotSet& written);
  void settle(Instruction& instruction, u32 offset, BasicBlock*& fault);
  void make_access(llvm::CallInst& call, u32 offset, BasicBlock*& fault);
  void make_state_exact(u32 offset);

  // Control.
  void call(u32 offset, Value* target, i64 direct_target);
  BasicBlock* inlined_call(u32 offset, i64 target);
  u16 exit_at(i64 target);
  struct Callee {
    CallTarget target;
    u16 index;
  };
  Callee callee_at(i64 target);
  u16 add_call(u32 back, bool back_to_exit, Callee callee);
  u16 call_in(u32 context, u32 return_offset, Callee callee);
  u16 out_of(u32 context, Callee callee);
  Function* call_symbol(u16 call);
  void return_to(Value* target, bool returns_by_link);
  void go_to(Value* target, u32 offset);
  void dispatch(Value* target, Function* by = nullptr);
  BasicBlock* trap(u32 offset, bool is_poll);

  // Entries and the state.
  u32 entry_at(u32 context, u32 offset, bool in_map);
  void build_entries();
  template <class F>
  void find_backward(SlotSet Node::* wanted, F&& of);
  void find_loaded();
  void place_loads();
  void load(const SlotSet& set);
  void settle_flags();
  SlotSet wanted(const Node& from, u32 to) const;
  void find_arriving();
  void build_entry_table(llvm::ArrayRef<llvm::Constant*> blocks);
  void build_loader();
  void write_states_back();
  void map_state(const WriteBack& write_back, const SlotSet& set);

  // IR.
  Value* field(u64 offset) { return builder_.CreateConstInBoundsGEP1_64(builder_.getInt8Ty(), cpu_, offset); }
  Value* pc_value(i64 offset) { return builder_.CreateAdd(base_, builder_.getInt64(static_cast<u64>(offset))); }
  BasicBlock* new_block() { return BasicBlock::Create(context_, "", function_); }
  void set_line(u32 offset) {
    if (lines_ != nullptr)
      builder_.SetCurrentDebugLocation(llvm::DILocation::get(context_, line_of(offset), 0, lines_));
  }
  Function* code_symbol(const std::string& name);
  Value* helper_pointer(llvm::StringRef name);
  Value* unbiased(Value* cpu);
  Value* biased_cpu() const { return function_->getArg(stencil::cpu_parameter); }
  void jump_to(Value* code, Value* argument = nullptr);
  void go_out(Value* code, Value* argument = nullptr);
  void jump_to(Value* code, Value* cpu, Value* argument, llvm::ArrayRef<Value*> carried);
  Value* carried_entry(Value* code);
  void note_write_back(Instruction* before, bool carries = false) {
    write_backs_.push_back({before, current_, written_, passing_, carries, false, false, 0});
  }
  llvm::MDNode* weights(u32 first, u32 second) { return llvm::MDBuilder(context_).createBranchWeights(first, second); }

  SemanticsLibrary& semantics_;
  const llvm::DataLayout& layout_;
  const Request& request_;
  GuestCode code_;
  u32 max_lifted_;
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
  std::vector<Instruction*> entry_ends_;  // of the blocks that lead to their nodes
  std::map<u32, u32> entry_index_;        // by node
  std::vector<LiftedFault> faults_;
  std::vector<i32> exits_;
  std::map<i64, u16> exit_index_;
  std::vector<Call> calls_;
  u32 lifted_ = 0;
  llvm::DISubprogram* lines_ = nullptr;  // null: no debugging information

  // While a node is lifted:
  u32 current_ = 0;
  SlotSet written_;
  SlotSet passing_;
  SlotSet set_;
  bool failed_ = false;
};

}  // namespace ferry::optimizer
