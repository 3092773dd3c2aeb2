#include "translator/optimizer/heat.h"

#include <algorithm>

namespace ferry::optimizer {

namespace {
constexpr size_t max_spots = 4096;
constexpr u32 max_doublings = 12;
constexpr u8 max_refusals = 3;
}  // namespace

Heat::Spot& Heat::add_sample(u64 pc) {
  if (spots_.size() >= max_spots) cool();
  Spot& spot = spots_[pc];
  if (spot.state == State::counting) spot.samples++;
  if (factor() == 1) taken_.store(taken_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return spot;
}

void Heat::clear() {
  spots_.clear();
  taken_.store(0, std::memory_order_relaxed);
}

Heat::Verdict Heat::verdict(Spot& spot, u32 regions_there) {
  u32 enough = hot_samples << std::min(spot.times + regions_there, max_doublings);
  if (spot.samples >= enough) {
    spot.state = State::waiting;
    return Verdict::hot;
  }
  return spot.samples + traced_samples >= enough ? Verdict::warm : Verdict::cold;
}

void Heat::settle(u64 pc) {
  Spot& spot = spots_[pc];
  spot.samples = 0;
  spot.state = State::counting;
  if (spot.times < max_doublings) spot.times++;
}

void Heat::refuse(u64 pc) {
  Spot& spot = spots_[pc];
  spot.samples = 0;
  spot.refusals++;
  spot.state = spot.refusals == max_refusals ? State::refused : State::counting;
}

u32 Heat::refusals(u64 pc) const {
  auto found = spots_.find(pc);
  return found == spots_.end() ? 0 : found->second.refusals;
}

u32 Heat::samples(u64 pc) const {
  auto found = spots_.find(pc);
  return found == spots_.end() ? 0 : found->second.samples;
}

std::vector<Heat::Warm> Heat::warm(u32 least, size_t most) const {
  std::vector<Warm> result;
  for (const auto& [pc, spot] : spots_) {
    if (spot.state == State::counting && spot.samples >= least) result.push_back({pc, spot.samples});
  }
  size_t kept = std::min(most, result.size());
  std::ranges::partial_sort(result, result.begin() + static_cast<std::ptrdiff_t>(kept), std::greater{}, &Warm::samples);
  result.resize(kept);
  return result;
}

// Halves everything, so that what was warm once makes room.
void Heat::cool() {
  for (auto& [pc, spot] : spots_) spot.samples /= 2;
  std::erase_if(spots_, [](const auto& entry) {
    return entry.second.samples == 0 && entry.second.times == 0 && entry.second.state == State::counting;
  });
  if (spots_.size() >= max_spots) spots_.clear();
}

}  // namespace ferry::optimizer
