// Requests and regions as bytes. What read_*() lets through may be installed and run, so all that region.h promises is checked here
// and nowhere else: a peer that is wrong, or a file that is damaged, is refused as a whole.
#include "translator/optimizer/region.h"

#include <algorithm>
#include <cstddef>

#include "guest/aarch64/cpu.h"
#include "translator/optimizer/bytes.h"
#include "translator/stencil/host.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferry::optimizer {

namespace {

constexpr u32 request_magic = 0x51525246;  // "FRRQ"
constexpr u32 region_magic = 0x4e475246;   // "FRGN"
constexpr u32 format = 4;                  // counted up with every change of what follows

constexpr u32 page_size = 4096;
constexpr u32 max_span = max_region_pages * page_size;  // bytes of guest memory that a region lies in
constexpr u32 max_indirect_targets = max_region_instructions;
constexpr u32 max_path = 4096;
constexpr u32 max_exits = 0xfffe, max_helpers = 0x1000;  // what a relocation's index can name
constexpr u32 max_helper_name = 256;
constexpr u32 max_places = max_code_bytes / 2;  // of any kind in the code
constexpr u32 max_fault_lists = u32{1} << 20;
constexpr u32 max_state_values = 128;  // fields of Cpu
constexpr i64 max_frame = 1 << 16;     // bytes of host stack

void put_stretches(ByteWriter& out, const std::vector<Stretch>& stretches) {
  out.put(static_cast<u32>(stretches.size()));
  for (const Stretch& stretch : stretches) {
    out.put(stretch.offset);
    out.put_array(stretch.words);
  }
}

std::vector<Stretch> get_stretches(ByteReader& in) {
  std::vector<Stretch> stretches;
  u32 count = in.get_count(max_region_instructions, 12);
  in.require(count != 0);
  u32 end = 0, instructions = 0;
  for (u32 i = 0; i < count && in.good(); i++) {
    u32 offset = in.get<u32>();
    std::vector<u32> words = in.get_array<u32>(max_region_instructions - instructions);
    in.require(offset % 4 == 0 && offset >= end && offset < max_span && !words.empty());
    if (!in.good()) break;
    end = offset + 4 * static_cast<u32>(words.size());
    instructions += static_cast<u32>(words.size());
    in.require(end <= max_span);
    stretches.push_back({offset, std::move(words)});
  }
  return stretches;
}

// What of them is behind the first offset and before the last one's end.
std::pair<u32, u32> get_range(ByteReader& in) {
  u32 begin = 0, end = 0, count = in.get_count(max_region_instructions, 12);
  for (u32 i = 0; i < count && in.good(); i++) {
    u32 offset = in.get<u32>();
    if (i == 0) begin = offset;
    end = offset + 4 * in.skip_array(4);
  }
  return {begin, end};
}

bool lies_in(const std::vector<Stretch>& stretches, u32 offset) {
  auto after = std::ranges::upper_bound(stretches, offset, {}, &Stretch::offset);
  if (after == stretches.begin() || offset % 4 != 0) return false;
  const Stretch& stretch = *(after - 1);
  return offset - stretch.offset < 4 * stretch.words.size();
}

u32 patched_bytes(stencil::Patch patch) { return patch == stencil::Patch::abs_64 ? 8 : 4; }

Relocation get_relocation(ByteReader& in, const Region& region) {
  u32 code = in.get<u32>();
  u8 patch = in.get<u8>(), kind = in.get<u8>();
  u16 index = in.get<u16>();
  i32 addend = in.get<i32>();
  in.require(patch <= static_cast<u8>(stencil::Patch::adr_page) &&
             kind <= static_cast<u8>(RelocationKind::carried_lookup));
  if (!in.good()) return {};
  Relocation relocation{code, static_cast<stencil::Patch>(patch), static_cast<RelocationKind>(kind), index, addend};
  u32 width = patched_bytes(relocation.patch);
  in.require(region.code.size() >= width && code <= region.code.size() - width);
  if (relocation.kind == RelocationKind::exit || relocation.kind == RelocationKind::carried_exit)
    in.require(index < region.exits.size());
  else if (relocation.kind == RelocationKind::call)
    in.require(index < region.calls.size());
  else if (relocation.kind == RelocationKind::carried_return || relocation.kind == RelocationKind::carried_lookup)
    in.require(index == 0 && code >= 2);
  else
    in.require(relocation.patch == stencil::Patch::abs_64 &&
               (relocation.kind == RelocationKind::base ? index == 0 : index < region.helpers.size()));
  return relocation;
}

void get_entries(ByteReader& in, Region& region) {
  region.loader = in.get<u32>();
  in.require(region.loader < region.code.size());
  u32 count = in.get_count(max_entries, 9);
  in.require(count != 0);
  for (u32 i = 0; i < count && in.good(); i++) {
    u32 offset = in.get<u32>(), code = in.get<u32>();
    u8 in_map = in.get<u8>();
    in.require(lies_in(region.stretches, offset) && in_map <= 1);
    in.require(code < region.code.size());
    region.entries.push_back({offset, code, in_map != 0});
  }
}

void get_calls(ByteReader& in, Region& region) {
  region.calls = in.get_array<Call>(max_exits);
  for (size_t i = 0; i < region.calls.size(); i++) {
    const Call& call = region.calls[i];
    const size_t targets[] = {region.exits.size(), region.entries.size(), i, 1};
    in.require(call.back_to_exit <= 1 && call.target <= CallTarget::argument);
    if (!in.good()) return;
    in.require(call.to < targets[static_cast<int>(call.target)]);
    in.require(call.back < (call.back_to_exit != 0 ? region.exits.size() : region.entries.size()));
  }
}

void get_helpers(ByteReader& in, Region& region) {
  u32 count = in.get_count(max_helpers, 5);
  for (u32 i = 0; i < count && in.good(); i++) {
    std::string name = in.get_text(max_helper_name);
    in.require(!name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127; }));
    region.helpers.push_back(std::move(name));
  }
}

