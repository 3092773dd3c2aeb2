// Whole pages of translated code, made once and kept (optimizer/kept_page.h): what of a page has run in some process is put into code
// memory at once, its blocks linked with each other. What is left of the cost is mostly the memory that it takes.
#pragma once
#include <span>
#include <vector>

#include "translator/cache/generation.h"
#include "translator/optimizer/kept_page.h"

namespace ferry::baseline {

// What is read_page()'s: the blocks of the page that begin at these words, translated in this order, each once. Empty where translated
// code cannot be moved. `words`: page_words of them, at a whole page's address. One thread at a time; some 0.1 ms.
std::vector<u8> make_page(const u32* words, std::span<const u16> blocks);

// Says of the block at pc, by its entry_key(), whether it is to wait (Generation::waiting).
using KeyIsToWait = bool (*)(u64 pc, u64 key);

// Puts the page into the generation, which has none of its blocks, for the guest page at `address`, which holds its words. False: there
// is no room for it, or it is another ferry's. Under the translation lock.
bool place_page(cache::Generation& generation, const optimizer::KeptPage& page, u64 address, KeyIsToWait is_to_wait);

}  // namespace ferry::baseline
