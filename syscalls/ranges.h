// A sorted list of disjoint address ranges with a protection each: what of the shared address space is the guest's.
// Neighbours with the same protection are one range. Not synchronised.
#pragma once
#include <vector>

#include "guest/types.h"

namespace ferry::syscalls {

struct Range {
  u64 begin, end;
  int protection;
};

class Ranges {
 public:
  void assign(u64 begin, u64 end, int protection);  // over whatever was there
  void remove(u64 begin, u64 end);

  bool owns(u64 begin, u64 end) const { return owned_end(begin, end) == end; }
  int protection_at(u64 address) const;  // 0 where there is no range
  u64 begin_of(u64 address) const;       // of the range it lies in; `address` where there is none
  // The end of the part of [at, end) that begins at `at` and belongs to ranges without a hole; `at` itself when none does.
  u64 owned_end(u64 at, u64 end) const;
  // The end of the hole that begins at `at`, at most `end`; `at` itself when a range is there.
  u64 gap_end(u64 at, u64 end) const;
  std::vector<Range> within(u64 begin, u64 end) const;  // clipped

  auto begin() const { return ranges_.begin(); }
  auto end() const { return ranges_.end(); }

 private:
  std::vector<Range>::const_iterator first_ending_after(u64 address) const;

  std::vector<Range> ranges_;
};

}  // namespace ferry::syscalls
