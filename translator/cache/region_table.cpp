#include "translator/cache/region_table.h"

#include <algorithm>

namespace ferry::cache {

namespace {
constexpr u64 page_size = 4096;

template <class F>
void each_page(const InstalledRegion& region, F&& f) {
  u64 done = ~u64{0};  // ranges ascend, so that only the last page can come again
  for (const GuestRange& range : region.ranges) {
    for (u64 page = range.begin / page_size; page <= (range.end - 1) / page_size; page++) {
      if (page != done) f(page);
      done = page;
    }
  }
}
}  // namespace

RegionTable::RegionTable(ChunkMemory& memory, size_t code_size)
    : entries(memory, code_size / 64),
      lines(memory, code_size / 8),
      fault_edges(memory, code_size / 8),
      fault_states(memory, code_size / 8),
      fault_lists(memory, code_size),
      fault_values(memory, code_size / 8),
      extents_(memory, code_size / 64) {}

bool RegionTable::has_room(const optimizer::Region& region) const {
  return entries.room() >= region.entries.size() && lines.room() >= region.lines.size() &&
         fault_edges.room() >= region.fault_edges.size() && fault_states.room() >= region.fault_states.size() &&
         fault_lists.room() >= region.fault_lists.size() && fault_values.room() >= region.fault_values.size() &&
         extents_.room() >= 1;
}

bool RegionTable::contains(u32 at) const {
  size_t after = extents_.first_from<&Extent::begin>(at + 1);
  return after != 0 && at < extents_[after - 1].end;
}

u64 RegionTable::locate(u32 at) const {
  if (!contains(at)) return 0;
  size_t extent = extents_.first_from<&Extent::begin>(at + 1) - 1, line = lines.first_from<&RegionLine::code>(at + 1);
  return line == 0 || lines[line - 1].code < extents_[extent].begin ? 0 : lines[line - 1].pc;
}

u32 RegionTable::fault_edge(u32 at) const {
  const RegionFaultEdge* edge = fault_edges.find_sorted<&RegionFaultEdge::access>(at);
  return edge != nullptr ? edge->edge : 0;
}

void RegionTable::add(InstalledRegion region) {
  u32 index = static_cast<u32>(regions.size());
  each_page(region, [&](u64 page) { pages_[page].push_back(index); });
  extents_.push({region.begin, region.end});
  regions.push_back(std::move(region));
}

std::span<const u32> RegionTable::of_page(u64 page) const {
  auto found = pages_.find(page);
  if (found == pages_.end()) return {};
  return found->second;
}

u32 RegionTable::count_at(u64 pc) const {
  u32 count = 0;
  for (u32 index : of_page(pc / page_size)) {
    const std::vector<GuestRange>& ranges = regions[index].ranges;
    if (std::ranges::any_of(ranges, [pc](const GuestRange& range) { return pc >= range.begin && pc < range.end; }))
      count++;
  }
  return count;
}

std::vector<u32> RegionTable::collect(u64 first, u64 last) const {
  std::vector<u32> hit;
  auto add_all = [&](const std::vector<u32>& indices) { hit.insert(hit.end(), indices.begin(), indices.end()); };
  if (last - first <= pages_.size()) {
    for (u64 page = first; page < last; page++) {
      if (auto found = pages_.find(page); found != pages_.end()) add_all(found->second);
    }
  } else {
    for (const auto& [page, indices] : pages_) {
      if (page >= first && page < last) add_all(indices);
    }
  }
  std::ranges::sort(hit);
  hit.erase(std::ranges::unique(hit).begin(), hit.end());
  return hit;
}

void RegionTable::remove_from_pages(u32 index) {
  each_page(regions[index], [&](u64 page) {
    std::vector<u32>& indices = pages_[page];
    std::erase(indices, index);
    if (indices.empty()) pages_.erase(page);
  });
}

}  // namespace ferry::cache
