// Regions of the store that were made ahead of time: a guest's process notes where it translates a block that one of them begins with,
// and puts it in place once samples show that time is spent in it. To put them all in place would cost a short program more than it
// runs. Under the translation lock.
#pragma once
#include <functional>
#include <vector>

#include "translator/optimizer/region.h"
#include "translator/optimizer/store.h"

namespace ferry::optimizer {

class MadeAhead {
 public:
  // A block at pc has this key, and StoreReader::find_ahead() something for it.
  void note(u64 pc, u64 key);

  // Puts in place what is there for the code at pc: install(base, region), which says whether it did. How many were.
  using Install = std::function<bool(u64 base, const Region& region)>;
  u32 install_around(StoreReader& store, u64 pc, const Install& install);

  void clear() { places_.clear(); }

 private:
  struct Place {
    u64 pc, key;
    u64 begin = 0, end = 0;  // of its regions' code; not known until they are looked at
  };
  static void look(StoreReader& store, Place& place);

  std::vector<Place> places_;  // ascending up to sorted_
  size_t sorted_ = 0;
};

}  // namespace ferry::optimizer
