#include "syscalls/ranges.h"

#include <gtest/gtest.h>

#include <random>

namespace ferry::syscalls {

TEST(Ranges, neighbours_join_only_with_one_protection) {
  Ranges ranges;
  ranges.assign(10, 20, 1);
  ranges.assign(20, 30, 1);
  ranges.assign(30, 40, 3);
  EXPECT_EQ(ranges.end() - ranges.begin(), 2);
  EXPECT_TRUE(ranges.owns(10, 40));
  EXPECT_FALSE(ranges.owns(9, 40));
  EXPECT_EQ(ranges.protection_at(30), 3);
  EXPECT_EQ(ranges.begin_of(29), 10u);
  EXPECT_EQ(ranges.begin_of(30), 30u);
  EXPECT_EQ(ranges.begin_of(40), 40u) << "no range";
}

TEST(Ranges, a_hole_splits) {
  Ranges ranges;
  ranges.assign(10, 40, 1);
  ranges.remove(20, 30);
  EXPECT_EQ(ranges.owned_end(10, 40), 20u);
  EXPECT_EQ(ranges.gap_end(20, 40), 30u);
  EXPECT_EQ(ranges.gap_end(25, 28), 28u);
  EXPECT_EQ(ranges.gap_end(30, 40), 30u);
  auto pieces = ranges.within(15, 35);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].end, 20u);
  EXPECT_EQ(pieces[1].begin, 30u);
  EXPECT_EQ(pieces[1].end, 35u);
}

// Against a plain array with one entry an address.
TEST(Ranges, agree_with_an_array) {
  constexpr u64 size = 64;
  std::mt19937 random(1);
  Ranges ranges;
  int model[size] = {};
  for (int step = 0; step < 20000; step++) {
    u64 begin = random() % size, end = begin + random() % (size - begin + 1);
    int protection = static_cast<int>(random() % 4);  // 0: remove
    if (protection == 0)
      ranges.remove(begin, end);
    else
      ranges.assign(begin, end, protection);
    for (u64 i = begin; i < end; i++) model[i] = protection;
    for (u64 i = 0; i < size; i++) ASSERT_EQ(ranges.protection_at(i), model[i]) << "step " << step << " address " << i;
    u64 previous_end = 0;
    int previous_protection = 0;
    for (const Range& range : ranges) {
      ASSERT_LT(range.begin, range.end);
      ASSERT_GE(range.begin, previous_end);
      ASSERT_FALSE(range.begin == previous_end && range.protection == previous_protection)
          << "not joined, step " << step;
      previous_end = range.end, previous_protection = range.protection;
    }
  }
}

}  // namespace ferry::syscalls
