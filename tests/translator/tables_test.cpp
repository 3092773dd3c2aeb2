// The memory of the translator's tables, and the table of blocks.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "translator/cache/block_map.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {
namespace {

// Every byte of it can be written and nothing else goes with it; the part of huge pages begins where one can.
TEST(ReservedMemory, IsAsLargeAsAsked) {
  constexpr size_t page = 4096;
  for (size_t bytes : {size_t{1}, page, page + 1, huge_page_size, 3 * huge_page_size + 5}) {
    for (size_t small_part : {size_t{0}, page, huge_page_size, 4 * huge_page_size}) {
      auto* memory = static_cast<u8*>(reserve_memory(bytes, PROT_READ | PROT_WRITE, small_part));
      ASSERT_NE(nullptr, memory);
      u64 begin = reinterpret_cast<u64>(memory);
      EXPECT_EQ(0u, begin % page);
      if (small_part < bytes) EXPECT_EQ(0u, (begin + small_part) % huge_page_size);
      for (size_t at = 0; at < bytes; at += page) memory[at] = 1;
      memory[bytes - 1] = 1;
      release_memory(memory, bytes);
      unsigned char there;
      EXPECT_EQ(-1, mincore(memory, page, &there));
    }
  }
  EXPECT_EQ(nullptr, reserve_memory(size_t{1} << 60, PROT_READ | PROT_WRITE));
}

// A table as small as any, and larger and larger ones.
TEST(BlockMap, FindsWhatWasSet) {
  BlockMap map;
  constexpr u64 count = 150'000, base = 0x400000;
  for (u64 i = 0; i < count; i++) map.set(base + 4 * i, i + 1);
  for (u64 i = 0; i < count; i += 3) map.set(base + 4 * i, 0);
  for (u64 i = 0; i < count; i++) ASSERT_EQ(i % 3 == 0 ? 0 : i + 1, map.find(base + 4 * i)) << i;
  EXPECT_EQ(0u, map.find(base - 4));
}

}  // namespace
}  // namespace ferry::cache
