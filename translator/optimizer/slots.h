// Guest registers and flags as local variables of a region's function: the slots of Cpu that semantic functions reach by constant
// offsets. Everything else of Cpu stays where it is.
#pragma once
#include <bitset>

#include "guest/types.h"
#include "llvm/IR/IRBuilder.h"
#include "translator/optimizer/fault_states.h"

namespace ferry::optimizer {

// X0..X30 and SP, N Z C V, V0..V31, and what the flags are of (aarch64/lazy_flags.h): kind, a and b.
inline constexpr int slot_count = 32 + 4 + 32 + 3;
using SlotSet = std::bitset<slot_count>;

class Slots {
 public:
  // `allocas`: where the variables are made, at the beginning of the function.
  Slots(llvm::Instruction* allocas, llvm::Value* cpu) : allocas_(allocas), cpu_(cpu) {}

  // Makes an access to Cpu + offset one to the variables and erases it; what it writes is added to `written`. Leaves accesses
  // to the rest of Cpu alone. False when an access straddles what it must not.
  // `read` likewise: what it reads, also of a vector of which it writes a part.
  bool rewrite(llvm::Instruction& access, i64 offset, SlotSet& written, SlotSet& read);

  static SlotSet flags() { return SlotSet(0xf) << 32; }
  // They are written whenever flags are, and it is they that go back to Cpu, not the flags themselves.
  static SlotSet lazy_flags() { return SlotSet(7) << 68; }
  static SlotSet carried();  // stencil/carried.h

  void write_lazy_flags(llvm::IRBuilder<>& builder, llvm::Value* kind, llvm::Value* a, llvm::Value* b);
  // Those of the flags that are in the variables.
  void pack_flags(llvm::IRBuilder<>& builder);

  // From Cpu to the variables in `set`, and back, at the builder's place. Those that are not in use are left out. Flags must be settled in
  // Cpu where they are loaded.
  void load(llvm::IRBuilder<>& builder, const SlotSet& set);
  void write_back(llvm::IRBuilder<>& builder, const SlotSet& set);
  // The values of the carried slots, and what they become.
  std::vector<llvm::Value*> carried_values(llvm::IRBuilder<>& builder);
  void set_carried(llvm::IRBuilder<>& builder, llvm::ArrayRef<llvm::Value*> values);
  // From Cpu.
  static std::vector<llvm::Value*> load_carried(llvm::IRBuilder<>& builder, llvm::Value* cpu);
  // What write_back() would store, as values and the fields of Cpu that they belong in.
  void read_all(llvm::IRBuilder<>& builder, const SlotSet& set, std::vector<llvm::Value*>& values,
                std::vector<LiftedFaultValue>& fields);

 private:
  llvm::AllocaInst* variable(int slot);
  llvm::Value* read(llvm::IRBuilder<>& builder, i64 offset, llvm::Type* type, SlotSet& read);
  bool write(llvm::IRBuilder<>& builder, i64 offset, llvm::Value* value, SlotSet& written, SlotSet& read);
  llvm::Value* address(llvm::IRBuilder<>& builder, int slot);

  llvm::Instruction* allocas_;
  llvm::Value* cpu_;
  llvm::AllocaInst* variables_[slot_count] = {};
};

}  // namespace ferry::optimizer
