#include "translator/cache/generation.h"

#include <cstring>

#include "guest/check.h"
#include "translator/baseline/glue.h"
#include "translator/exit_reason.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/host.h"
#include "translator/stencil/paster.h"

namespace ferry::cache {

namespace {
// More than any block needs: 64 instructions, the longest stencils, an edge for each.
constexpr size_t largest_block_code = 64 * 1024;
constexpr size_t largest_block_instructions = 64;
static_assert(stencil::carried_entry == stencil::argument_jump_size);
}  // namespace

Generation::Generation(size_t code_size)
    : blocks(tables, code_size / 128),
      offsets(tables, code_size / 8),
      edges(tables, code_size / 64),
      code_pages(tables, CodeMemory::size_for(code_size) / 4096 + 1),
      regions(tables, code_size),
      code(code_size, tables),
      map(tables),
      scratch(static_cast<u8*>(tables.take(scratch_size)), scratch_size) {
  const stencil::Library& library = stencil::library();
  code.commit(0);
  memcpy(code.writable(code.run_base()), library.constants, library.constants_size);
  constants = code.run_base();
  used = (library.constants_size + 63) / 64 * 64;
  link_stub = place_stub(stencil::ThunkKind::link);
  poll_stub = place_stub(stencil::ThunkKind::poll);
  stencil::Cursor cursor{code.writable(code.run_base() + used), code.run_base() + used};
  auto place = [&](baseline::Glue glue, u64 operand) {
    u64 operands[semantic::max_operands] = {operand}, run = cursor.run;
    stencil::paste(library, library.body(baseline::stencil_of(glue)), cursor, {operands, dispatch}, constants);
    return run;
  };
  dispatch = place(baseline::Glue::leave, static_cast<u64>(translator::ExitReason::lookup));
  dispatch = place(baseline::Glue::look_again, 0);  // to the former, where that does not know it either
  store_carried = place(baseline::Glue::store_carried, 0);
  u64 go_to_pc = place(baseline::Glue::go_to_pc, 0);
  used = (cursor.run - code.run_base() + 63) / 64 * 64;
  place_return_code(go_to_pc);
  common_size = static_cast<u32>(used);
  stencil::publish(constants, code.run_base() + used - constants);
}

u64 Generation::place_stub(stencil::ThunkKind kind) {
  stencil::StubCode stub = stencil::thunk_stub(kind);
  u64 run = code.run_base() + used;
  memcpy(code.writable(run), stub.code, stub.size);
  used += (stub.size + 15) / 16 * 16;
  return run;
}

void Generation::place_return_code(u64 go_to_pc) {
  stencil::ReturnCode returns = stencil::return_code();
  other_landing = code.run_base() + used;
  unknown_return = other_landing + returns.unknown;
  carried_lookup = other_landing + returns.lookup;
  memcpy(code.writable(other_landing), returns.code, returns.size);
  u64 run = other_landing + returns.size;
  for (u64 target : {store_carried, go_to_pc}) {
    stencil::redirect(code.writable(run), run, target);
    run += stencil::patchable_alignment;
  }
  carried_return = run;
  stencil::write_carried_return(code.writable(run));
  used = (run + stencil::carried_return_size - code.run_base() + 63) / 64 * 64;
}

const Edge& Generation::edge_at(u64 exit_operand) const {
  u32 thunk = static_cast<u32>(exit_operand - stencil::thunk_return_offset - code.run_base());
  const Edge* edge = edges.find_sorted<&Edge::thunk>(thunk, near(thunk).edges);
  check(edge != nullptr);
  return *edge;
}

Generation::PollSite Generation::poll_site(u64 exit_operand) const {
  u32 thunk = static_cast<u32>(exit_operand - stencil::thunk_return_offset - code.run_base());
  if (const Block* block = blocks.find_sorted<&Block::begin>(thunk, near(thunk).blocks))
    return {block->pc, code.run_base() + block->entry};
  const RegionEntry* entry = regions.entry_of_thunk(thunk);
  check(entry != nullptr);
  return {entry->pc, code.run_base() + entry->code};
}

bool Generation::has_room(size_t code_bytes, size_t more_blocks, size_t instructions, size_t more_edges) const {
  return code.size() - used >= code_bytes + largest_block_code && blocks.room() >= more_blocks + 1 &&
         offsets.room() >= instructions + largest_block_instructions &&
         edges.room() >= more_edges + 2 * largest_block_instructions;
}

u64 Generation::locate(u64 run) const {
  if (u64 pc = block_pc(run)) return pc;
  return code.contains(run) ? regions.locate(static_cast<u32>(run - code.run_base())) : 0;
}

u64 Generation::block_pc(u64 run) const {
  if (!code.contains(run)) return 0;
  u32 at = static_cast<u32>(run - code.run_base());
  // Blocks are appended in address order.
  size_t low = blocks.first_from<&Block::end>(at + 1, near(at).blocks);
  if (low == blocks.size() || at < blocks[low].entry) return 0;
  const Block& block = blocks[low];
  u32 offset = at - block.entry, i = 0;
  while (i + 1 < block.count && offsets[block.first_offset + i + 1] <= offset) i++;
  return block.pc + 4 * i;
}

u64 Generation::fault_edge(u64 run) const {
  if (!code.contains(run)) return 0;
  u32 edge = regions.fault_edge(static_cast<u32>(run - code.run_base()));
  return edge != 0 ? code.run_base() + edge : 0;
}

Generation::Dropped Generation::invalidate_pages(u64 first, u64 last) {
  Dropped dropped{0, regions.take(first, last, [this](const InstalledRegion& region) { drop(region); })};
  if (last - first <= pages.size()) {
    for (u64 page = first; page < last; page++) dropped.blocks += invalidate_page(page);
    return dropped;
  }
  std::vector<u64> hit;
  for (const auto& [page, blocks_of_page] : pages) {
    if (page >= first && page < last) hit.push_back(page);
  }
  for (u64 page : hit) dropped.blocks += invalidate_page(page);
  return dropped;
}

void Generation::forget_blocks() {
  used = common_size;
  map.clear();
  blocks.clear();
  offsets.clear();
  edges.clear();
  code_pages.clear();
  pages.clear();
  kept.clear();
  known_blocks = inherited_blocks = 0;
  waiting.clear();
  first_stale_.clear();
  last_page_ = ~u64{0};
}

void Generation::add(Block block) {
  u32 index = static_cast<u32>(blocks.size());
  u64 page = block.pc >> 12;
  if (page != last_page_) {
    last_of_page_ = &pages.try_emplace(page, no_block).first->second;
    last_page_ = page;
  }
  block.next_of_page = *last_of_page_;
  *last_of_page_ = index;
  blocks.push(block);
  while (code_pages.size() <= block.end >> 12) code_pages.push({index, static_cast<u32>(edges.size())});
  map.set(block.pc, code.run_base() + block.entry);
}

void Generation::keep_waiting(u64 pc, u64 entry, u64 behind_poll, u32 thunk) {
  u8* write = code.writable(entry);
  waiting[pc] = {behind_poll, 0, entry, stencil::patchable_bytes(write)};
  map.set(pc, 0);
  stencil::redirect(write, entry, code.run_base() + thunk);
}

void Generation::end_waiting(u64 pc) {
  auto found = waiting.find(pc);
  if (found == waiting.end()) return;
  const Waiting& block = found->second;
  if (block.code != block.entry) stencil::restore_patchable(code.writable(block.entry), block.entry, block.entry_bytes);
  map.set(pc, block.entry);
  waiting.erase(found);
}

u32 Generation::invalidate_page(u64 page) {
  auto found = pages.find(page);
  if (found == pages.end()) return 0;
  u32 count = 0;
  for (u32 index = found->second; index != no_block; index = blocks[index].next_of_page) {
    make_stale(blocks[index].pc, blocks[index].entry, blocks[index].begin);
    if (!waiting.empty()) waiting.erase(blocks[index].pc);
    count++;
  }
  pages.erase(found);
  kept.erase(page);
  last_page_ = ~u64{0};
  return count;
}

void Generation::drop(const InstalledRegion& region) {
  for (u32 i = 0; i < region.entry_count; i++) {
    const RegionEntry& entry = regions.entries[region.first_entry + i];
    u64 carried = make_stale(entry.pc, entry.code, entry.thunk) - stencil::carried_entry;
    // Before it is what stores the registers and goes to the thunk too.
    stencil::redirect(code.writable(carried), carried, carried - stencil::argument_jump_size);
  }
  for (auto [jump, entry] : region.returns) {
    u64 run = code.run_base() + jump;
    stencil::redirect(code.writable(run), run, code.run_base() + entry - stencil::carried_entry);
  }
}

void Generation::redirect(u64 from, u64 to) {
  stencil::redirect(code.writable(from), from, to);
  from -= stencil::carried_entry;
  stencil::redirect(code.writable(from), from, to - stencil::carried_entry);
}

void Generation::redirect(const Edge& edge, u64 to) {
  u64 thunk = code.run_base() + edge.thunk;
  if (edge.carried)
    redirect(thunk, to);
  else
    stencil::redirect(code.writable(thunk), thunk, to);
}

// Whoever still jumps there leaves through the poll thunk, which names the pc. Returns the run address.
u64 Generation::make_stale(u64 pc, u32 entry, u32 thunk) {
  u64 run = code.run_base() + entry;
  if (map.find(pc) == run) map.set(pc, 0);
  stencil::redirect(code.writable(run), run, code.run_base() + thunk);
  first_stale_.try_emplace(pc, run);
  return run;
}

void Generation::replace_stale(u64 pc, u64 stale, u64 to) {
  auto first = first_stale_.find(pc);
  if (first == first_stale_.end() || first->second == stale) return redirect(stale, to);
  redirect(first->second, to);
  redirect(stale, first->second);
}

}  // namespace ferry::cache
