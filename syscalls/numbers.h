// System call numbers from syscalls.def: number::openat is the guest's, host_number::openat the host's.
#pragma once
#include "guest/types.h"

namespace ferry::syscalls {

inline constexpr u32 number_limit = 512;  // above every number of the table

constexpr u32 select_number(Isa isa, u32 x86_64, u32 aarch64) { return isa == Isa::x86_64 ? x86_64 : aarch64; }

#define FORWARD(name, x86_64, aarch64, ...) inline constexpr u32 name = select_number(FERRY_ISA, x86_64, aarch64);
#define EMULATE FORWARD
#define PARTIAL FORWARD
#define REFUSE FORWARD
namespace number {
#define FERRY_ISA Isa::aarch64
#include "syscalls/syscalls.def"
#undef FERRY_ISA
}  // namespace number
namespace host_number {
#define FERRY_ISA host_isa
#include "syscalls/syscalls.def"
#undef FERRY_ISA
}  // namespace host_number
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE

}  // namespace ferry::syscalls
