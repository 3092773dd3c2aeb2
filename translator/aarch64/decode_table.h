// The shape of the decoder's table, which the forge writes as decode_table.inc from encodings.def: words fall into cells by
// their upper bits, a cell is split by a few of the other bits, which tell its rows apart best, and each part has a list of rows that
// may match. It is looked up for every instruction that is translated: in steps that are the same for all, for the processor predicts
// no others, and in little memory, for parts of the same rows have one list.
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {

inline constexpr int cell_shift = 21;
inline constexpr int cell_count = 1 << (32 - cell_shift);

struct DecodeCell {
  u16 first;  // index of its first part
  u8 shift, mask;
};
// A part is the index of its list's first row.
using DecodePart = u16;
inline constexpr int max_split_bits = 6;

// A row in a list; the last of each list matches every word and stands for no row.
struct DecodeMatch {
  u32 mask, value;
  u32 excluded_mask,
      excluded_value;  // a field that must not have this value; where there is none, what no word matches
  u16 row;
  bool has_more_exclusions;
};
inline constexpr u16 no_row = 0xffff;

}  // namespace ferry::aarch64