bool is_guest_state(u64 field, u64 size) {
  using aarch64::Cpu;
  static_assert(offsetof(Cpu, x) == 0 && offsetof(Cpu, zero) == 32 * 8);
  if (field < offsetof(Cpu, zero)) return size == 8 && field % 8 == 0;
  if (field == offsetof(Cpu, flags_kind)) return size == 4;
  if (field == offsetof(Cpu, flags_a) || field == offsetof(Cpu, flags_b)) return size == 8;
  return field - offsetof(Cpu, vectors) < sizeof Cpu::vectors && (size == 8 || size == 16) && field % size == 0;
}

bool is_sound(const FaultValue& value) {
  switch (value.source) {
    case FaultSource::constant:
    case FaultSource::base:
      return value.size <= 8;
    case FaultSource::general:
      return value.size <= 8 && value.value >= 0 && value.value < stencil::general_registers;
    case FaultSource::vector:
      return value.size <= 16 && value.value >= 0 && value.value < stencil::vector_registers;
    case FaultSource::stack:
      return value.size <= 16 && value.value >= -max_frame && value.value <= max_frame;
    case FaultSource::expression:
      return value.size <= 8;
    default:
      bool has_width = value.source == FaultSource::extend_sign || value.source == FaultSource::less_signed;
      return is_step(value.source) && value.size >= 1 && value.size <= 64 &&
             (!has_width || (value.value >= 1 && value.value <= 64));
  }
}

// One result is left of what the list's steps find on their stack.
bool is_sound_expression(const Region& region, const FaultValue& expression) {
  u64 first = static_cast<u64>(expression.value) & 0xffffffff, count = static_cast<u64>(expression.value) >> 32;
  if (count > region.fault_lists.size() || first > region.fault_lists.size() - count || count > max_fault_steps)
    return false;
  u32 depth = 0;
  for (u64 i = 0; i < count; i++) {
    const FaultValue& step = region.fault_values[region.fault_lists[first + i]];
    if (step.source == FaultSource::expression) return false;
    u32 taken = is_step(step.source) ? operands_of(step.source) : 0;
    if (!is_step(step.source) && (step.size == 0 || step.size > 8)) return false;
    if (depth < taken) return false;
    depth += 1 - taken;
    if (depth > max_fault_depth) return false;
  }
  return depth == 1;
}

