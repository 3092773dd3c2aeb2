// The profile: heat that adds up over runs, whatever becomes of the file between them.
#include "translator/optimizer/profile.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/translator/optimizer/sample_region.h"

namespace ferry::optimizer {
namespace {

namespace fs = std::filesystem;

class ProfileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ferry_profile_XXXXXX";
    directory_ = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string file() const { return directory_ + "/profile"; }

  std::string directory_;
};

TEST_F(ProfileTest, HeatAddsUpOverRuns) {
  Request request = sample_request();
  for (u64 run = 1; run <= 5; ++run) {
    Profile profile(directory_);
    EXPECT_EQ(profile.add(request), run * request.heat);
    ASSERT_TRUE(profile.save());
  }
}

TEST_F(ProfileTest, WhatItTakesToMakeTheRequestAgainIsKept) {
  Request request = sample_request();
  {
    Profile profile(directory_);
    profile.add(request);
    ASSERT_TRUE(profile.save());
  }
  Profile profile(directory_);
  ASSERT_EQ(profile.spots().size(), 1u);
  const auto& [key, spot] = *profile.spots().begin();
  EXPECT_EQ(key, heat_key(request));
  EXPECT_EQ(spot.heat, request.heat);
  EXPECT_GT(spot.last_day, 20'000u);  // 2024
  EXPECT_EQ(spot.file, request.file);
  EXPECT_EQ(spot.file_offset, request.file_offset);
  EXPECT_EQ(spot.entries, request.entries);
  ASSERT_EQ(spot.extents.size(), request.stretches.size());
  for (size_t i = 0; i < spot.extents.size(); ++i) {
    EXPECT_EQ(spot.extents[i].offset, request.stretches[i].offset);
    EXPECT_EQ(spot.extents[i].words, request.stretches[i].words.size());
  }
  ASSERT_EQ(spot.indirect_targets.size(), request.indirect_targets.size());
  EXPECT_EQ(spot.indirect_targets[1].target, request.indirect_targets[1].target);
}

TEST_F(ProfileTest, TheHotBlockCountsAndNotWhatIsFormedAroundIt) {
  Profile profile(directory_);
  Request request = sample_request(), other = request;
  other.base += 0x10000;
  other.stretches.pop_back();
  other.entries = {other.entries[0]};
  other.indirect_targets.clear();
  profile.add(request);
  EXPECT_EQ(profile.add(other), 2 * request.heat);
  EXPECT_NE(request_key(request), request_key(other));
  other.entries[0] = 0x40;
  EXPECT_EQ(profile.add(other), other.heat);
}

TEST_F(ProfileTest, WhatIsMadeAheadOfTimeIsNotHot) {
  Profile profile(directory_);
  Request request = sample_request();
  u64 heat = request.heat;
  request.heat = 0;
  EXPECT_EQ(profile.add(request), 0u);
  EXPECT_TRUE(profile.spots().empty());
  request.heat = heat;
  profile.add(request);
  request.heat = 0;
  EXPECT_EQ(profile.add(request), heat);
}

TEST_F(ProfileTest, OfMemoryWithoutAFileOnlyTheHeatIsKept) {
  Profile profile(directory_);
  Request request = sample_request();
  request.storable = false;
  profile.add(request);
  EXPECT_TRUE(profile.spots().begin()->second.file.empty());
  EXPECT_TRUE(profile.spots().begin()->second.extents.empty());
}

TEST_F(ProfileTest, ACutOrAlteredOneIsAnEmptyOne) {
  {
    Profile profile(directory_);
    profile.add(sample_request());
    ASSERT_TRUE(profile.save());
  }
  std::string good;
  {
    std::ifstream in(file(), std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  auto spots_of = [&](const std::string& bytes) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
    return Profile(directory_).spots().size();
  };
  EXPECT_EQ(spots_of(good), 1u);
  for (size_t size = 0; size < good.size(); ++size) EXPECT_EQ(spots_of(good.substr(0, size)), 0u) << size;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string altered = good;
    altered[at] = static_cast<char>(altered[at] ^ (1 << at % 8));
    EXPECT_EQ(spots_of(altered), 0u) << at;
  }
}

TEST_F(ProfileTest, WhatHasBeenColdForLongestIsForgottenFirst) {
  Profile profile(directory_);
  Request request = sample_request();
  request.storable = false;
  for (u32 number = 0; number < 120'000; ++number) {
    request.stretches[0].words[1] = number << 5;  // never a branch
    request.heat = number;
    profile.add(request);
  }
  EXPECT_LE(profile.spots().size(), 50'000u);
  EXPECT_TRUE(profile.spots().contains(heat_key(request)));
}

TEST_F(ProfileTest, NothingIsWrittenWhereOthersMayWrite) {
  chmod(directory_.c_str(), 0777);
  Profile profile(directory_);
  profile.add(sample_request());
  EXPECT_FALSE(profile.save());
  EXPECT_FALSE(fs::exists(file()));
  chmod(directory_.c_str(), 0700);
  EXPECT_TRUE(profile.save());
  struct stat status;
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(EntryKey, EndsAtTheFirstBranch) {
  constexpr u32 add = 0x91000400, bti = 0xd503245f, dmb = 0xd5033bbf;
  for (u32 branch :
       {0x14000001u, 0x94000001u, 0x54000020u, 0xb4000020u, 0x36000020u, 0xd65f03c0u, 0xd61f0000u, 0xd4000001u}) {
    std::vector<u32> one{add, branch, 1, 2}, two{add, branch, 3};
    EXPECT_EQ(entry_key(one), entry_key(two)) << std::hex << branch;
    std::vector<u32> other{add + 1, branch};
    EXPECT_NE(entry_key(one), entry_key(other));
  }
  for (u32 none : {bti, dmb, add}) {
    std::vector<u32> one{none, add, 1}, two{none, add, 2};
    EXPECT_NE(entry_key(one), entry_key(two)) << std::hex << none;
  }
}

TEST(EntryKey, IsOfTheStretchesWhatAGuestFindsOnThePage) {
  std::vector<u32> words{0x91000400, 0x91000401, 0x91000402, 0x91000403, 0xd65f03c0};
  std::vector<Stretch> stretches{{0xff8, words}};
  EXPECT_EQ(entry_key(stretches, 0xff8), entry_key(std::span{words}.first(2)));
  EXPECT_EQ(entry_key(stretches, 0x1000), entry_key(std::span{words}.subspan(2)));
  EXPECT_EQ(entry_key(stretches, 0xff4), 0u);
  EXPECT_EQ(entry_key(stretches, 0x100c), 0u);
  Region region = sample_region();
  std::vector<u64> keys = entry_keys(region);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0], entry_key(region.stretches, region.entries[0].offset));
  EXPECT_EQ(keys[1], 0u) << "not for others to find";
}

}  // namespace
}  // namespace ferry::optimizer
