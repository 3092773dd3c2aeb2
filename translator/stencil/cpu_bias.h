// Where the pointer that travels through translated code points: on x86-64 into the middle of the general registers, all of
// which a displacement of one signed byte then reaches (the manual's disp8), and instructions are three bytes shorter.
#pragma once
#include "guest/types.h"

namespace ferry::stencil {

#if defined(__x86_64__)
inline constexpr u64 cpu_bias = 128;  // added to the Cpu's address
// Which of preserve_none's parameters it is, and which is the value that goes along (`last`, or an argument): on x86-64 the second, since
// an address by r13 takes a byte less than one by r12, which needs SIB (SDM volume 2, table 2-5).
inline constexpr u32 cpu_parameter = 1, argument_parameter = 0;
#define FERRY_CPU_AND_ARGUMENT(cpu, argument) argument, cpu
#else
inline constexpr u64 cpu_bias = 0;
inline constexpr u32 cpu_parameter = 0, argument_parameter = 1;
#define FERRY_CPU_AND_ARGUMENT(cpu, argument) cpu, argument
#endif

}  // namespace ferry::stencil
