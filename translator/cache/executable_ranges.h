// Which guest addresses hold code that the guest may execute. The host maps guest code without PROT_EXEC, so that nothing but
// this stands between a jump into data and its translation. Not synchronised: the translation lock is held around it.
#pragma once
#include <vector>

#include "guest/types.h"

namespace ferry::cache {

class ExecutableRanges {
 public:
  void set(u64 begin, u64 end, bool executable);  // over whatever was there

  // True for every address while the set is empty: whoever runs code in plain memory declares nothing.
  bool allows(u64 address) const { return address - allowed_begin_ < allowed_size_ || look_up(address); }
  bool overlaps(u64 begin, u64 end) const;  // whether any address in [begin, end) is allowed

 private:
  bool look_up(u64 address) const;

  // Ascending; addresses at even indices begin a range, those at odd ones end it.
  std::vector<u64> edges_;
  // The range of the address that was allowed last: it is asked about for every block.
  mutable u64 allowed_begin_ = 0, allowed_size_ = 0;
};

}  // namespace ferry::cache
