// How control passes between regions: with the guest registers that calls and loops use most in host registers, beside the Cpu
// pointer and one more argument, in the order of preserve_none's parameters. Their places in Cpu are out of date meanwhile.
// All code that is jumped to by address can be entered in two ways: at the address, with Cpu exact, as baseline code does, and
// `carried_entry` bytes before it with these registers carried. Before a block, that is code which stores them.
#pragma once
#include "guest/types.h"

namespace ferry::stencil {

inline constexpr u32 carried_registers[] = {0, 1, 2, 19, 20, 21, 29, 30, 31};  // as slots of Cpu: 31 is SP
inline constexpr u32 carried_count = sizeof carried_registers / sizeof carried_registers[0];

inline constexpr u64 carried_entry = 16;  // argument_jump_size

}  // namespace ferry::stencil
