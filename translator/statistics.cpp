#include "translator/statistics.h"

#include <time.h>

#include <memory>
#include <unordered_map>

#include "translator/state.h"
#include "translator/stencil/host.h"
#include "translator/time_samples.h"

namespace ferry::translator {

using cache::Generation;

namespace {
std::unordered_map<Cpu*, std::unique_ptr<TimeSamples>> watched;  // under the lock
u64 start_ns, start_ticks;                                       // what two clocks showed at once, to convert ticks by

u64 now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

void take_samples(const Cpu& cpu, TimeSamples& samples) {
  const auto& generation = *static_cast<const Generation*>(cpu.generation);
  samples.take([&](u64 pc) {
    if (!generation.code.contains(pc))
      counters.elsewhere_ms++;
    else if (generation.is_region(pc))
      counters.regions_ms++;
    else
      counters.baseline_ms++;
  });
}
}  // namespace

Stopwatch::Stopwatch(u64& sum) : sum_(sum), start_(options.stats ? stencil::ticks() : 0) {}
Stopwatch::~Stopwatch() {
  if (options.stats) sum_ += stencil::ticks() - start_;
}

void watch_time(Cpu& cpu) {
  if (!options.stats) return;
  if (start_ns == 0) {
    start_ns = now_ns();
    start_ticks = stencil::ticks();
  }
  watched[&cpu] = std::make_unique<TimeSamples>();
}

void stop_watching_time(Cpu& cpu) {
  auto found = watched.find(&cpu);
  if (found == watched.end()) return;
  take_samples(cpu, *found->second);
  watched.erase(found);
}

void watch_time_in_child(Cpu& cpu) {
  if (!options.stats) return;
  watched.clear();  // the rings are the parent's, and not mapped here
  watch_time(cpu);
}

Stats stats() {
  std::lock_guard guard(lock);
  for (auto& [cpu, samples] : watched) take_samples(*cpu, *samples);
  Stats result = counters;
  result.code_bytes = current.load()->used;
  if (start_ns != 0) {
    double ns_per_tick = static_cast<double>(now_ns() - start_ns) / static_cast<double>(stencil::ticks() - start_ticks);
    result.translate_ns = static_cast<u64>(static_cast<double>(translate_ticks) * ns_per_tick);
    result.region_ns = static_cast<u64>(static_cast<double>(region_ticks) * ns_per_tick);
  }
  return result;
}

}  // namespace ferry::translator
