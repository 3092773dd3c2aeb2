#include "translator/baseline/pages.h"

#include <cstring>

#include "translator/baseline/baseline.h"
#include "translator/baseline/glue.h"
#include "translator/optimizer/region.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/host.h"

namespace ferry::baseline {

using cache::Block;
using cache::Edge;
using cache::Generation;
using optimizer::KeptBlock;
using optimizer::KeptEdge;
using optimizer::KeptHelper;
using optimizer::KeptPage;

namespace {

constexpr size_t scratch_code = size_t{2} << 20;
constexpr u64 placement_alignment = 64;

u64 aligned(u64 offset) { return (offset + placement_alignment - 1) & ~(placement_alignment - 1); }

template <class T>
void add_to(u8* field, T addend) {
  T value;
  memcpy(&value, field, sizeof value);
  value = static_cast<T>(value + addend);
  memcpy(field, &value, sizeof value);
}

// Where the blocks' code begins, which the offsets in a page count from.
struct Origin {
  u32 code;
  u32 offset(u64 at) const { return static_cast<u32>(at - code); }
};

std::vector<KeptBlock> blocks_of(const Generation& generation, Origin origin, const u32* words, u64 address) {
  std::vector<KeptBlock> blocks;
  for (size_t i = 0; i < generation.blocks.size(); i++) {
    const Block& block = generation.blocks[i];
    u16 word = static_cast<u16>((block.pc - address) / 4);
    u64 key = optimizer::entry_key({words + word, optimizer::page_words - word});
    blocks.push_back({key, origin.offset(block.begin), origin.offset(block.entry), origin.offset(block.end), word,
                      static_cast<u16>(block.count)});
  }
  return blocks;
}

// Links what stays on the page; the rest. Their thunks lead to what every generation has.
std::vector<KeptEdge> edges_of(Generation& generation, Origin origin, u64 address, Moves& moves) {
  std::vector<KeptEdge> edges;
  for (size_t i = 0; i < generation.edges.size(); i++) {
    const Edge& edge = generation.edges[i];
    if (u64 code = generation.map.find(edge.target)) {
      link(generation, edge, code, true);
      continue;
    }
    moves.common_fields.push_back(edge.thunk + stencil::thunk_field);
    edges.push_back({static_cast<i32>(edge.target - address), origin.offset(edge.thunk),
                     edge.site != 0 ? origin.offset(edge.site) : 0});
  }
  return edges;
}

// Room for the page, and then for any block: what the page lacks is translated next.
bool has_room(const Generation& generation, const KeptPage& page) {
  return generation.has_room(page.code.size() + placement_alignment, page.blocks.size(), page.offsets.size(),
                             page.edges.size());
}

void adjust(const KeptPage& page, u8* code, u64 address, u32 place) {
  for (u32 field : page.address_fields) add_to<u64>(code + field, address);
  for (u32 field : page.common_fields) add_to<u32>(code + field, 0 - place);
  for (const KeptHelper& helper : page.helpers) {
    u64 function = reinterpret_cast<u64>(stencil::library().helpers[helper.index]);
    memcpy(code + helper.field, &function, sizeof function);
  }
}

void add_block(Generation& generation, const KeptBlock& kept, u32 first_offset, u64 address, u32 place,
               KeyIsToWait is_to_wait) {
  u64 pc = address + 4 * u64{kept.word}, region = generation.map.find(pc);
  u64 entry = generation.code.run_base() + place + kept.entry;
  generation.add(
      {pc, place + kept.begin, place + kept.entry, place + kept.end, first_offset, kept.count, cache::no_block});
  if (region != 0) {
    generation.map.set(pc, region);
    generation.redirect(entry, region);
  } else if (is_to_wait(pc, kept.key)) {
    u64 behind = entry + stencil::library().body(stencil_of(Glue::block_entry)).size;
    generation.keep_waiting(pc, entry, behind, place + kept.begin);
  }
}

}  // namespace

std::vector<u8> make_page(const u32* words, std::span<const u16> blocks) {
  if (!stencil::code_can_move) return {};
  static Generation generation(scratch_code);  // making one takes longer than filling it
  generation.forget_blocks();
  u64 address = reinterpret_cast<u64>(words);
  Origin origin{static_cast<u32>(generation.used)};
  Moves moves;
  for (u16 word : blocks) {
    u64 pc = address + 4 * u64{word};
    if (word >= optimizer::page_words || generation.map.find(pc) != 0) continue;
    if (!generation.has_room() || generation.used - origin.code > optimizer::max_page_code / 2) break;
    translate(generation, GuestAddr{pc}, [](u64, std::span<const u32>) { return false; }, &moves);
  }
  if (moves.impossible) return {};
  std::vector<KeptBlock> kept = blocks_of(generation, origin, words, address);
  std::vector<KeptEdge> edges = edges_of(generation, origin, address, moves);

  std::vector<u32> depended_on;
  for (const KeptBlock& block : kept)
    depended_on.insert(depended_on.end(), words + block.word, words + block.word + words_of(block));

  std::vector<u16> offsets;
  offsets.reserve(generation.offsets.size());
  for (size_t i = 0; i < generation.offsets.size(); i++) offsets.push_back(generation.offsets[i]);

  std::vector<u8> code(generation.used - origin.code);
  memcpy(code.data(), generation.code.readable(generation.code.run_base() + origin.code), code.size());
  for (u32& field : moves.address_fields) add_to<u64>(code.data() + (field = origin.offset(field)), 0 - address);
  for (u32& field : moves.common_fields) add_to<u32>(code.data() + (field = origin.offset(field)), origin.code);
  for (KeptHelper& helper : moves.helpers) {
    helper.field = origin.offset(helper.field);
    memset(code.data() + helper.field, 0, sizeof(u64));
  }
  return optimizer::write_page({.common_size = generation.common_size,
                                .blocks = kept,
                                .words = depended_on,
                                .offsets = offsets,
                                .edges = edges,
                                .address_fields = moves.address_fields,
                                .common_fields = moves.common_fields,
                                .helpers = moves.helpers,
                                .code = code});
}

bool place_page(Generation& generation, const KeptPage& page, u64 address, KeyIsToWait is_to_wait) {
  if (page.common_size != generation.common_size || !has_room(generation, page)) return false;
  for (const KeptHelper& helper : page.helpers)
    if (helper.index >= stencil::library().helper_count) return false;

  u32 place = static_cast<u32>(aligned(generation.used));
  u64 run = generation.code.run_base() + place;
  u8* code = generation.code.writable(run);  // this process's own first
  generation.code.commit_up_to(place + page.code.size());
  memcpy(code, page.code.data(), page.code.size());
  adjust(page, code, address, place);
  stencil::publish(run, page.code.size());
  generation.used = (place + page.code.size() + stencil::patchable_alignment - 1) & ~(stencil::patchable_alignment - 1);

  size_t first_edge = generation.edges.size();
  for (const KeptEdge& edge : page.edges)
    generation.edges.push({address + static_cast<u64>(i64{edge.target}), false, place + edge.thunk,
                           edge.site != 0 ? place + edge.site : 0});
  u32 first_offset = static_cast<u32>(generation.offsets.size());
  generation.offsets.append(page.offsets);
  u32 first_block = static_cast<u32>(generation.blocks.size());
  for (const KeptBlock& block : page.blocks) {
    add_block(generation, block, first_offset, address, place, is_to_wait);
    first_offset += block.count;
  }
  for (size_t i = first_edge; i < generation.edges.size(); i++) {
    const Edge& edge = generation.edges[i];
    if (u64 known = generation.map.find(edge.target)) generation.redirect(edge, known);
  }
  generation.kept[address / optimizer::page_bytes] = {first_block, static_cast<u32>(page.blocks.size()),
                                                      static_cast<u32>(page.offsets.size())};
  generation.known_blocks += page.blocks.size();
  return true;
}

}  // namespace ferry::baseline
