// The numbering of fused pairs' stencils: after the instructions' own.
#pragma once
#include "translator/aarch64/encodings.h"

namespace ferry::aarch64 {

inline constexpr RowId paired_rows[] = {
#define FERRY_PAIR(name) RowId::name,
#include "translator/aarch64/fused_pairs.def"
#undef FERRY_PAIR
};
inline constexpr int pair_count = sizeof paired_rows / sizeof *paired_rows;

// The pair whose first instruction is of this row; -1: none.
constexpr int pair_of(RowId row) {
  for (int i = 0; i < pair_count; i++) {
    if (paired_rows[i] == row) return i;
  }
  return -1;
}

// The stencil of a pair: `variant` is the first instruction's, with flags computed; `cond` the branch's condition.
constexpr int pair_stencil(int pair, u32 variant, int cond) {
  int id = instruction_stencil_count;
  for (int i = 0; i < pair; i++) id += rows[static_cast<int>(paired_rows[i])].variant_count() / 2 * 16;
  return id + static_cast<int>(variant / 2) * 16 + cond;
}

inline constexpr int pair_stencil_end = pair_stencil(pair_count, 0, 0);

}  // namespace ferry::aarch64
