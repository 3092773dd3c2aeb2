// Looking bytes up in a table of 16: the one thing that clang's portable vectors cannot say, spelled for either host.
#pragma once
#include "translator/aarch64/semantics/vector.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ferry::aarch64 {

// table[index], for indexes below 16.
FERRY_INLINE Bytes lookup_nibble(Bytes table, Bytes index) {
#if defined(__aarch64__)
  return vqtbl1q_u8(table, index);
#else
  using Characters = char __attribute__((vector_size(16)));
  return as<Bytes>(__builtin_ia32_pshufb128(as<Characters>(table), as<Characters>(index)));
#endif
}

// table[index], and 0 for indexes above 15.
FERRY_INLINE Bytes lookup(Bytes table, Bytes index) {
#if defined(__aarch64__)
  return vqtbl1q_u8(table, index);
#else
  // PSHUFB gives 0 where bit 7 of the index is set: 16 and above get there by saturation.
  return lookup_nibble(table, __builtin_elementwise_add_sat(index, Bytes{} + 0x70));
#endif
}

}  // namespace ferry::aarch64
