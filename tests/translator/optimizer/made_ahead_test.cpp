// Regions made ahead of time are put in place where samples fall into their code, and nowhere else.
#include "translator/optimizer/made_ahead.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "guest/log.h"
#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/store_writer.h"

namespace ferry::optimizer {
namespace {

constexpr u64 base = 0x5500000000, entry = base + 0x14;

class MadeAheadTest : public testing::Test {
 protected:
  void SetUp() override {
    log_mask = 0;
    char name[] = "/tmp/ferry_made_ahead_XXXXXX";
    directory_ = mkdtemp(name);
    ASSERT_TRUE(
        writer_.open({.directory = directory_, .identity = "a build", .description = "", .limit = smallest_store}));
    Region region = sample_region();  // at 0x10 to 0x1c, 0x40 to 0x44, 0x1ffc to 0x200c
    std::vector<u64> keys = entry_keys(region);
    key_ = keys[0];
    ASSERT_TRUE(writer_.add(1, 0, write_region(region), keys));
    ASSERT_TRUE(reader_.open(directory_, "a build", false));
    ASSERT_TRUE(reader_.find(key_).more_ahead);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Where the regions were put that a sample at pc brings.
  std::vector<u64> sample(u64 pc, bool accepted = true) {
    std::vector<u64> places;
    u32 count = made_ahead_.install_around(reader_, pc, [&](u64 at, const Region& region) {
      EXPECT_EQ(region.code.size(), sample_region().code.size());
      places.push_back(at);
      return accepted;
    });
    EXPECT_EQ(count, accepted ? places.size() : 0);
    return places;
  }

  std::string directory_;
  StoreWriter writer_;
  StoreReader reader_;
  MadeAhead made_ahead_;
  u64 key_ = 0;
};

TEST_F(MadeAheadTest, ASampleInItsCodeBringsARegionOnce) {
  EXPECT_TRUE(sample(entry).empty()) << "nothing has been noted";
  made_ahead_.note(entry, key_);
  EXPECT_EQ(sample(base + 0x2008), std::vector<u64>{base});
  EXPECT_TRUE(sample(base + 0x2008).empty());
  made_ahead_.note(entry, key_);
  made_ahead_.note(entry, key_);
  EXPECT_EQ(sample(entry), std::vector<u64>{base}) << "noted again, as after a flush";
  EXPECT_TRUE(sample(entry).empty());
}

TEST_F(MadeAheadTest, ASampleElsewhereBringsNone) {
  made_ahead_.note(entry, key_);
  for (u64 pc : {base, base + 0x200c, base + 0x100000, base - 0x1000, u64{0}, ~u64{3}})
    EXPECT_TRUE(sample(pc).empty()) << pc;
  EXPECT_EQ(sample(base + 0x40), std::vector<u64>{base}) << "and it is still there";
}

TEST_F(MadeAheadTest, OneThatCannotBePutInPlaceIsNotTriedForEver) {
  made_ahead_.note(entry, key_);
  EXPECT_EQ(sample(entry, false), std::vector<u64>{base});
  EXPECT_TRUE(sample(entry).empty());
  made_ahead_.note(entry + 8, key_);
  EXPECT_TRUE(sample(entry + 8).empty()) << "not where pages are";
}

TEST_F(MadeAheadTest, EachPlaceOfTheSameCodeIsItsOwn) {
  made_ahead_.note(entry, key_);
  made_ahead_.note(entry + 0x100000, key_);
  EXPECT_EQ(sample(entry + 0x100000), std::vector<u64>{base + 0x100000});
  EXPECT_EQ(sample(entry), std::vector<u64>{base});
}

}  // namespace
}  // namespace ferry::optimizer
