// The shape of the decoder's table, which the forge writes as decode_table.inc from encodings.def: words fall into buckets
// by their upper bits, crowded buckets are split once more by bits 15:10, and a bucket lists its candidate rows.
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {

inline constexpr int bucket_shift = 21;
inline constexpr int bucket_count = 1 << (32 - bucket_shift);
inline constexpr int split_shift = 10;
inline constexpr int split_size = 64;
inline constexpr u16 split_bucket = 0xffff;  // as `count`: `first` is the index of split_size further buckets

struct DecodeBucket {
  u16 first;  // into the candidates
  u16 count;
};

struct DecodeMatch {
  u32 mask, value;
  u32 excluded_mask,
      excluded_value;  // a field that must not have this value; where there is none, what no word matches
  bool has_more_exclusions;
};

}  // namespace ferry::aarch64
