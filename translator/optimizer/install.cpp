// In code memory a region is: the poll thunks of its entries, the link thunks of its exits, its code.
#include "translator/optimizer/install.h"

#include <cstring>

#include "guest/check.h"
#include "guest/memory.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

using cache::Generation;

namespace {

constexpr u64 page_size = 4096;

size_t thunks_size(const Region& region) {
  return (region.entries.size() + region.exits.size()) * stencil::patchable_alignment;
}

class Installer {
 public:
  Installer(Generation& generation, const Region& region, u64 base)
      : generation_(generation), region_(region), base_(base) {
    first_thunk_ = (generation.used + code_alignment - 1) & ~size_t{code_alignment - 1};
    code_ = (first_thunk_ + thunks_size(region) + code_alignment - 1) & ~size_t{code_alignment - 1};
    end_ = code_ + region.code.size();
  }

  void install() {
    for (size_t at = generation_.used; at < end_; at += page_size) generation_.code.commit(at);
    memcpy(write(code_), region_.code.data(), region_.code.size());
    place_entries();
    place_exits();
    for (const Relocation& relocation : region_.relocations) {
      u64 value = value_of(relocation) + static_cast<u64>(i64{relocation.addend});
      stencil::patch_hole(relocation.patch, write(code_ + relocation.code), run(code_ + relocation.code), value);
    }
    stencil::publish(run(first_thunk_), end_ - first_thunk_);
    generation_.used = (end_ + stencil::patchable_alignment - 1) & ~(stencil::patchable_alignment - 1);
    record();
    enter();
  }

 private:
  u64 run(size_t offset) const { return generation_.code.run_base() + offset; }
  u8* write(size_t offset) const { return generation_.code.writable(run(offset)); }
  u64 pc_of(i64 offset) const { return base_ + static_cast<u64>(offset); }
  size_t entry_thunk(size_t i) const { return first_thunk_ + i * stencil::patchable_alignment; }
  size_t exit_thunk(size_t i) const { return entry_thunk(region_.entries.size() + i); }

  void place_entries() {
    for (size_t i = 0; i < region_.entries.size(); i++) {
      const Entry& entry = region_.entries[i];
      stencil::write_thunk(write(entry_thunk(i)), run(entry_thunk(i)), generation_.poll_stub);
      generation_.regions.entries.push(
          {pc_of(entry.offset), static_cast<u32>(entry_thunk(i)), static_cast<u32>(code_ + entry.code)});
    }
  }

  void place_exits() {
    std::vector<u32> sites = jump_sites();
    for (size_t i = 0; i < region_.exits.size(); i++) {
      u64 target = pc_of(region_.exits[i]), thunk = exit_thunk(i);
      generation_.edges.push({target, static_cast<u32>(thunk), sites[i]});
      stencil::write_thunk(write(thunk), run(thunk), generation_.link_stub);
      if (u64 known = known_target(target)) stencil::redirect(write(thunk), run(thunk), known);
    }
  }

  // The jump of each exit that may be repointed: the first.
  std::vector<u32> jump_sites() const {
    std::vector<u32> sites(region_.exits.size());
    for (const Relocation& relocation : region_.relocations) {
      if (relocation.kind != RelocationKind::exit || sites[relocation.index] != 0) continue;
      if (is_jump(relocation)) sites[relocation.index] = static_cast<u32>(code_ + relocation.code);
    }
    return sites;
  }
  bool is_jump(const Relocation& relocation) const {
    bool relative = relocation.patch == stencil::Patch::pc_32 || relocation.patch == stencil::Patch::jump_26;
    return relative && relocation.code >= 2 && stencil::is_jump_site(write(code_ + relocation.code));
  }

  u64 known_target(u64 pc) const {
    for (const Entry& entry : region_.entries) {
      if (entry.in_map && pc_of(entry.offset) == pc) return run(code_ + entry.code);
    }
    return generation_.map.find(pc);
  }

  u64 value_of(const Relocation& relocation) const {
    switch (relocation.kind) {
      case RelocationKind::base:
        return base_;
      case RelocationKind::helper:
        return reinterpret_cast<u64>(stencil::find_helper(region_.helpers[relocation.index].c_str()));
      case RelocationKind::exit:
        break;
    }
    u64 known = known_target(pc_of(region_.exits[relocation.index]));
    return known != 0 ? known : run(exit_thunk(relocation.index));
  }

  void record() {
    u32 first_entry = static_cast<u32>(generation_.regions.entries.size() - region_.entries.size());
    for (const Line& line : region_.lines)
      generation_.regions.lines.push({pc_of(line.offset), static_cast<u32>(code_ + line.code)});
    for (const FaultEdge& edge : region_.fault_edges)
      generation_.regions.fault_edges.push(
          {static_cast<u32>(code_ + edge.access), static_cast<u32>(code_ + edge.edge)});
    cache::InstalledRegion installed{
        static_cast<u32>(code_), static_cast<u32>(end_), first_entry, static_cast<u32>(region_.entries.size()), {}};
    for (const Stretch& stretch : region_.stretches)
      installed.ranges.push_back({pc_of(stretch.offset), pc_of(stretch.offset) + 4 * stretch.words.size()});
    generation_.regions.add(std::move(installed));
  }

  // Last: from here on threads run it.
  void enter() {
    for (size_t i = 0; i < region_.entries.size(); i++) {
      if (!region_.entries[i].in_map) continue;
      u64 pc = pc_of(region_.entries[i].offset), code = run(code_ + region_.entries[i].code);
      generation_.end_waiting(pc);
      u64 there = generation_.map.find(pc);
      if (i != 0 && generation_.is_region(there)) continue;
      generation_.map.set(pc, code);
      if (there != 0) stencil::redirect(generation_.code.writable(there), there, code);
    }
  }

  Generation& generation_;
  const Region& region_;
  u64 base_;
  size_t first_thunk_, code_, end_;  // offsets into code memory
};

}  // namespace

bool matches_guest(const Region& region, u64 base, const cache::ExecutableRanges& executable) {
  std::vector<u32> words;
  for (const Stretch& stretch : region.stretches) {
    u64 begin = base + stretch.offset, size = 4 * stretch.words.size();
    for (u64 page = begin & ~(page_size - 1); page < begin + size; page += page_size) {
      if (!executable.allows(page)) return false;
    }
    words.resize(stretch.words.size());
    if (!copy_from_guest(words.data(), GuestAddr{begin}, size)) return false;
    if (memcmp(words.data(), stretch.words.data(), size) != 0) return false;
  }
  return true;
}

bool helpers_known(const Region& region) {
  for (const std::string& helper : region.helpers) {
    if (stencil::find_helper(helper.c_str()) == nullptr) return false;
  }
  return true;
}

bool has_room(const Generation& generation, const Region& region) {
  size_t most = thunks_size(region) + region.code.size() + 2 * code_alignment;
  return generation.code.size() - generation.used >= most && generation.edges.room() >= region.exits.size() &&
         generation.regions.has_room(region.entries.size(), region.lines.size(), region.fault_edges.size());
}

void install(Generation& generation, const Region& region, u64 base) { Installer(generation, region, base).install(); }

}  // namespace ferry::optimizer
