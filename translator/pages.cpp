#include "translator/pages.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "guest/log.h"
#include "guest/memory.h"
#include "translator/baseline/pages.h"
#include "translator/optimizer/mapping.h"
#include "translator/optimizer/page_notes.h"
#include "translator/perf/perf.h"
#include "translator/regions.h"
#include "translator/state.h"
#include "translator/statistics.h"
#include "translator/stencil/host.h"

namespace ferry::translator {

using cache::Generation;

namespace {

constexpr u64 page_size = optimizer::page_bytes;
// A process hands in when it had to translate so many instructions, and of a page that was kept already when there was that part of it
// to add: each makes a new one.
constexpr u32 least_handed_in = 256, kept_part = 8, most_block_instructions = 64;
// So many are worth starting an optimiser for: a millisecond of each later run.
constexpr u64 worth_starting = 4096;

u64 program = 0;

// What this process has translated of a page, the latest first.
struct Fresh {
  u64 page;
  u32 instructions = 0;
  std::vector<u16> blocks{};
};

Fresh fresh_blocks(const Generation& generation, u64 page, u32 latest) {
  Fresh fresh{page};
  auto found = generation.kept.find(page);
  size_t end = generation.inherited_blocks;
  if (found != generation.kept.end()) end = std::max<size_t>(end, found->second.first_block + found->second.blocks);
  for (u32 index = latest; index != cache::no_block && index >= end; index = generation.blocks[index].next_of_page) {
    const cache::Block& block = generation.blocks[index];
    fresh.instructions += block.count;
    fresh.blocks.push_back(static_cast<u16>(block.pc % page_size / 4));
  }
  if (found != generation.kept.end() && fresh.instructions < found->second.instructions / kept_part) return {page};
  return fresh;
}

std::vector<Fresh> fresh_pages() {
  std::lock_guard guard(lock);
  const Generation& generation = *current.load(std::memory_order_relaxed);
  std::vector<Fresh> pages;
  if ((generation.blocks.size() - generation.known_blocks) * most_block_instructions < least_handed_in) return pages;
  for (auto [page, latest] : generation.pages) {
    Fresh fresh = fresh_blocks(generation, page, latest);
    if (fresh.blocks.empty()) continue;
    pages.push_back(std::move(fresh));
  }
  size_t handed_in = std::min<size_t>(pages.size(), optimizer::max_page_notes);
  std::ranges::nth_element(pages, pages.begin() + static_cast<long>(handed_in), std::greater{}, &Fresh::instructions);
  pages.resize(handed_in);
  return pages;
}

void write_notes(int fd, std::vector<Fresh>& pages) {
  optimizer::Mapping mapping;
  optimizer::PageNote note{program, std::vector<u32>(optimizer::page_words), {}};
  std::ranges::sort(pages, {}, &Fresh::page);
  for (Fresh& fresh : pages) {
    u64 address = fresh.page * page_size;
    if (address < mapping.begin || address >= mapping.end) mapping = mapping_of(address);
    if (!mapping.unchanging || !copy_from_guest(note.words.data(), GuestAddr{address}, page_size)) continue;
    std::ranges::reverse(fresh.blocks);
    note.blocks = std::move(fresh.blocks);
    optimizer::write_page_note(fd, note);
  }
}

}  // namespace

void name_program(std::string_view path) { program = std::hash<std::string_view>{}(path); }

u64 place_stored_page(Generation& generation, u64 pc) {
  u64 page = pc / page_size, address = page * page_size;
  if (!stencil::code_can_move || !has_store() || generation.has_page(page)) return 0;
  Stopwatch stopwatch(translate_ticks);
  note_translated(address, address + page_size);  // before it is read: invalidate() must hear of changes from now on
  u32 words[optimizer::page_words];
  if (!copy_from_guest(words, GuestAddr{address}, sizeof words)) return 0;
  std::span<const u8> bytes = find_stored_page(optimizer::page_key(words, program));
  if (bytes.empty()) return 0;
  auto stored = optimizer::read_page(bytes);
  if (!stored || !optimizer::matches(*stored, words)) return 0;
  size_t first = generation.blocks.size();
  if (!baseline::place_page(generation, *stored, address, may_be_stored)) return 0;
  counters.loaded_pages++;
  counters.loaded_instructions += stored->offsets.size();
  for (size_t i = first; i < generation.blocks.size(); i++) {
    const cache::Block& block = generation.blocks[i];
    if (perf::reporter) perf::reporter->block_added(generation, block);
    if (logging(Log::translate))
      log(Log::translate, "block %#llx: %u instructions at host %#llx, from the store", (unsigned long long)block.pc,
          block.count, (unsigned long long)(generation.code.run_base() + block.entry));
  }
  auto waiting = generation.waiting.find(pc);
  return waiting != generation.waiting.end() ? waiting->second.code : generation.map.find(pc);
}

void hand_in_pages() {
  if (!stencil::code_can_move || !keeps_pages()) return;
  std::vector<Fresh> pages = fresh_pages();
  u64 instructions = 0;
  for (const Fresh& fresh : pages) instructions += fresh.instructions;
  if (instructions >= least_handed_in)
    hand_in_notes([&](int fd) { write_notes(fd, pages); }, instructions >= worth_starting);
}

}  // namespace ferry::translator