void get_fault_states(ByteReader& in, Region& region) {
  region.fault_states = in.get_array<FaultState>(max_places);
  region.fault_lists = in.get_array<u16>(max_fault_lists);
  region.fault_values = in.get_array<FaultValue>(0x10000);
  u32 previous = 0;
  for (const FaultState& state : region.fault_states) {
    in.require(&state == region.fault_states.data() || state.code > previous);
    in.require(state.code < region.code.size() && stencil::is_fault_trap(std::span{region.code}.subspan(state.code)));
    in.require(lies_in(region.stretches, state.offset) && state.is_poll <= 1);
    in.require(state.count <= region.fault_lists.size() && state.first <= region.fault_lists.size() - state.count);
    if (!in.good()) return;
    previous = state.code;
  }
  for (u16 index : region.fault_lists) in.require(index < region.fault_values.size());
  for (const FaultValue& value : region.fault_values) in.require(is_sound(value) && value.reserved == 0);
  if (!in.good()) return;
  for (const FaultValue& value : region.fault_values)
    in.require(value.source != FaultSource::expression || is_sound_expression(region, value));
  // Lists may overlap, but hardly as much as to make this take long.
  u64 listed = 0;
  for (const FaultState& state : region.fault_states) {
    listed += state.count;
    in.require(state.count <= max_state_values && listed <= 16 * u64{max_fault_lists});
    if (!in.good()) return;
    for (u32 i = 0; i < state.count; i++) {
      const FaultValue& value = region.fault_values[region.fault_lists[state.first + i]];
      in.require(!is_step(value.source) && is_guest_state(value.field, value.size));
    }
  }
}

void get_places(ByteReader& in, Region& region) {
  region.fault_edges = in.get_array<FaultEdge>(max_places);
  u32 previous = 0;
  for (const FaultEdge& edge : region.fault_edges) {
    in.require(edge.access < region.code.size() && edge.edge < region.code.size());
    in.require(&edge == region.fault_edges.data() || edge.access > previous);
    previous = edge.access;
  }
  get_fault_states(in, region);
  region.lines = in.get_array<Line>(max_places);
  previous = 0;
  for (const Line& line : region.lines) {
    in.require(line.code < region.code.size() && line.code >= previous && lies_in(region.stretches, line.offset));
    previous = line.code;
  }
}

// Branches and exceptions, not the hints and barriers of the same group. Arm ARM C4.1.
bool is_branch(u32 word) { return (word & 0x1c000000) == 0x14000000 && word >> 22 != 0b1101010100; }

}  // namespace

bool holds(std::span<const Stretch> stretches, u64 offset) {
  return std::ranges::any_of(
      stretches, [offset](const Stretch& stretch) { return offset - stretch.offset < 4 * stretch.words.size(); });
}

std::vector<u8> write_request(const Request& request) {
  ByteWriter out;
  out.put(request_magic);
  out.put(format);
  out.put(request.base);
  out.put(u8{request.storable});
  out.put_text(request.file);
  out.put(request.file_offset);
  out.put(request.heat);
  put_stretches(out, request.stretches);
  out.put_array(request.entries);
  out.put_array(request.indirect_targets);
  return out.take();
}

std::optional<Request> read_request(std::span<const u8> bytes) {
  ByteReader in(bytes);
  in.require(in.get<u32>() == request_magic);
  in.require(in.get<u32>() == format);
  Request request;
  request.base = in.get<u64>();
  u8 storable = in.get<u8>();
  request.storable = storable == 1;
  request.file = in.get_text(max_path);
  request.file_offset = in.get<u64>();
  request.heat = in.get<u64>();
  in.require(request.base % page_size == 0 && storable <= 1 && request.file.find('\0') == request.file.npos);
  request.stretches = get_stretches(in);
  request.entries = in.get_array<u32>(max_entries);
  in.require(!request.entries.empty());
  for (u32 entry : request.entries) in.require(lies_in(request.stretches, entry));
  request.indirect_targets = in.get_array<IndirectTarget>(max_indirect_targets);
  for (const IndirectTarget& seen : request.indirect_targets)
    in.require(lies_in(request.stretches, seen.site) && seen.target % 4 == 0);
  if (!in.complete()) return std::nullopt;
  return request;
}

