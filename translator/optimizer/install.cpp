// In code memory a region is: the ways into it (place_entries()), the ways out (place_exits(), place_calls()), its code.
#include "translator/optimizer/install.h"

#include <cstring>

#include "guest/check.h"
#include "guest/memory.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {

using cache::Generation;

namespace {

constexpr u64 page_size = 4096;

constexpr size_t aligned(size_t size) {
  return (size + stencil::patchable_alignment - 1) & ~(stencil::patchable_alignment - 1);
}

// Of an entry: the poll thunk, which names it; what stores the carried registers for that; the jumps into the region with carried registers
// and with Cpu exact, which poll, the latter by way of what loads the registers. Only landings come past them: what made the call has
// polled, and there is no way round and round by their returns alone.
constexpr size_t leave_at = stencil::patchable_alignment, carried_at = leave_at + stencil::argument_jump_size,
                 exact_at = carried_at + stencil::carried_entry, load_at = exact_at + stencil::polled_jump_size,
                 entry_size = load_at + stencil::argument_jump_size;
// Of an exit: what stores the carried registers, then the link thunk.
constexpr size_t exit_size = stencil::carried_entry + stencil::patchable_alignment;
// Of a call, which it ends in: the landing, which runs into the jump to where it comes back to, and the way there of other returns.
constexpr size_t jump_back_at = aligned(stencil::carried_call_size + stencil::landing_size),
                 other_back_at = jump_back_at + stencil::patchable_alignment,
                 call_size = other_back_at + stencil::other_landing_size,
                 call_at = jump_back_at - stencil::landing_size - stencil::carried_call_size;

size_t thunks_size(const Region& region) {
  return region.entries.size() * entry_size + region.exits.size() * exit_size + region.calls.size() * call_size;
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
    place_calls();
    for (const Relocation& relocation : region_.relocations) {
      if (relocation.kind == RelocationKind::carried_return &&
          stencil::make_carried_return(write(code_ + relocation.code)))
        continue;
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
  size_t entry_thunk(size_t i) const { return first_thunk_ + i * entry_size; }
  u64 entry_code(size_t i) const { return run(entry_thunk(i) + exact_at); }
  u64 inside(size_t entry) const { return run(code_ + region_.entries[entry].code); }
  size_t exit_thunk(size_t i) const {
    return entry_thunk(region_.entries.size()) + i * exit_size + stencil::carried_entry;
  }

  size_t call_code(size_t i) const {
    return exit_thunk(region_.exits.size()) - stencil::carried_entry + i * call_size + call_at;
  }

  void argument_jump(size_t at, u64 argument, u64 target) {
    stencil::write_argument_jump(write(at), run(at), argument, target);
  }

  void place_entries() {
    for (size_t i = 0; i < region_.entries.size(); i++) {
      const Entry& entry = region_.entries[i];
      size_t thunk = entry_thunk(i);
      stencil::write_thunk(write(thunk), run(thunk), generation_.poll_stub);
      argument_jump(thunk + leave_at, run(thunk), generation_.store_carried);
      stencil::write_polled_jump(write(thunk + carried_at), run(thunk + carried_at), run(thunk + leave_at), inside(i));
      stencil::write_polled_jump(write(thunk + exact_at), run(thunk + exact_at), run(thunk), run(thunk + load_at));
      argument_jump(thunk + load_at, inside(i), run(code_ + region_.loader));
      generation_.regions.entries.push(
          {pc_of(entry.offset), static_cast<u32>(thunk), static_cast<u32>(thunk + exact_at)});
    }
  }

  void place_exits() {
    std::vector<u32> sites = jump_sites();
    for (size_t i = 0; i < region_.exits.size(); i++) {
      u64 target = pc_of(region_.exits[i]);
      size_t thunk = exit_thunk(i);
      argument_jump(thunk - stencil::carried_entry, run(thunk), generation_.store_carried);
      stencil::write_thunk(write(thunk), run(thunk), generation_.link_stub);
      const cache::Edge& edge = generation_.edges.push({target, true, static_cast<u32>(thunk), sites[i]});
      if (u64 known = known_target(target)) generation_.redirect(edge, known);
    }
  }

  void place_calls() {
    for (size_t i = 0; i < region_.calls.size(); i++) {
      const Call& call = region_.calls[i];
      bool to_exit = call.back_to_exit != 0;
      u64 back = to_exit ? exit_code(call.back) : entry_code(call.back);
      u64 pc = to_exit ? pc_of(region_.exits[call.back]) : pc_of(region_.entries[call.back].offset);
      size_t code = call_code(i), landing = code + stencil::carried_call_size, jump = landing + stencil::landing_size,
             other = jump + stencil::patchable_alignment;
      stencil::write_carried_call(write(code), run(code), pc, carried_target(call));
      stencil::write_landing(write(landing), run(landing), run(other), true);
      stencil::redirect(write(jump), run(jump), to_exit ? back - stencil::carried_entry : inside(call.back));
      if (!to_exit) returns_.push_back({static_cast<u32>(jump), static_cast<u32>(entry_thunk(call.back) + exact_at)});
      stencil::write_other_landing(write(other), run(other), back, generation_.other_landing);
    }
  }

  // 0: by the argument.
  u64 carried_target(const Call& call) const {
    switch (call.target) {
      case CallTarget::exit:
        return exit_code(call.to) - stencil::carried_entry;
      case CallTarget::entry:
        return entry_code(call.to) - stencil::carried_entry;
      case CallTarget::call:
        return run(call_code(call.to));
      case CallTarget::argument:
        return 0;
    }
    __builtin_unreachable();
  }

  // The jump of each exit that may be repointed: the first, or a call.
  std::vector<u32> jump_sites() const {
    std::vector<u32> sites(region_.exits.size());
    for (size_t i = 0; i < region_.calls.size(); i++) {
      const Call& call = region_.calls[i];
      if (call.target == CallTarget::exit)
        sites[call.to] = static_cast<u32>(call_code(i) + stencil::carried_call_size - stencil::call_field_size);
    }
    for (const Relocation& relocation : region_.relocations) {
      if (relocation.kind != RelocationKind::carried_exit || sites[relocation.index] != 0) continue;
      if (is_jump(relocation)) sites[relocation.index] = static_cast<u32>(code_ + relocation.code);
    }
    return sites;
  }
  bool is_jump(const Relocation& relocation) const {
    bool relative = relocation.patch == stencil::Patch::pc_32 || relocation.patch == stencil::Patch::jump_26;
    return relative && relocation.code >= 2 && stencil::is_jump_site(write(code_ + relocation.code));
  }

  u64 known_target(u64 pc) const {
    for (size_t i = 0; i < region_.entries.size(); i++) {
      if (region_.entries[i].in_map && pc_of(region_.entries[i].offset) == pc) return entry_code(i);
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
        return exit_code(relocation.index);
      case RelocationKind::carried_exit:
        return exit_code(relocation.index) - stencil::carried_entry;
      case RelocationKind::call:
        return run(call_code(relocation.index));
      case RelocationKind::carried_return:
        return generation_.carried_return;
      case RelocationKind::carried_lookup:
        return generation_.carried_lookup;
    }
    __builtin_unreachable();
  }

  u64 exit_code(u16 index) const {
    u64 known = known_target(pc_of(region_.exits[index]));
    return known != 0 ? known : run(exit_thunk(index));
  }

  void record() {
    u32 first_entry = static_cast<u32>(generation_.regions.entries.size() - region_.entries.size());
    for (const Line& line : region_.lines)
      generation_.regions.lines.push({pc_of(line.offset), static_cast<u32>(code_ + line.code)});
    for (const FaultEdge& edge : region_.fault_edges)
      generation_.regions.fault_edges.push(
          {static_cast<u32>(code_ + edge.access), static_cast<u32>(code_ + edge.edge)});
    record_fault_states();
    cache::InstalledRegion installed{static_cast<u32>(first_thunk_),
                                     static_cast<u32>(end_),
                                     first_entry,
                                     static_cast<u32>(region_.entries.size()),
                                     {},
                                     std::move(returns_)};
    for (const Stretch& stretch : region_.stretches)
      installed.ranges.push_back({pc_of(stretch.offset), pc_of(stretch.offset) + 4 * stretch.words.size()});
    generation_.regions.add(std::move(installed));
  }

  void record_fault_states() {
    cache::RegionTable& regions = generation_.regions;
    u32 first_list = static_cast<u32>(regions.fault_lists.size());
    u32 first_value = static_cast<u32>(regions.fault_values.size());
    for (u16 index : region_.fault_lists) regions.fault_lists.push(index);
    for (const FaultValue& value : region_.fault_values) regions.fault_values.push(value);
    for (const FaultState& state : region_.fault_states)
      regions.fault_states.push({base_, static_cast<u32>(code_ + state.code), state.offset, state.first, state.count,
                                 first_list, first_value, state.is_poll != 0});
  }

  // Last: from here on threads run it.
  void enter() {
    for (size_t i = 0; i < region_.entries.size(); i++) {
      if (!region_.entries[i].in_map) continue;
      u64 pc = pc_of(region_.entries[i].offset), code = entry_code(i);
      generation_.end_waiting(pc);
      u64 there = generation_.map.find(pc);
      if (i != 0 && generation_.is_region(there)) continue;
      generation_.map.set(pc, code);
      if (there != 0) generation_.redirect(there, code);
    }
  }

  Generation& generation_;
  const Region& region_;
  u64 base_;
  size_t first_thunk_, code_, end_;  // offsets into code memory
  std::vector<cache::RegionReturn> returns_;
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
         generation.regions.has_room(region);
}

void install(Generation& generation, const Region& region, u64 base) { Installer(generation, region, base).install(); }

}  // namespace ferry::optimizer
