// Operations on whole vectors that instructions on lanes of the same and of different widths share. Those that accumulate take the
// destination's old lanes first.
#pragma once
#include "translator/aarch64/semantics/vector.h"

namespace ferry::aarch64 {

constexpr auto add = FERRY_OPERATION(auto a, auto b) { return a + b; };
constexpr auto subtract = FERRY_OPERATION(auto a, auto b) { return a - b; };
constexpr auto multiply = FERRY_OPERATION(auto a, auto b) { return a * b; };
constexpr auto difference = FERRY_OPERATION(auto a, auto b) {
  return __builtin_elementwise_max(a, b) - __builtin_elementwise_min(a, b);
};
constexpr auto difference_accumulate = FERRY_OPERATION(auto d, auto a, auto b) { return d + difference(a, b); };
constexpr auto multiply_add = FERRY_OPERATION(auto d, auto a, auto b) { return d + a * b; };
constexpr auto multiply_subtract = FERRY_OPERATION(auto d, auto a, auto b) { return d - a * b; };

}  // namespace ferry::aarch64
