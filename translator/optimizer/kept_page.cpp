#include "translator/optimizer/kept_page.h"

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferry::optimizer {

namespace {

// What it all begins with; then the parts, as KeptPage has them but the largest alignment first.
struct Header {
  u32 common_size, blocks, helpers, edges, address_fields, common_fields, words, offsets, code;
  u32 reserved;  // 0
};
static_assert(sizeof(Header) % 8 == 0 && sizeof(KeptBlock) == 24);

constexpr u32 patchable = 8;

template <class T>
void put(std::vector<u8>& bytes, std::span<const T> items) {
  const u8* from = reinterpret_cast<const u8*>(items.data());
  bytes.insert(bytes.end(), from, from + items.size_bytes());
}

// Of `count` items; false when there are fewer.
template <class T>
bool take(std::span<const u8>& bytes, u32 count, std::span<const T>& items) {
  if (bytes.size() / sizeof(T) < count) return false;
  items = {reinterpret_cast<const T*>(bytes.data()), count};
  bytes = bytes.subspan(items.size_bytes());
  return true;
}

bool are_sound(const KeptPage& page) {
  size_t instructions = 0, words = 0;
  u32 end = 0;
  for (const KeptBlock& block : page.blocks) {
    if (block.begin < end || block.begin % patchable != 0 || block.entry % patchable != 0) return false;
    if (block.entry <= block.begin || block.end < block.entry || block.end > page.code.size()) return false;
    if (block.word >= page_words || block.count > page_words - block.word) return false;
    if (block.count > page.offsets.size() - instructions || words_of(block) > page.words.size() - words) return false;
    u32 size = block.end - block.entry;
    auto offsets = page.offsets.subspan(instructions, block.count);
    if (std::ranges::any_of(offsets, [size](u16 offset) { return offset > size; })) return false;
    instructions += block.count;
    words += words_of(block);
    end = block.end;
  }
  return instructions == page.offsets.size() && words == page.words.size();
}

}  // namespace

bool matches(const KeptPage& page, const u32* memory) {
  const u32* words = page.words.data();
  for (const KeptBlock& block : page.blocks) {
    if (memcmp(words, memory + block.word, words_of(block) * sizeof(u32)) != 0) return false;
    words += words_of(block);
  }
  return true;
}

u64 page_key(std::span<const u32> words, u64 program) {
  return XXH3_64bits_withSeed(words.data(), words.size_bytes(), program);
}

std::vector<u8> write_page(const KeptPage& page) {
  auto count = [](auto items) { return static_cast<u32>(items.size()); };
  Header header{.common_size = page.common_size,
                .blocks = count(page.blocks),
                .helpers = count(page.helpers),
                .edges = count(page.edges),
                .address_fields = count(page.address_fields),
                .common_fields = count(page.common_fields),
                .words = count(page.words),
                .offsets = count(page.offsets),
                .code = count(page.code),
                .reserved = 0};
  std::vector<u8> bytes;
  put(bytes, std::span<const Header>{&header, 1});
  put(bytes, page.blocks);
  put(bytes, page.helpers);
  put(bytes, page.edges);
  put(bytes, page.address_fields);
  put(bytes, page.common_fields);
  put(bytes, page.words);
  put(bytes, page.offsets);
  put(bytes, page.code);
  return bytes;
}

std::optional<KeptPage> read_page(std::span<const u8> bytes) {
  KeptPage page;
  std::span<const Header> headers;
  if (reinterpret_cast<u64>(bytes.data()) % 8 != 0 || !take(bytes, 1, headers)) return {};
  const Header& header = headers[0];
  page.common_size = header.common_size;
  bool there = header.reserved == 0 && header.blocks <= max_page_blocks && header.code <= max_page_code &&
               take(bytes, header.blocks, page.blocks) && take(bytes, header.helpers, page.helpers) &&
               take(bytes, header.edges, page.edges) && take(bytes, header.address_fields, page.address_fields) &&
               take(bytes, header.common_fields, page.common_fields) && take(bytes, header.words, page.words) &&
               take(bytes, header.offsets, page.offsets) && take(bytes, header.code, page.code);
  if (!there || !bytes.empty() || !are_sound(page)) return {};
  auto has_room = [&](u32 at, u32 size) { return at <= page.code.size() && page.code.size() - at >= size; };
  for (u32 field : page.address_fields)
    if (!has_room(field, 8)) return {};
  for (u32 field : page.common_fields)
    if (!has_room(field, 4)) return {};
  for (const KeptHelper& helper : page.helpers)
    if (!has_room(helper.field, 8)) return {};
  u32 thunks_end = 0;
  for (const KeptEdge& edge : page.edges) {
    if (edge.thunk < thunks_end || edge.thunk % patchable != 0 || !has_room(edge.thunk, patchable)) return {};
    if (edge.target % 4 != 0 || (edge.site != 0 && !has_room(edge.site, 4))) return {};
    thunks_end = edge.thunk + patchable;
  }
  return page;
}

}  // namespace ferry::optimizer
