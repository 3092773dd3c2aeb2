#include "translator/optimizer/process/page_keeper.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "translator/baseline/pages.h"

namespace ferry::optimizer {

namespace {

constexpr size_t max_waiting = 64;  // processes that have ended
constexpr int pages_a_step = 16;

// A whole page, as the baseline reads them.
u32* translated_page() {
  static void* page = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? nullptr : static_cast<u32*>(page);
}

}  // namespace

void PageKeeper::add(int fd) {
  if (waiting_.size() >= max_waiting)
    close(fd);
  else
    waiting_.emplace_back(fd);
}

void PageKeeper::step(StoreWriter* store) {
  for (int i = 0; i < pages_a_step && has_work(); i++) {
    auto note = store != nullptr ? waiting_.front().next() : std::nullopt;
    if (note)
      keep(*store, *note);
    else
      waiting_.pop_front();
  }
}

// What is there already, and then what is new.
void PageKeeper::keep(StoreWriter& store, const PageNote& note) {
  u64 key = page_key(note.words, note.program);
  std::vector<u16> blocks;
  if (auto known = read_page(store.find_page(key)))
    for (const KeptBlock& block : known->blocks) blocks.push_back(block.word);
  size_t known_blocks = blocks.size();
  for (u16 word : note.blocks)
    if (std::ranges::find(blocks, word) == blocks.end()) blocks.push_back(word);
  u32* page = translated_page();
  if (blocks.size() == known_blocks || page == nullptr) return;
  memcpy(page, note.words.data(), page_bytes);
  std::vector<u8> bytes = baseline::make_page(page, blocks);
  if (!bytes.empty() && store.add_page(key, bytes)) kept_++;
}

}  // namespace ferry::optimizer
