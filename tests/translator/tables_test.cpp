// The memory of the translator's tables, and the table of blocks.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "translator/cache/block_map.h"
#include "translator/cache/chunked_array.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {
namespace {

// Every byte of it can be written and nothing else goes with it; where there is room for a huge page it begins with one.
TEST(ReservedMemory, IsAsLargeAsAsked) {
  constexpr size_t page = 4096;
  for (size_t bytes : {size_t{1}, page, page + 1, huge_page_size - 1, huge_page_size, 3 * huge_page_size + 5}) {
    auto* memory = static_cast<u8*>(reserve_memory(bytes, PROT_READ | PROT_WRITE));
    ASSERT_NE(nullptr, memory);
    u64 begin = reinterpret_cast<u64>(memory);
    EXPECT_EQ(0u, begin % (bytes < huge_page_size ? page : huge_page_size));
    for (size_t at = 0; at < bytes; at += page) memory[at] = 1;
    memory[bytes - 1] = 1;
    release_memory(memory, bytes);
    unsigned char there;
    EXPECT_EQ(-1, mincore(memory, page, &there));
  }
  EXPECT_EQ(nullptr, reserve_memory(size_t{1} << 60, PROT_READ | PROT_WRITE));
}

// Gives what is expected, and a little first.
class Given {
 public:
  explicit Given(ChunkMemory& memory) : rest_(memory.expected()) { memory.give(first_, rest_); }

 private:
  std::vector<u8> first_ = std::vector<u8>(4096), rest_;
};

// What does not go into the first memory comes from the rest, and what is smaller still goes there.
TEST(ChunkMemory, TakesFromTheFirstWhatItHasRoomFor) {
  u8 first[100], rest[1000];
  ChunkMemory memory{1000};
  memory.give(first, rest);
  EXPECT_EQ(first, memory.take(64));
  EXPECT_EQ(rest, memory.take(64));
  EXPECT_EQ(first + 64, memory.take(36));
  EXPECT_EQ(rest + 64, memory.take(936));
}

struct Row {
  u64 value;
  u32 key, more;
};

// Full to the last element: all have a place of their own, which they keep, and what was expected of the memory was enough.
TEST(ChunkedArray, ElementsStay) {
  for (size_t capacity : {size_t{1}, size_t{127}, size_t{128}, size_t{129}, size_t{100'000}}) {
    ChunkMemory memory;
    ChunkedArray<Row> rows(memory, capacity);
    ChunkedArray<u16> numbers(memory, capacity);
    Given given(memory);
    std::vector<Row*> places;
    for (u32 i = 0; i < capacity; i++) {
      EXPECT_EQ(capacity - i, rows.room());
      places.push_back(&rows.push({~u64{i}, 2 * i, i}));
      numbers.append(std::vector<u16>{static_cast<u16>(3 * i)});
    }
    EXPECT_EQ(0u, rows.room());
    EXPECT_EQ(capacity, numbers.size());
    for (u32 i = 0; i < capacity; i++) {
      ASSERT_EQ(places[i], &rows[i]);
      ASSERT_EQ(~u64{i}, rows[i].value);
      ASSERT_EQ(static_cast<u16>(3 * i), numbers[i]);
    }
    rows.clear();
    EXPECT_EQ(places[0], &rows.push({}));
    EXPECT_EQ(1u, rows.size());
    // All at once, over the ends of chunks.
    std::vector<u16> values;
    for (u32 i = 0; i < capacity; i++) values.push_back(static_cast<u16>(5 * i));
    numbers.clear();
    numbers.append(values);
    ASSERT_EQ(capacity, numbers.size());
    for (u32 i = 0; i < capacity; i++) ASSERT_EQ(values[i], numbers[i]);
  }
}

// By a member, in whatever chunk it is and wherever the search begins.
TEST(ChunkedArray, FindsInSortedOnes) {
  constexpr u32 count = 5000;
  ChunkMemory memory;
  ChunkedArray<Row> rows(memory, count);
  Given given(memory);
  EXPECT_EQ(0u, rows.first_from<&Row::key>(0));
  for (u32 i = 0; i < count; i++) rows.push({i, 2 * i, 0});
  for (size_t hint : {size_t{0}, size_t{127}, size_t{128}, size_t{4999}, size_t{5000}, ~size_t{0}}) {
    for (u32 key = 0; key <= 2 * count; key++) {
      size_t first = rows.first_from<&Row::key>(key, hint);
      ASSERT_EQ((key + 1) / 2, first) << hint;
      const Row* found = rows.find_sorted<&Row::key>(key, hint);
      ASSERT_EQ(key % 2 == 0 && first < count ? &rows[first] : nullptr, found) << key;
    }
  }
}

// A table as small as any, and larger and larger ones.
TEST(BlockMap, FindsWhatWasSet) {
  ChunkMemory memory{BlockMap::small_tables};
  Given given(memory);
  BlockMap map(memory);
  constexpr u64 count = 150'000, base = 0x400000;
  for (u64 i = 0; i < count; i++) map.set(base + 4 * i, i + 1);
  for (u64 i = 0; i < count; i += 3) map.set(base + 4 * i, 0);
  for (u64 i = 0; i < count; i++) ASSERT_EQ(i % 3 == 0 ? 0 : i + 1, map.find(base + 4 * i)) << i;
  EXPECT_EQ(0u, map.find(base - 4));
}

}  // namespace
}  // namespace ferry::cache
