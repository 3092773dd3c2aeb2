// The condition flags as a region leaves them on its way out, and a block after a compare and branch: not computed, but what they are to
// be computed of, since whatever comes next hardly ever reads them before it sets them. Who reads them in Cpu calls settle_flags()
// before, and who writes them there ends their being lazy. What is not translated code knows only the flags themselves.
// Freestanding: semantic functions name these.
#pragma once
#include "guest/aarch64/cpu.h"

namespace ferry::aarch64 {

// Cpu::flags_kind: how n, z, c and v come of flags_a and flags_b. The compared kinds need no distinction of cases: N, Z and V are of a - b,
// both shifted left by as many bits as bits 5:0 say; so is C, where carry_compared is set. With b_in_kind, b is bits 31:16, and flags_b
// means nothing: a store less where it is an immediate.
inline constexpr u32 compared = 1 << 8, carry_compared = 1 << 9, b_in_kind = 1 << 10;
inline constexpr u32 b_shift = 16;
inline constexpr u64 max_b_in_kind = 0xffff;
enum class LazyFlags : u32 {
  settled = 0,                                   // they are in their places
  packed = 1,                                    // a: n in bits 7:0, then z, c and v, as in Cpu
  subtract_32 = compared | carry_compared | 32,  // of a - b
  subtract_64 = compared | carry_compared,
  logical_32 = compared | b_in_kind | 32,  // of the result a; b is 0
  logical_64 = compared | b_in_kind,
  wanted = 1 << 11,  // in the Cpu of a stencil that leaves them lazy, not in the thread's
};

// In semantic functions' stencils: whether only what the flags are of will be known of them, and the condition that a branch asks for.
[[gnu::always_inline]] inline bool flags_are_lazy(const Cpu& cpu) {
  return cpu.flags_kind == static_cast<u32>(LazyFlags::wanted);
}

// Each flag a byte of 0 or 1, as in Cpu, also of what no translated code says.
[[gnu::always_inline]] inline void settle_flags(Cpu& cpu) {
  u32 kind = cpu.flags_kind;
  if ((kind & compared) != 0) {
    u64 a = cpu.flags_a << (kind & 63);
    u64 b = (__builtin_unpredictable((kind & b_in_kind) != 0) ? u64{kind >> b_shift} : cpu.flags_b) << (kind & 63);
    u8 carry;
#if defined(FERRY_STENCIL) && defined(__x86_64__)
    // Only there: LLVM loses flags that are an assembly's output where calls come between, as of a sanitizer.
    asm("cmp %5, %4" : "=@ccs"(cpu.n), "=@cce"(cpu.z), "=@ccae"(carry), "=@cco"(cpu.v) : "r"(a), "r"(b));
#else
    u64 difference = a - b;
    cpu.n = difference >> 63;
    cpu.z = a == b;
    carry = a >= b;
    cpu.v = ((a ^ b) & (a ^ difference)) >> 63;
#endif
    cpu.c = carry & static_cast<u8>((kind & carry_compared) != 0);
  } else if (kind != 0) {
    u64 packed = cpu.flags_a;
    cpu.n = packed & 1;
    cpu.z = packed >> 8 & 1;
    cpu.c = packed >> 16 & 1;
    cpu.v = packed >> 24 & 1;
  } else {
    return;
  }
  cpu.flags_kind = 0;
}

}  // namespace ferry::aarch64
