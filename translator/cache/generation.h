// One filling of code memory with everything that describes it: blocks, their edges, the map from guest pcs and the lists
// per guest page. When code memory is full a new generation replaces it; threads move over at their next exit
// and the old one is freed when the last has left, so nothing that runs is ever overwritten.
// Written only under the translation lock; find() and locate() may run at any time, locate() in signal handlers too.
#pragma once
#include <span>
#include <unordered_map>
#include <vector>

#include "translator/cache/block_map.h"
#include "translator/cache/chunked_array.h"
#include "translator/cache/code_memory.h"
#include "translator/cache/region_table.h"
#include "translator/stencil/host.h"

namespace ferry::cache {

// A translated basic block, extended past conditional branches: `count` consecutive guest instructions from `pc`.
struct Block {
  u64 pc;
  u32 begin;         // code offset of the poll thunk, which the entry follows
  u32 entry, end;    // code offsets
  u32 first_offset;  // index of the first of `count` instruction starts, relative to `entry`
  u32 count;
  u32 next_of_page;  // index of another block of the same guest page; no_block
};
inline constexpr u32 no_block = ~u32{0};

// A way out of a block to a fixed guest pc. Its thunk leaves to the dispatcher until it is linked, then jumps to the block.
struct Edge {
  u64 target : 63;
  u64 carried : 1;  // carried_entry bytes before the thunk is the way with carried registers, by which the site goes
  u32 thunk;        // code offset
  u32 site;         // code offset of the jump that may be repointed; 0: fallthrough or return
};

// How many blocks and edges there were when a page of code was begun: by its number, and for those that blocks have reached. Edges of
// regions are only near.
struct CodePage {
  u32 blocks, edges;
};

class Generation {
 public:
  explicit Generation(size_t code_size);

  static constexpr size_t scratch_size = 64 * 1024;
  ChunkMemory tables{BlockMap::small_tables + scratch_size};  // what they expect of it comes with the code's memory
  ChunkedArray<Block> blocks;
  ChunkedArray<u16> offsets;
  ChunkedArray<Edge> edges;
  ChunkedArray<CodePage> code_pages;
  RegionTable regions;
  CodeMemory code;
  BlockMap map;
  std::span<u8> scratch;     // for whoever fills it
  size_t used = 0;           // bytes of code memory
  u64 constants;             // run address of the stencil library's constants
  u64 link_stub, poll_stub;  // run addresses: what thunks call
  u64 dispatch;       // run address of what goes on at cpu.pc where the branch cache's first way does not know it
  u64 store_carried;  // run address of what stores carried registers and goes to its argument
  // Of the return stack (stencil/return_stack.h), run addresses: where landings go that a return is not to, where a return goes when
  // there is no frame, and one with carried registers.
  u64 other_landing, unknown_return, carried_return, carried_lookup;
  // Offsets before this are of what every generation begins with: constants and stubs. These bytes are the same in each.
  u32 common_size;
  bool is_common(u64 run) const { return run - code.run_base() < common_size; }
  std::unordered_map<u64, u32> pages;  // guest page number -> index of its latest block
  // Blocks, by guest pc, that are kept out of the map, so that every way to them leads through the dispatcher, for as long as it is
  // not known whether a region of the store is worth having in their place.
  struct Waiting {
    u64 code;  // to run until then
    u32 visits;
    u64 entry;        // and from then on
    u64 entry_bytes;  // what it begins with, where it is another
  };
  std::unordered_map<u64, Waiting> waiting;
  void keep_waiting(u64 pc, u64 code) {
    map.set(pc, 0);
    waiting[pc] = {code, 0, code, 0};
  }
  // The same for a block to whose entry others jump already: they leave by its poll thunk. Its code behind the poll is run meanwhile.
  void keep_waiting(u64 pc, u64 entry, u64 behind_poll, u32 thunk);
  void end_waiting(u64 pc);

  // Pages whose translation was kept (baseline/pages.h), by guest page number: the indices of their blocks, and how many guest
  // instructions these have.
  struct Kept {
    u32 first_block, blocks, instructions;
  };
  std::unordered_map<u64, Kept> kept;
  size_t inherited_blocks = 0;  // the first ones are the parent's: of a forked child
  size_t known_blocks = 0;      // those and, of what follows, those that were kept
  bool has_page(u64 page) const { return page == last_page_ || pages.contains(page); }
  u32 threads = 0;  // attached threads that still run in it

  // Makes the code at one run address a jump to that at another, with and without carried registers.
  void redirect(u64 from, u64 to);
  void redirect(const Edge& edge, u64 to);
  // Dropped code of the block at pc becomes a jump to its new code: by way of what was dropped of it first, so that what leads to any of it
  // passes two jumps at most, however often the code is rewritten.
  void replace_stale(u64 pc, u64 stale, u64 code);

  // As it began: for code that is translated to be kept, and not run. There are no regions.
  void forget_blocks();

  // Enters a block whose code is complete.
  void add(Block block);

  // Is there room for the largest block, behind so much more?
  bool has_room(size_t code_bytes = 0, size_t more_blocks = 0, size_t instructions = 0, size_t more_edges = 0) const;

  // The guest pc of the instruction whose code contains the run address; 0 when it is no instruction's. In a region it may be a
  // neighbour's.
  u64 locate(u64 run) const;
  u64 block_pc(u64 run) const;  // exactly, and 0 outside the blocks

  // Whether the code that the map has for a block is a region's.
  bool is_region(u64 run) const { return run != 0 && regions.contains(static_cast<u32>(run - code.run_base())); }

  // Where to go on after a fault of a region's host instruction at the run address; 0 when it is none of their accesses.
  u64 fault_edge(u64 run) const;
  // What the trap at the run address asks for; null when it is none of a region's fault edges.
  const RegionFaultState* fault_state(u64 run) const {
    return code.contains(run) ? regions.fault_state(static_cast<u32>(run - code.run_base())) : nullptr;
  }

  // The edge of a link thunk's exit_operand.
  const Edge& edge_at(u64 exit_operand) const;
  // What a poll thunk's exit_operand stands for: the guest pc of a block or of a region's entry, and its code's run address.
  struct PollSite {
    u64 pc, entry;
  };
  PollSite poll_site(u64 exit_operand) const;

  // Drops the blocks and regions of the guest pages in [first, last); returns how many there were of each.
  struct Dropped {
    u32 blocks, regions;
  };
  Dropped invalidate_pages(u64 first, u64 last);

 private:
  CodePage near(u32 at) const {
    return at >> 12 < code_pages.size() ? code_pages[at >> 12] : CodePage{~u32{0}, ~u32{0}};
  }

  u32 invalidate_page(u64 page);
  void drop(const InstalledRegion& region);
  u64 make_stale(u64 pc, u32 entry, u32 thunk);
  std::unordered_map<u64, u64> first_stale_;  // by guest pc, run addresses
  u64 place_stub(stencil::ThunkKind kind);
  void place_return_code(u64 go_to_pc);

  // Where the page of the block added last has its entry in `pages`: the next one is likely to be there too.
  u64 last_page_ = ~u64{0};
  u32* last_of_page_ = nullptr;
};

}  // namespace ferry::cache
