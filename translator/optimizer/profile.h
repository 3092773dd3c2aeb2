// What has been hot, over many runs and across restarts of the optimiser: so that short processes add up, and so that
// `ferry cache warm` knows what is worth compiling. One small file beside the stores, shared by all builds and processors since it
// speaks of guest code only; written whole and renamed into place by the optimiser's process.
#pragma once
#include <expected>
#include <string>
#include <unordered_map>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/region.h"

namespace ferry::optimizer {

// A request without its words: what it takes to make it again from the file.
struct HotSpot {
  struct Extent {
    u32 offset, words;
  };
  u64 heat = 0;
  u32 last_day = 0;     // when it was last hot: days since 1970
  std::string file;     // where ferry found the code; may be gone, or empty
  u64 file_offset = 0;  // of the base
  std::vector<u32> entries;
  std::vector<Extent> extents;
  std::vector<IndirectTarget> indirect_targets;
};

class Profile {
 public:
  // Reads the directory's profile; an absent, cut or altered one is an empty one.
  explicit Profile(std::string directory);

  // Adds the request's heat to what is known of its hot block, and remembers the request's shape. The sum. A request without
  // heat, made ahead of time, changes nothing.
  u64 add(const Request& request);

  // Writes it if it has changed: often enough that little is lost, seldom enough that it costs nothing (the optimiser does it every
  // few seconds and at its end). False: it could not be written.
  bool save();

  const std::unordered_map<u64, HotSpot>& spots() const { return spots_; }

 private:
  void forget_coldest();

  std::string directory_;
  std::unordered_map<u64, HotSpot> spots_;
  bool changed_ = false;
};

// By which heat adds up: the words at the hot block, wherever they are mapped and whatever else is formed around them.
u64 heat_key(const Request& request);

// By which a request is known again: everything in it that the code depends on.
u64 request_key(const Request& request);

}  // namespace ferry::optimizer
