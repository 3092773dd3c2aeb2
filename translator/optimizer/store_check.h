// Looks through a whole store, for `ferry cache status` and `verify`: any process may, while the writer writes.
#pragma once
#include <string>

#include "guest/types.h"

namespace ferry::optimizer {

struct StoreCheckOptions {
  bool parse = false;  // each region by read_region(), and its keys against its words
  bool drop = false;   // what is damaged: its index slots, or all of a store that is mostly so
};

struct StoreCheck {
  std::string failure;           // not empty: nothing can be said of what is inside
  u64 size = 0, used = 0;        // bytes of the file; up to where it is filled
  u64 regions = 0, entries = 0;  // regions, and keys that lead to them
  u64 region_bytes = 0;
  u64 code_bytes = 0, instructions = 0;  // with `parse`: host code, guest instructions
  u64 pages = 0, page_bytes = 0;         // translated by the baseline
  u64 bad_requests = 0;                  // of which nothing could be made
  u64 damaged = 0, dropped = 0;          // index slots that lead to something damaged
  bool unusable = false;                 // the failure is the file's: it is of no use to anybody
  bool removed = false;                  // the whole store
  std::string description;
};

StoreCheck check_store(const std::string& directory, const std::string& name, StoreCheckOptions options);

}  // namespace ferry::optimizer
