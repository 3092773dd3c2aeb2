#include "translator/cache/executable_ranges.h"

#include <algorithm>

namespace ferry::cache {

void ExecutableRanges::set(u64 begin, u64 end, bool executable) {
  if (begin >= end) return;
  auto first = std::ranges::lower_bound(edges_, begin), last = std::ranges::upper_bound(edges_, end);
  bool before = (first - edges_.begin()) % 2 != 0, after = (last - edges_.begin()) % 2 != 0;
  u64 edges[2];
  size_t count = 0;
  if (before != executable) edges[count++] = begin;
  if (after != executable) edges[count++] = end;
  first = edges_.erase(first, last);
  edges_.insert(first, edges, edges + count);
}

bool ExecutableRanges::allows(u64 address) const {
  return edges_.empty() || (std::ranges::upper_bound(edges_, address) - edges_.begin()) % 2 != 0;
}

}  // namespace ferry::cache
