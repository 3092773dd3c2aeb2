// The stencils that are not instructions: block entries, edges between blocks, ways out.
#pragma once
#include "translator/aarch64/encodings.h"

namespace ferry::baseline {

enum class Glue : u16 {
  block_entry,  // one block of the budget; goes to `taken` when it is used up
  leave_at,     // leaves: operands are the pc, the ExitReason, and exit_operand
  leave,        // leaves with the ExitReason operand; cpu.pc is set
  count
};

inline constexpr int glue_count = static_cast<int>(Glue::count);
inline constexpr int stencil_count = aarch64::instruction_stencil_count + glue_count;
constexpr u32 stencil_of(Glue glue) { return static_cast<u32>(aarch64::instruction_stencil_count) + static_cast<u32>(glue); }

}  // namespace ferry::baseline
