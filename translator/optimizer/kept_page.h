// A page of guest code as the baseline has translated it, as the store keeps it: the blocks that have run in some process, in code that
// can be put anywhere (baseline/pages.h). Plain data; every byte of it is checked when it is read back.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

inline constexpr u32 page_words = 1024, page_bytes = 4 * page_words;
inline constexpr u32 max_page_blocks = page_words, max_page_code = u32{512} << 10;

struct KeptBlock {
  u64 key;                // entry_key() of the words it begins with
  u32 begin, entry, end;  // code offsets, as in cache::Block; ascending
  u16 word, count;        // where it begins on the page, and how many guest instructions it has
};

// A way out of the page, as cache::Edge.
struct KeptEdge {
  i32 target;       // bytes from the page's address
  u32 thunk, site;  // code offsets; ascending by thunk
};

struct KeptHelper {
  u32 field, index;  // code offset of its address, 64 bits; in the stencil library
};

// What it refers to lives as long as the bytes that it was read from.
struct KeptPage {
  u32 common_size = 0;  // Generation::common_size of the code that it was made beside
  std::span<const KeptBlock> blocks;
  std::span<const u32> words;    // words_of() each block
  std::span<const u16> offsets;  // of all the blocks' instructions, from their entries
  std::span<const KeptEdge> edges;
  // Code offsets of what depends on the place: the page's address is to be added (64 bits); the code's offset in code memory is to be
  // subtracted (32 bits), since it leads from there to what every generation has.
  std::span<const u32> address_fields, common_fields;
  std::span<const KeptHelper> helpers;
  std::span<const u8> code;
};

// How many words of the page its code depends on: its instructions, and what it ends before.
constexpr u32 words_of(const KeptBlock& block) { return block.count + (block.word + block.count < page_words ? 1 : 0); }

// Whether a page of memory, page_words, has the words that the page was made of.
bool matches(const KeptPage& page, const u32* memory);

// By which a page is found: a hash of its words and of whose it is (a program's number; what another program runs of the same file
// would only take room).
u64 page_key(std::span<const u32> words, u64 program);

std::vector<u8> write_page(const KeptPage& page);
// nullopt when anything is out of bounds or contradicts itself. The bytes are aligned to 8.
std::optional<KeptPage> read_page(std::span<const u8> bytes);

}  // namespace ferry::optimizer
