// Lanes made half as wide, by cutting or by saturating: SatQ() of the Arm ARM's pseudocode (shared/functions/vector).
#pragma once
#include "translator/aarch64/semantics/vector.h"

namespace ferry::aarch64 {

// 8 bytes of T, each from a lane of twice its width. The Cpu is not touched; it makes the two interchangeable.
template <class T, class V>
FERRY_INLINE auto narrow(Cpu&, V wide) {
  return convert<T>(wide);
}

// V may be signed where T is unsigned (the "U" in SQXTUN).
template <class T, class V>
FERRY_INLINE auto narrow_saturating(Cpu& cpu, V wide) {
  using W = ElementOf<V>;
  V limited = __builtin_elementwise_min(wide, splat(static_cast<W>(highest_of<T>)));
  if constexpr (is_signed<W>) limited = __builtin_elementwise_max(limited, splat(static_cast<W>(lowest_of<T>)));
  note_saturation(cpu, wide ^ limited);
  return convert<T>(limited);
}

}  // namespace ferry::aarch64
