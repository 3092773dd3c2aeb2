// The optimised regions in a generation's code memory: where they are entered, what their host code stands for, where it goes
// on after a fault. Code offsets grow as regions are added, so every table is sorted.
// Written under the translation lock; locate(), fault_edge(), fault_state() and entry_of_thunk() at any time, in signal handlers too.
#pragma once
#include <span>
#include <unordered_map>
#include <vector>

#include "translator/cache/chunked_array.h"
#include "translator/optimizer/region.h"

namespace ferry::cache {

// All of these are offsets into code memory.
struct RegionEntry {
  u64 pc;
  u32 thunk;  // a poll thunk that names the entry, for polls and for when the region is stale
  u32 code;
};
struct RegionLine {
  u64 pc;  // the guest instruction that the host code from `code` on belongs to
  u32 code;
};
struct RegionFaultEdge {
  u32 access, edge;
};
struct RegionFaultState {
  u64 base;  // the region's
  u32 code, offset;
  u32 first, count;             // in the region's lists
  u32 first_list, first_value;  // where these and its values begin
  bool is_poll;
};

// Guest instructions [begin, end), consecutive.
struct GuestRange {
  u64 begin, end;
};

// The jump by which a call of a region's comes back to it. It goes past the entry, which would only jump again, as long as the region lives.
struct RegionReturn {
  u32 jump, entry;
};

struct InstalledRegion {
  u32 begin, end;  // of its code
  u32 first_entry, entry_count;
  std::vector<GuestRange> ranges;
  std::vector<RegionReturn> returns;
};

class RegionTable {
 public:
  RegionTable(ChunkMemory& memory, size_t code_size);

  bool has_room(const optimizer::Region& region) const;

  // The guest pc whose host code the offset belongs to; 0 outside the regions and where none is known.
  u64 locate(u32 at) const;
  bool contains(u32 at) const;
  // Where to go on after a fault of the host instruction at the offset; 0 when it is not an access of a region's.
  u32 fault_edge(u32 at) const;
  // What the trap at the offset asks for; null when it is none of a fault edge.
  const RegionFaultState* fault_state(u32 at) const { return fault_states.find_sorted<&RegionFaultState::code>(at); }
  // By its place in fault_lists.
  const optimizer::FaultValue& fault_value(u32 first_value, u32 place) const {
    return fault_values[first_value + fault_lists[place]];
  }
  const RegionEntry* entry_of_thunk(u32 thunk) const { return entries.find_sorted<&RegionEntry::thunk>(thunk); }

  // Under the lock. The region's rows of the public arrays have been pushed already.
  void add(InstalledRegion region);
  // The live regions with an instruction on the page.
  std::span<const u32> of_page(u64 page) const;
  // How many live regions hold the guest instruction.
  u32 count_at(u64 pc) const;
  // Takes the live regions with instructions on pages [first, last) out and hands each to `drop`; returns how many.
  template <class F>
  u32 take(u64 first, u64 last, F&& drop) {
    std::vector<u32> hit = collect(first, last);
    for (u32 index : hit) {
      remove_from_pages(index);
      drop(regions[index]);
    }
    return static_cast<u32>(hit.size());
  }

  ChunkedArray<RegionEntry> entries;
  ChunkedArray<RegionLine> lines;
  ChunkedArray<RegionFaultEdge> fault_edges;
  ChunkedArray<RegionFaultState> fault_states;
  ChunkedArray<u16> fault_lists;
  ChunkedArray<optimizer::FaultValue> fault_values;
  std::vector<InstalledRegion> regions;  // dead ones too

 private:
  struct Extent {
    u32 begin, end;
  };
  std::vector<u32> collect(u64 first, u64 last) const;
  void remove_from_pages(u32 index);

  ChunkedArray<Extent> extents_;  // of the regions' code
  std::unordered_map<u64, std::vector<u32>> pages_;
};

}  // namespace ferry::cache
