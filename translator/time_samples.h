// Where the time of the guest's threads goes, for --stats: the kernel notes each thread's host pc a thousand times a second of its
// processor time into a ring in memory (perf_event_open(2)), so that no signal disturbs the guest.
#pragma once
#include "guest/types.h"

namespace ferry::translator {

class TimeSamples {
 public:
  // On the thread to be watched. Where the kernel does not allow it there are no samples.
  TimeSamples();
  ~TimeSamples();
  TimeSamples(const TimeSamples&) = delete;
  TimeSamples& operator=(const TimeSamples&) = delete;

  // Calls visit(pc) for each sample since the last time. One thread at a time, any thread.
  template <class F>
  void take(F&& visit) {
    u64 pc;
    while (next(pc)) visit(pc);
  }

 private:
  bool next(u64& pc);

  u8* ring_ = nullptr;  // a page that describes it, then the data
};

}  // namespace ferry::translator