std::vector<u8> write_region(const Region& region) {
  ByteWriter out;
  out.put(region_magic);
  out.put(format);
  out.put(region.instructions);
  out.put_array(region.code);
  put_stretches(out, region.stretches);
  out.put(region.loader);
  out.put(static_cast<u32>(region.entries.size()));
  for (const Entry& entry : region.entries) {
    out.put(entry.offset);
    out.put(entry.code);
    out.put(u8{entry.in_map});
  }
  out.put_array(region.exits);
  out.put_array(region.calls);
  out.put(static_cast<u32>(region.helpers.size()));
  for (const std::string& name : region.helpers) out.put_text(name);
  out.put(static_cast<u32>(region.relocations.size()));
  for (const Relocation& relocation : region.relocations) {
    out.put(relocation.code);
    out.put(relocation.patch);
    out.put(relocation.kind);
    out.put(relocation.index);
    out.put(relocation.addend);
  }
  out.put_array(region.fault_edges);
  out.put_array(region.fault_states);
  out.put_array(region.fault_lists);
  out.put_array(region.fault_values);
  out.put_array(region.lines);
  return out.take();
}

std::optional<Region> read_region(std::span<const u8> bytes) {
  ByteReader in(bytes);
  in.require(in.get<u32>() == region_magic);
  in.require(in.get<u32>() == format);
  Region region;
  region.instructions = in.get<u32>();
  region.code = in.get_array<u8>(max_code_bytes);
  region.stretches = get_stretches(in);
  get_entries(in, region);
  region.exits = in.get_array<i32>(max_exits);
  for (i32 exit : region.exits) in.require(exit % 4 == 0);
  get_calls(in, region);
  get_helpers(in, region);
  u32 count = in.get_count(max_places, 12);
  for (u32 i = 0; i < count && in.good(); i++) region.relocations.push_back(get_relocation(in, region));
  get_places(in, region);
  if (!in.complete()) return std::nullopt;
  return region;
}

std::optional<RegionExtent> read_extent(std::span<const u8> region, u32 entry) {
  ByteReader in(region);
  in.require(in.get<u32>() == region_magic && in.get<u32>() == format);
  in.get<u32>();
  in.skip_array(1);
  auto [begin, end] = get_range(in);
  in.get<u32>();
  u32 count = in.get_count(max_entries, 9);
  in.require(entry < count);
  u32 offset = 0;
  for (u32 i = 0; i <= entry && in.good(); i++) {
    offset = in.get<u32>();
    in.get<u32>();
    in.get<u8>();
  }
  if (!in.good()) return std::nullopt;
  return RegionExtent{offset, begin, end};
}

u64 entry_key(std::span<const u32> words) {
  size_t count = 0, limit = std::min<size_t>(words.size(), key_words);
  while (count < limit && !is_branch(words[count++])) {}
  return XXH3_64bits(words.data(), count * sizeof(u32));
}

u64 entry_key(const std::vector<Stretch>& stretches, u32 offset) {
  auto after = std::ranges::upper_bound(stretches, offset, {}, &Stretch::offset);
  if (after == stretches.begin()) return 0;
  const Stretch& stretch = *(after - 1);
  size_t first = (offset - stretch.offset) / 4;
  if (first >= stretch.words.size()) return 0;
  size_t on_page = (page_size - offset % page_size) / 4;
  return entry_key(std::span{stretch.words}.subspan(first, std::min(on_page, stretch.words.size() - first)));
}

std::vector<u64> entry_keys(const Region& region) {
  std::vector<u64> keys;
  for (const Entry& entry : region.entries)
    keys.push_back(keys.empty() && entry.in_map ? entry_key(region.stretches, entry.offset) : 0);
  return keys;
}

}  // namespace ferry::optimizer
