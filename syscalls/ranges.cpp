#include "syscalls/ranges.h"

#include <algorithm>

namespace ferry::syscalls {

std::vector<Range>::const_iterator Ranges::first_ending_after(u64 address) const {
  return std::ranges::upper_bound(ranges_, address, {}, &Range::end);
}

void Ranges::remove(u64 begin, u64 end) {
  if (begin >= end) return;
  auto first = ranges_.begin() + (first_ending_after(begin) - ranges_.cbegin());
  auto last = first;
  while (last != ranges_.end() && last->begin < end) ++last;
  if (first == last) return;
  Range head{first->begin, begin, first->protection};
  Range tail{end, (last - 1)->end, (last - 1)->protection};
  first = ranges_.erase(first, last);
  if (tail.begin < tail.end) first = ranges_.insert(first, tail);
  if (head.begin < head.end) ranges_.insert(first, head);
}

void Ranges::assign(u64 begin, u64 end, int protection) {
  if (begin >= end) return;
  remove(begin, end);
  auto next = ranges_.begin() + (first_ending_after(begin) - ranges_.cbegin());
  bool joins_next = next != ranges_.end() && next->begin == end && next->protection == protection;
  bool joins_previous = next != ranges_.begin() && (next - 1)->end == begin && (next - 1)->protection == protection;
  if (joins_previous && joins_next) {
    (next - 1)->end = next->end;
    ranges_.erase(next);
  } else if (joins_previous) {
    (next - 1)->end = end;
  } else if (joins_next) {
    next->begin = begin;
  } else {
    ranges_.insert(next, {begin, end, protection});
  }
}

int Ranges::protection_at(u64 address) const {
  auto range = first_ending_after(address);
  return range != ranges_.end() && range->begin <= address ? range->protection : 0;
}

u64 Ranges::begin_of(u64 address) const {
  auto range = first_ending_after(address);
  return range != ranges_.end() && range->begin <= address ? range->begin : address;
}

u64 Ranges::owned_end(u64 at, u64 end) const {
  for (auto range = first_ending_after(at); range != ranges_.end() && range->begin <= at && at < end; ++range)
    at = std::min(range->end, end);
  return at;
}

u64 Ranges::gap_end(u64 at, u64 end) const {
  auto range = first_ending_after(at);
  if (range == ranges_.end() || range->begin >= end) return end;
  return std::max(at, range->begin);
}

std::vector<Range> Ranges::within(u64 begin, u64 end) const {
  std::vector<Range> pieces;
  for (auto range = first_ending_after(begin); range != ranges_.end() && range->begin < end; ++range) {
    pieces.push_back({std::max(begin, range->begin), std::min(end, range->end), range->protection});
  }
  return pieces;
}

}  // namespace ferry::syscalls
