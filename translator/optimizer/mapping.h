// Which file guest code comes from, as the kernel knows it (proc(5), /proc/PID/maps).
#pragma once
#include <string>

#include "guest/types.h"

namespace ferry::optimizer {

struct Mapping {
  u64 begin = 0, end = 0;   // empty: not known
  std::string file;         // empty: memory without a file
  u64 offset = 0;           // of `begin` in it
  bool unchanging = false;  // a private mapping that is not writable: another process will find the same there
};

// The process's mappings as they are when it is made, which takes 10 to 100 microseconds.
class Mappings {
 public:
  Mappings();
  bool known() const { return !text_.empty(); }  // false where there is no /proc, or it could not be read just then
  // The one that holds the address; where there is no /proc, all of memory, as what is no file's.
  Mapping find(u64 address) const;

 private:
  std::string text_;
};

}  // namespace ferry::optimizer
