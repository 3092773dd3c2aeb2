// Where the pointer that travels through translated code points: on x86-64 into the middle of the general registers, all of
// which a displacement of one signed byte then reaches (the manual's disp8), and instructions are three bytes shorter.
#pragma once
#include "guest/types.h"

namespace ferry::stencil {

#if defined(__x86_64__)
inline constexpr u64 cpu_bias = 128;  // added to the Cpu's address
#else
inline constexpr u64 cpu_bias = 0;
#endif

}  // namespace ferry::stencil
