// Ranges set and cleared at random agree with a flag for every page.
#include "translator/cache/executable_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ferry::cache {
namespace {

TEST(ExecutableRanges, AllowEverythingWhileEmpty) {
  ExecutableRanges ranges;
  EXPECT_TRUE(ranges.allows(0x1000));
  EXPECT_TRUE(ranges.overlaps(0x1000, 0x2000));
  ranges.set(0x1000, 0x2000, false);
  EXPECT_TRUE(ranges.allows(0x1000));
  ranges.set(0x5000, 0x6000, true);
  EXPECT_FALSE(ranges.allows(0x1000));
  EXPECT_TRUE(ranges.allows(0x5000));
  EXPECT_TRUE(ranges.allows(0x5fff));
  EXPECT_FALSE(ranges.allows(0x4fff));
  EXPECT_FALSE(ranges.allows(0x6000));
  ranges.set(0x7000, 0x7000, true);
  EXPECT_FALSE(ranges.allows(0x7000));
  ranges.set(0, ~u64{0}, false);
  EXPECT_TRUE(ranges.allows(0x1000));
}

TEST(ExecutableRanges, AgreeWithAFlagForEveryPage) {
  constexpr u64 pages = 24;
  std::mt19937 random(1);
  ExecutableRanges ranges;
  bool executable[pages] = {};
  for (int i = 0; i < 20'000; i++) {
    u64 begin = random() % (pages + 1), end = random() % (pages + 1);
    bool value = random() % 2 != 0;
    ranges.set(begin * 4096, end * 4096, value);
    for (u64 page = begin; page < end; page++) executable[page] = value;
    bool none = std::ranges::none_of(executable, std::identity{});
    for (u64 page = 0; page < pages; page++) {
      ASSERT_EQ(none || executable[page], ranges.allows(page * 4096)) << i << ": page " << page;
      ASSERT_EQ(none || executable[page], ranges.allows(page * 4096 + 4095)) << i << ": page " << page;
    }
    u64 first = random() % pages, last = first + random() % (pages - first);
    bool any = std::any_of(executable + first, executable + last + 1, std::identity{});
    ASSERT_EQ(none || any, ranges.overlaps(first * 4096, (last + 1) * 4096)) << i << ": " << first << " to " << last;
  }
}

}  // namespace
}  // namespace ferry::cache
