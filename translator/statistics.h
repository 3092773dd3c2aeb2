// What --stats measures beyond the counters.
#pragma once
#include "translator/translator.h"

namespace ferry::translator {

// Does nothing but where statistics are wanted. The thread that is watched calls; under the lock.
void watch_time(Cpu& cpu);
void stop_watching_time(Cpu& cpu);
void watch_time_in_child(Cpu& cpu);

// Adds the time of a scope to a sum, in ticks. Under the lock when it ends.
class Stopwatch {
 public:
  explicit Stopwatch(u64& sum);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  u64& sum_;
  u64 start_;
};
inline u64 translate_ticks, region_ticks;  // under the lock

}  // namespace ferry::translator
