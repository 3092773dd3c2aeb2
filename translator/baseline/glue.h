// The stencils that are not instructions: block entries, edges between blocks, ways out.
#pragma once
#include "translator/aarch64/fused_pairs.h"

namespace ferry::baseline {

enum class Glue : u16 {
  block_entry,    // one block of the budget; goes to `taken` when it is used up
  leave_at,       // leaves: operands are the pc, the ExitReason, and exit_operand
  leave,          // leaves with the ExitReason operand; cpu.pc is set
  go_to_pc,       // goes on at cpu.pc
  look_again,     // the same by the branch cache's second way, whose entry changes places with the first's
  settle_flags,   // makes flags that are lazy (aarch64/lazy_flags.h) what they are
  replace_flags,  // says that they are not lazy, before something that sets all of them in Cpu
  store_carried,  // makes Cpu exact where registers are carried, then goes to the code that is the argument
  count
};

inline constexpr int glue_count = static_cast<int>(Glue::count);
// Stencil ids: the instructions', the fused pairs', the glue's.
inline constexpr int stencil_count = aarch64::pair_stencil_end + glue_count;
constexpr u32 stencil_of(Glue glue) { return static_cast<u32>(aarch64::pair_stencil_end) + static_cast<u32>(glue); }

}  // namespace ferry::baseline
