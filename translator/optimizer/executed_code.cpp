#include "translator/optimizer/executed_code.h"

#include <algorithm>

#include "guest/memory.h"

namespace ferry::optimizer {

bool ExecutedCode::word_at(u64 pc, u32& word) {
  const Page& page = page_of(pc / page_size);
  u32 index = static_cast<u32>(pc % page_size / 4);
  word = page.words[index];
  return page.executed[index];
}

const ExecutedCode::Page& ExecutedCode::page_of(u64 number) {
  std::unique_ptr<Page>& page = pages_[number];
  if (page != nullptr) return *page;
  page = std::make_unique_for_overwrite<Page>();
  if (!copy_from_guest(page->words.data(), GuestAddr{number * page_size}, page_size)) {
    page->words = {};
    return *page;
  }
  auto mark = [&](u64 begin, u64 end) {
    for (u64 pc = std::max(begin, number * page_size); pc < std::min(end, (number + 1) * page_size); pc += 4)
      page->executed.set(pc % page_size / 4);
  };
  if (auto found = generation_.pages.find(number); found != generation_.pages.end()) {
    for (u32 index = found->second; index != cache::no_block; index = generation_.blocks[index].next_of_page)
      mark(generation_.blocks[index].pc, generation_.blocks[index].pc + 4 * generation_.blocks[index].count);
  }
  for (u32 index : generation_.regions.of_page(number)) {
    for (const cache::GuestRange& range : generation_.regions.regions[index].ranges) mark(range.begin, range.end);
  }
  return *page;
}

}  // namespace ferry::optimizer
