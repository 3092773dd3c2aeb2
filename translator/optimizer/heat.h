// Where time goes, by samples: the block in which a thread's budget ran out. A block with enough samples is hot and wants a region.
// Under the translation lock.
#pragma once
#include <atomic>
#include <unordered_map>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

// Samples that make a block hot, each some 20 to 100 microseconds of baseline code. The first compilation starts the optimiser and
// takes tens of milliseconds, so that waiting for more evidence than a millisecond would only cost.
inline constexpr u32 hot_samples = 12;
inline constexpr u32 traced_samples = 6;  // the last before a block is hot: it is warm then
// After so many samples, some 70 milliseconds of baseline code, what is left is spread thin. A sample costs one to two microseconds,
// and a region around a block that is barely hot gains nothing: from then on they are taken so many times less often.
inline constexpr u32 fine_samples = 2048, coarse_factor = 8;

class Heat {
 public:
  // warm: going to be hot, time to look where its branches go. hot: now; nothing is said of it until one of the calls below.
  enum class Verdict : u8 { cold, warm, hot };
  // One more sample of the block at pc. regions_at(pc): how many regions hold it already; a block that keeps coming up is asked for
  // less and less often.
  template <class F>
  Verdict sample(u64 pc, F&& regions_at) {
    Spot& spot = add_sample(pc);
    if (spot.state != State::counting || spot.samples + traced_samples < hot_samples) return Verdict::cold;
    return verdict(spot, regions_at(pc));
  }

  void settle(u64 pc);  // its region is in place, or has been lost on the way: count anew, to twice as much
  void refuse(u64 pc);  // nothing could be made of it: something smaller, and in the end nothing, is to be tried
  void clear();

  // How many times the shortest budget of blocks a sample is to stand for from now on. Any thread, without the lock.
  u32 factor() const { return taken_.load(std::memory_order_relaxed) < fine_samples ? 1 : coarse_factor; }

  u32 refusals(u64 pc) const;

  u32 samples(u64 pc) const;

  struct Warm {
    u64 pc;
    u32 samples;
  };
  // The blocks that got warm and not hot, the warmest first.
  std::vector<Warm> warm(u32 least, size_t most) const;

 private:
  enum class State : u8 { counting, waiting, refused };
  struct Spot {
    u32 samples = 0;
    u8 times = 0;  // how often it has been hot
    u8 refusals = 0;
    State state = State::counting;
  };
  Spot& add_sample(u64 pc);
  static Verdict verdict(Spot& spot, u32 regions_there);
  void cool();

  std::unordered_map<u64, Spot> spots_;
  std::atomic<u32> taken_ = 0;
};

}  // namespace ferry::optimizer
