// Regions formed of code that lies in a file: functions, their loops, and what the profile remembers.
#include "translator/optimizer/file_code.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ferry::optimizer {
namespace {

constexpr u64 text = 0x10000, offset = 0x1000;
constexpr u32 add = 0x91000400;             // add x0, x0, #1
constexpr u32 back = 0x54ffffc1;            // b.ne, two words back
constexpr u32 call_next_page = 0x940003fb;  // bl, 0xfec bytes on
constexpr u32 ret = 0xd65f03c0;

class FileCodeTest : public testing::Test {
 protected:
  FileCodeTest() : bytes_(0x4000) {
    put(text, {add, add, add, back, call_next_page, ret});
    put(text + 0xffc, {add, ret});
  }
  void put(u64 pc, std::vector<u32> words) {
    memcpy(bytes_.data() + (pc - text + offset), words.data(), words.size() * 4);
  }
  FileCode code() const { return {"/usr/bin/program", bytes_, {{text, offset, 0x2000}}}; }

  std::vector<u8> bytes_;
};

TEST_F(FileCodeTest, AFunctionIsFormedWithItsLoopAndWhatItCalls) {
  FileCode file = code();
  auto request = file.form_at(text);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->storable);
  EXPECT_EQ(request->file, "/usr/bin/program");
  EXPECT_EQ(request->base, text);
  EXPECT_EQ(request->file_offset, offset);
  EXPECT_EQ(request->heat, 0u);
  ASSERT_EQ(request->stretches.size(), 2u);
  EXPECT_EQ(request->stretches[0].words, (std::vector<u32>{add, add, add, back, call_next_page, ret}));
  EXPECT_EQ(request->stretches[1].offset, 0xffcu);
  EXPECT_EQ(request->entries[0], 0u);
}

TEST_F(FileCodeTest, LoopsAreWhereBranchesLeadBack) {
  FileCode file = code();
  EXPECT_EQ(file.loops_in(text, text + 24), (std::vector<u64>{text + 4}));
  EXPECT_TRUE(file.loops_in(text + 0xffc, text + 0x1004).empty());
  auto loop = file.form_at(text + 4);
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop->stretches[0].offset, 4u);
  EXPECT_EQ(loop->stretches[0].words.size(), 3u);
}

TEST_F(FileCodeTest, AFunctionIsEnteredAtItsLoops) {
  FileCode file = code();
  std::vector<u64> loops = {text + 4, text + 4, text + 0x800, text - 4};
  auto request = file.form_at(text, loops);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->entries, (std::vector<u32>{0, 4}));
}

TEST_F(FileCodeTest, WhatHasBeenAskedForIsCounted) {
  FileCode file = code();
  EXPECT_EQ(file.regions_at(text), 0u);
  auto request = file.form_at(text);
  file.note(*request);
  EXPECT_EQ(file.regions_at(text), 1u);
  EXPECT_EQ(file.regions_at(text + 0x1000), 1u);
  EXPECT_EQ(file.regions_at(text + 24), 0u);
  EXPECT_TRUE(file.is_region_entry(text));
  EXPECT_FALSE(file.is_region_entry(text + 4));
}

TEST_F(FileCodeTest, OutsideItsCodeThereIsNone) {
  FileCode file = code();
  u32 word;
  EXPECT_FALSE(file.word_at(text - 4, word));
  EXPECT_FALSE(file.word_at(text + 0x2000, word));
  EXPECT_FALSE(file.form_at(text + 0x2000));
  EXPECT_FALSE(file.form_at(text + 0x1800)) << "zeros are no instructions";
  FileCode crooked("x", bytes_, {{text + 4, offset, 0x1000}});
  EXPECT_FALSE(crooked.form_at(text + 4)) << "not as pages are mapped";
}

TEST_F(FileCodeTest, TheProfileMakesItsRequestAgainAndNoOther) {
  FileCode file = code();
  auto request = file.form_at(text);
  HotSpot spot;
  spot.heat = 5;
  spot.file_offset = request->file_offset;
  spot.entries = request->entries;
  for (const Stretch& stretch : request->stretches)
    spot.extents.push_back({stretch.offset, static_cast<u32>(stretch.words.size())});
  auto again = file.form_again(heat_key(*request), spot);
  ASSERT_TRUE(again);
  EXPECT_EQ(request_key(*again), request_key(*request));
  EXPECT_EQ(again->heat, 1u);
  EXPECT_FALSE(file.form_again(heat_key(*request) + 1, spot));
  spot.file_offset = bytes_.size() - 8;
  EXPECT_FALSE(file.form_again(heat_key(*request), spot)) << "beyond the file's end";
  spot.file_offset = ~u64{0} - 4;
  EXPECT_FALSE(file.form_again(heat_key(*request), spot));
  put(text, {add + 1});
  spot.file_offset = request->file_offset;
  EXPECT_FALSE(file.form_again(heat_key(*request), spot)) << "other instructions are there now";
}

}  // namespace
}  // namespace ferry::optimizer
