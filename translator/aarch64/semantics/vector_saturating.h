// Saturating arithmetic that several Advanced SIMD sections share; each operation notes saturation in FPSR.QC.
#pragma once
#include "translator/aarch64/semantics/vector.h"

namespace ferry::aarch64 {

constexpr auto add_saturating = FERRY_OPERATION(Cpu & cpu, auto a, auto b) {
  auto sum = __builtin_elementwise_add_sat(a, b);
  note_saturation(cpu, sum ^ (a + b));
  return sum;
};
constexpr auto subtract_saturating = FERRY_OPERATION(Cpu & cpu, auto a, auto b) {
  auto difference = __builtin_elementwise_sub_sat(a, b);
  note_saturation(cpu, difference ^ (a - b));
  return difference;
};

// The lanes' products at twice the width; doubled, only the lowest value's square is too large.
template <class V>
FERRY_INLINE auto double_saturating(Cpu& cpu, V wide_product) {
  return add_saturating(cpu, wide_product, wide_product);
}

// Results at twice the width, limited to V's lanes.
template <class V, class W>
FERRY_INLINE V limit(Cpu& cpu, W wide) {
  using T = ElementOf<V>;
  W limited = __builtin_elementwise_max(__builtin_elementwise_min(wide, W{} + highest_of<T>), W{} + lowest_of<T>);
  note_saturation(cpu, limited ^ wide);
  return convert<T>(limited);
}

// (2 * a * b + rounding) >> bits, of halfwords and words; in halves, so that only the result can be too large.
template <bool rounding, class V>
FERRY_INLINE V multiply_high(Cpu& cpu, V a, V b) {
  using T = ElementOf<V>;
  using W = Wide<T>;
  auto product = convert<W>(a) * convert<W>(b) + (rounding ? W{1} << (bits_of<T> - 2) : W{0});
  return limit<V>(cpu, product >> (bits_of<T> - 1));
}

template <bool rounding>
constexpr auto doubling_multiply_high = FERRY_OPERATION(Cpu & cpu, auto a, auto b) {
  return multiply_high<rounding>(cpu, a, b);
};

// ((d << bits) +- 2 * a * b + rounding) >> bits, saturated (FEAT_RDM).
template <bool subtract, class V>
FERRY_INLINE V multiply_high_accumulate(Cpu& cpu, V d, V a, V b) {
  using T = ElementOf<V>;
  using W = Wide<T>;
  auto product = convert<W>(a) * convert<W>(b);
  auto accumulator = (convert<W>(d) << (bits_of<T> - 1)) + (W{1} << (bits_of<T> - 2));
  return limit<V>(cpu, (subtract ? accumulator - product : accumulator + product) >> (bits_of<T> - 1));
}
template <bool subtract>
constexpr auto doubling_multiply_high_accumulate = FERRY_OPERATION(Cpu & cpu, auto d, auto a, auto b) {
  return multiply_high_accumulate<subtract>(cpu, d, a, b);
};

}  // namespace ferry::aarch64
