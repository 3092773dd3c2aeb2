// What atomic guest accesses need of the host: the alignment check, and sixteen bytes at once, which clang would hand to
// libatomic. DDI 0487 B2.2 (atomicity), B2.5 (alignment: exclusive, ordered and atomic accesses fault when misaligned).
#pragma once
#include "translator/stencil/semantic.h"

namespace ferry::aarch64 {

// Guest memory as an object of the atomic builtins.
template <class T>
FERRY_INLINE semantic::SlotType<T>* at(u64 address) {
  return reinterpret_cast<semantic::SlotType<T>*>(address);
}

// The address, when it is a multiple of the access's size (a power of two); else an alignment fault: handle_fault() takes the
// host's trap for one at the address in exit_operand.
template <u64 size>
FERRY_INLINE u64 aligned_to(Cpu& cpu, u64 address) {
  if constexpr (size > 1) {
    if (__builtin_expect((address & (size - 1)) != 0, 0)) {
      *const_cast<volatile u64*>(&cpu.exit_operand) = address;
      __builtin_trap();
    }
  }
  return semantic::untagged(address);
}
template <class T>
FERRY_INLINE u64 aligned(Cpu& cpu, u64 address) {
  return aligned_to<sizeof(T)>(cpu, address);
}

#if defined(__x86_64__)

// Processors with AVX load sixteen aligned bytes at once (SDM volume 3, 9.1.1; APM volume 2, 7.3.2). x86 loads are acquire.
template <int acquire>
FERRY_INLINE u128 load_16(u64 address) {
  semantic::RawVector value;
  asm volatile("vmovdqa (%1), %0" : "=x"(value) : "r"(address) : "memory");
  return value[0] | u128{value[1]} << 64;
}

// Returns what was there; a full barrier.
FERRY_INLINE u128 compare_exchange_16(u64 address, u128 expected, u128 desired) {
  u64 low = static_cast<u64>(expected), high = static_cast<u64>(expected >> 64);
  asm volatile("lock cmpxchg16b (%2)"
               : "+a"(low), "+d"(high)
               : "r"(address), "b"(static_cast<u64>(desired)), "c"(static_cast<u64>(desired >> 64))
               : "memory", "cc");
  return low | u128{high} << 64;
}

#else

// The two halves may be of different moments; the exclusive store that follows compares both, so nobody can tell.
template <int acquire>
FERRY_INLINE u128 load_16(u64 address) {
  u64 low, high;
  if constexpr (acquire)
    asm volatile("ldaxp %0, %1, [%2]" : "=&r"(low), "=&r"(high) : "r"(address) : "memory");
  else
    asm volatile("ldxp %0, %1, [%2]" : "=&r"(low), "=&r"(high) : "r"(address) : "memory");
  return low | u128{high} << 64;
}

// Returns what was there; acquire and release. The old value is written back when it differs, because a pair that was loaded
// exclusively is one value only when its store succeeds (DDI 0487 B2.2.1).
FERRY_INLINE u128 compare_exchange_16(u64 address, u128 expected, u128 desired) {
  u64 low, high, store_low, store_high;
  u32 failed;
  asm volatile(
      "1: ldaxp %0, %1, [%5]\n\t"
      "cmp %0, %6\n\t"
      "ccmp %1, %7, #0, eq\n\t"
      "csel %2, %8, %0, eq\n\t"
      "csel %3, %9, %1, eq\n\t"
      "stlxp %w4, %2, %3, [%5]\n\t"
      "cbnz %w4, 1b"
      : "=&r"(low), "=&r"(high), "=&r"(store_low), "=&r"(store_high), "=&r"(failed)
      : "r"(address), "r"(static_cast<u64>(expected)), "r"(static_cast<u64>(expected >> 64)),
        "r"(static_cast<u64>(desired)), "r"(static_cast<u64>(desired >> 64))
      : "memory", "cc");
  return low | u128{high} << 64;
}

#endif

}  // namespace ferry::aarch64
