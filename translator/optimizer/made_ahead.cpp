#include "translator/optimizer/made_ahead.h"

#include <algorithm>

namespace ferry::optimizer {

namespace {

constexpr size_t max_places = 16384;
// Code is mostly in a region that begins shortly before it: its function's or its loop's.
constexpr size_t nearest = 4;

}  // namespace

void MadeAhead::note(u64 pc, u64 key) {
  if (places_.size() < max_places) places_.push_back({pc, key});
}

void MadeAhead::look(StoreReader& store, Place& place) {
  place.begin = place.end = place.pc;
  for (const StoreCandidate& candidate : store.find_ahead(place.key)) {
    auto extent = read_extent(candidate.region, candidate.entry);
    if (!extent) continue;
    u64 base = place.pc - extent->entry;
    place.begin = std::min(place.begin, base + extent->begin);
    place.end = std::max(place.end, base + extent->end);
  }
}

u32 MadeAhead::install_around(StoreReader& store, u64 pc, const Install& install) {
  if (places_.empty()) return 0;
  if (sorted_ != places_.size()) {
    std::ranges::sort(places_, {}, &Place::pc);
    // A block is translated again after a flush.
    auto same = std::ranges::unique(places_, {}, &Place::pc);
    places_.erase(same.begin(), same.end());
    sorted_ = places_.size();
  }
  u32 installed = 0;
  size_t at = static_cast<size_t>(std::ranges::upper_bound(places_, pc, {}, &Place::pc) - places_.begin());
  for (size_t tried = 0; at > 0 && tried < nearest; ++tried) {
    Place place = places_[--at];
    if (pc - place.pc >= u64{max_region_pages} * 4096) break;
    if (place.begin == 0) look(store, places_[at]), place = places_[at];
    if (pc < place.begin || pc >= place.end) continue;
    for (const StoreCandidate& candidate : store.find_ahead(place.key)) {
      auto region = read_region(candidate.region);
      if (!region || candidate.entry >= region->entries.size()) continue;
      u64 base = place.pc - region->entries[candidate.entry].offset;
      if (base % 4096 != 0 || !holds(region->stretches, pc - base) || !install(base, *region)) continue;
      ++installed;
      break;
    }
    // In place, or of other code: not to be tried at every sample.
    places_.erase(places_.begin() + static_cast<long>(at));
    sorted_ = places_.size();
  }
  return installed;
}

}  // namespace ferry::optimizer
