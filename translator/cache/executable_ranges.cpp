#include "translator/cache/executable_ranges.h"

#include <algorithm>

namespace ferry::cache {

void ExecutableRanges::set(u64 begin, u64 end, bool executable) {
  if (begin >= end) return;
  allowed_size_ = 0;
  auto first = std::ranges::lower_bound(edges_, begin), last = std::ranges::upper_bound(edges_, end);
  bool before = (first - edges_.begin()) % 2 != 0, after = (last - edges_.begin()) % 2 != 0;
  u64 edges[2];
  size_t count = 0;
  if (before != executable) edges[count++] = begin;
  if (after != executable) edges[count++] = end;
  first = edges_.erase(first, last);
  edges_.insert(first, edges, edges + count);
}

bool ExecutableRanges::overlaps(u64 begin, u64 end) const {
  if (edges_.empty()) return true;
  auto after = std::ranges::upper_bound(edges_, begin);
  return (after - edges_.begin()) % 2 != 0 || (after != edges_.end() && *after < end);
}

bool ExecutableRanges::look_up(u64 address) const {
  if (edges_.empty()) return true;
  auto after = std::ranges::upper_bound(edges_, address);
  if ((after - edges_.begin()) % 2 == 0) return false;
  allowed_begin_ = after[-1];
  allowed_size_ = (after == edges_.end() ? 0 : *after) - allowed_begin_;  // of a range to the end of all: the rest
  return true;
}

}  // namespace ferry::cache
