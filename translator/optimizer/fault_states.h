// The state at a fault by LLVM's stack maps instead of code: a fault edge's block ends in a stack map, which lists where the code
// generator has the values that belong in Cpu, and a trap, upon which the signal handler takes them from there. The edge needs no
// stores, which come to more than the access itself, and a value that is a constant or in memory anyway needs no register either. Polls
// leave alike: a signal now and then costs less than to compile the stores.
// LLVM's "Stack maps and patch points", format version 3.
#pragma once
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/region.h"

namespace llvm {
class Function;
class StringRef;
}  // namespace llvm

namespace ferry::optimizer {

// What is for a field of Cpu, as the last of the steps leaves it.
struct LiftedFaultStep {
  bool is_operand;  // of the stack map, by its index: `value`; then `size` bytes of it
  FaultSource source;
  u16 size;
  i64 value;
};
struct LiftedFaultValue {
  u16 field, size;  // in Cpu, bytes
  std::vector<LiftedFaultStep> steps;
};

struct LiftedFault {
  u32 offset;  // of the guest instruction
  bool is_poll;
  std::vector<LiftedFaultValue> values;
};

// After optimisation: of what the stack maps list, only what the hot code has anyway stays there. What is constant, or a constant distance
// from the region's base, or is computed in the fault edge's own block, is computed at the fault.
void settle_fault_states(llvm::Function& function, std::vector<LiftedFault>& faults);

// Fills the region's fault states from the section of stack maps. `function`: where the code of the function that has them is.
// False with `why` when something is not as it must be.
bool read_fault_states(llvm::StringRef section, u32 function, const std::vector<LiftedFault>& faults, Region& region,
                       const char*& why);

}  // namespace ferry::optimizer
