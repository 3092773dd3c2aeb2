// What becomes of a hot block: loops whole and entered at their head, what they call, ways that are taken, nothing that has not run.
// And when a block is hot.
#include "translator/optimizer/form.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "translator/aarch64/decode.h"
#include "translator/optimizer/heat.h"

namespace ferry::optimizer {
namespace {

constexpr u64 begin = 0x7000'1000, page_size = 4096;

// Instructions from `begin` on, all of which have run but those that are taken out.
class Program : public Code {
 public:
  Program& add(const char* row, std::string_view fields = "") {
    auto word = aarch64::assemble(*aarch64::row_named(row), fields);
    EXPECT_TRUE(word.has_value()) << row << " " << fields;
    words_.push_back(word.value_or(0));
    return *this;
  }
  Program& add_many(size_t count) {
    for (size_t i = 0; i < count; i++) add("add_imm", "sf=1 imm12=1 rn=0 rd=0");
    return *this;
  }
  u64 at(size_t index) const { return begin + 4 * index; }
  size_t count() const { return words_.size(); }

  bool word_at(u64 pc, u32& word) override {
    if (pc < begin || pc >= at(words_.size()) || not_run.contains(pc)) return false;
    word = words_[(pc - begin) / 4];
    return true;
  }
  u32 regions_at(u64 pc) const override { return regions.contains(pc) ? regions.at(pc) : 0; }
  bool is_region_entry(u64 pc) const override { return region_entries.contains(pc); }

  std::set<u64> not_run, region_entries;
  std::map<u64, u32> regions;

 private:
  std::vector<u32> words_;
};

struct Former {
  Program& program;
  BranchProfile branches{};
  u32 refusals = 0;
  bool is_start = false;
  Mapping mapping{
      .begin = begin, .end = begin + 16 * page_size, .file = "/bin/program", .offset = 0x3000, .unchanging = true};

  // The indices of the instructions of the region around the hot one; empty when there is none. Requests must be fit to be sent.
  std::set<size_t> form(size_t hot) {
    request = optimizer::form({program, branches, mapping, program.at(hot), 7, refusals, is_start});
    std::set<size_t> result;
    if (!request) return result;
    EXPECT_TRUE(read_request(write_request(*request)).has_value());
    for (const Stretch& stretch : request->stretches) {
      for (size_t i = 0; i < stretch.words.size(); i++)
        result.insert((request->base + stretch.offset + 4 * i - begin) / 4);
    }
    return result;
  }
  std::vector<size_t> entries() const {
    std::vector<size_t> result;
    for (u32 entry : request->entries) result.push_back((request->base + entry - begin) / 4);
    return result;
  }
  void saw(size_t site, size_t target, int times) {
    for (int i = 0; i < times; i++) branches.add(program.at(site), program.at(target));
  }

  std::optional<Request> request{};
};

using Indices = std::set<size_t>;
using Entries = std::vector<size_t>;

// 0: before; 1: outer head; 2, 3: inner loop; 4, 5: rest of the outer one; 6: behind both; 7: SVC.
void add_nested_loops(Program& program) {
  program.add_many(3)
      .add("cbnz", "sf=1 imm19=-1 rt=1")
      .add_many(1)
      .add("cbnz", "sf=1 imm19=-4 rt=2")
      .add_many(1)
      .add("svc");
}

TEST(Form, TakesLoopsWholeAndEntersThemAtTheInnermostHead) {
  Program program;
  add_nested_loops(program);
  Former former{program};
  EXPECT_EQ((Indices{1, 2, 3, 4, 5}), former.form(3));
  EXPECT_EQ(Entries{2}, former.entries());
  EXPECT_EQ((Indices{1, 2, 3, 4, 5}), former.form(4));
  EXPECT_EQ(Entries{1}, former.entries());
}

TEST(Form, SaysWhereTheCodeIs) {
  Program program;
  add_nested_loops(program);
  Former former{program};
  former.form(2);
  EXPECT_EQ(begin, former.request->base);
  EXPECT_TRUE(former.request->storable);
  EXPECT_EQ("/bin/program", former.request->file);
  EXPECT_EQ(0x3000u, former.request->file_offset);
  EXPECT_EQ(7u, former.request->heat);
}

TEST(Form, LeavesOutWaysThatAreHardlyEverTaken) {
  Program program;
  add_nested_loops(program);
  Former former{program};
  former.saw(3, 2, 20);
  EXPECT_EQ((Indices{2, 3}), former.form(2));
  // One that was seen is kept, and so are both ways of a branch of which little is known.
  former.saw(3, 4, 1);
  EXPECT_EQ((Indices{1, 2, 3, 4, 5}), former.form(2));
  Former scarce{program};
  scarce.saw(3, 2, 2);
  EXPECT_EQ((Indices{1, 2, 3, 4, 5}), scarce.form(2));
}

TEST(Form, EntersALoopAtTheHotBlockWhereItsHeadHasARegion) {
  Program program;
  add_nested_loops(program);
  program.region_entries = {program.at(2), program.at(1)};
  Former former{program};
  former.form(4);
  EXPECT_EQ(Entries{4}, former.entries());
}

// A loop that is entered in two places has no head that all ways pass.
TEST(Form, EntersALoopWithoutAHeadAtTheHotBlock) {
  Program program;
  // 0: cbnz 3; 1: add; 2: cbnz 4 (into the middle); 3: add; 4: add; 5: cbnz 0; 6: cbnz 3; 7: svc
  program.add("cbnz", "sf=1 imm19=3 rt=1").add_many(1).add("cbnz", "sf=1 imm19=2 rt=1").add_many(2);
  program.add("cbnz", "sf=1 imm19=-5 rt=2").add("cbnz", "sf=1 imm19=-3 rt=3").add("svc");
  Former former{program};
  EXPECT_EQ((Indices{0, 1, 2, 3, 4, 5, 6}), former.form(1));
  EXPECT_EQ(Entries{0}, former.entries());
  former.form(4);
  EXPECT_EQ(Entries{4}, former.entries());
}

TEST(Form, TakesCodeWithoutALoopUpToWhereItLeaves) {
  Program program;
  program.add_many(5).add("svc").add_many(5);
  Former former{program};
  EXPECT_EQ((Indices{0, 1, 2, 3, 4, 5}), former.form(2));  // the SVC ends it and is what it is known by
  EXPECT_EQ(Entries{0}, former.entries());
  // A region from the beginning on is there and has not helped.
  program.region_entries = {program.at(0)};
  EXPECT_EQ((Indices{2, 3, 4, 5}), former.form(2));
  EXPECT_EQ(Entries{2}, former.entries());
}

TEST(Form, TakesSmallFunctionsWhole) {
  for (size_t size : {size_t{20}, size_t{400}}) {
    Program program;
    // Another function, which ends by going to this one: that is no way within it. Then padding, which has not run.
    program.add_many(3).add("b", "imm26=2").add("hint_0");
    size_t start = program.count(), choice = start + 1;
    program.not_run = {program.at(start - 1)};
    // Two ways, which meet: cbnz to the second; the first; b; the second; ret.
    program.add_many(1).add("cbnz", "sf=1 imm19=" + std::to_string(size + 2) + " rt=0").add_many(size);
    program.add("b", "imm26=3").add_many(2).add("ret", "rn=30");
    size_t hot = choice + 1, all = program.count() - start;
    Former former{program};
    if (size == 20) {
      EXPECT_EQ(all, former.form(hot).size());
      EXPECT_EQ(Entries{start}, former.entries());
      EXPECT_EQ(all, former.form(program.count() - 1).size());
      EXPECT_EQ(Entries{start}, former.entries());
    } else {
      EXPECT_EQ(250u, former.form(hot).size());
      EXPECT_EQ(Entries{hot}, former.entries());
    }
    former.is_start = true;
    former.form(hot);
    EXPECT_EQ(Entries{hot}, former.entries());
  }
}

TEST(Form, LeavesBlocksOfManyRegionsToThoseOnlyInPartsOfFunctions) {
  Program program;
  program.add_many(300).add("cbz", "sf=1 imm19=2 rt=0").add_many(5).add("ret", "rn=30");
  for (size_t i = 0; i < program.count(); i++) program.regions[program.at(i)] = 3;
  Former former{program};
  EXPECT_EQ(1u, former.form(300).size());
  // A loop is whole all the same.
  Program loop;
  loop.add_many(2).add("cbz", "sf=1 imm19=2 rt=0").add_many(1).add("cbnz", "sf=1 imm19=-4 rt=1").add("ret", "rn=30");
  for (size_t i = 0; i < loop.count(); i++) loop.regions[loop.at(i)] = 3;
  EXPECT_EQ((Indices{0, 1, 2, 3, 4}), Former{loop}.form(3));
}

TEST(Form, LeavesLongCalleesThatHaveRegionsToThose) {
  for (size_t size : {size_t{20}, size_t{100}}) {
    Program program;
    program.add("bl", "imm26=3").add("cbnz", "sf=1 imm19=-1 rt=1").add("svc").add_many(size).add("ret", "rn=30");
    Former former{program};
    EXPECT_EQ(2 + size + 1, former.form(0).size());
    program.region_entries = {program.at(3)};
    EXPECT_EQ(size == 20 ? 2 + size + 1 : 2, former.form(0).size());
  }
}

TEST(Form, TakesALongLoopWholeWhereItsBlocksAreLong) {
  Program unrolled;
  unrolled.add_many(2000).add("cbnz", "sf=1 imm19=-2000 rt=1");
  EXPECT_EQ(2001u, Former{unrolled}.form(1000).size());
  Program branching;
  for (int i = 0; i < 400; i++) branching.add_many(4).add("cbnz", "sf=1 imm19=1 rt=1");
  branching.add("cbnz", "sf=1 imm19=-2000 rt=1");
  EXPECT_GE(250u, Former{branching}.form(1000).size());
}

TEST(Form, TakesNothingThatHasNotRun) {
  Program program;
  add_nested_loops(program);
  program.not_run = {program.at(4)};
  Former former{program};
  EXPECT_EQ((Indices{2, 3}), former.form(2));
  program.not_run = {program.at(2)};
  EXPECT_TRUE(former.form(2).empty());
}

TEST(Form, TakesWhatLoopsCallIfItIsNotLarge) {
  for (size_t size : {size_t{10}, size_t{400}}) {
    Program program;
    // 0: bl 3; 1: cbnz 0; 2: svc; 3: the function
    program.add("bl", "imm26=3").add("cbnz", "sf=1 imm19=-1 rt=1").add("svc").add_many(size).add("ret", "rn=30");
    Former former{program};
    EXPECT_EQ(size == 10 ? 2 + size + 1 : 2, former.form(0).size()) << size;
    EXPECT_EQ(Entries{0}, former.entries());
  }
}

TEST(Form, EntersRecursiveFunctionsAtTheirBeginningToo) {
  Program program;
  // 0: cbz 4; 1: sub; 2: bl 0; 3: add; 4: ret
  program.add("cbz", "sf=1 imm19=4 rt=0").add_many(1).add("bl", "imm26=-2").add_many(1).add("ret", "rn=30");
  Former former{program};
  EXPECT_EQ((Indices{0, 1, 2, 3, 4}), former.form(1));
  EXPECT_EQ(Entries{0}, former.entries());
  program.region_entries = {program.at(0)};
  EXPECT_EQ((Indices{0, 1, 2, 3, 4}), former.form(1));
  EXPECT_EQ((Entries{1, 0}), former.entries());
}

TEST(Form, FollowsIndirectBranchesToWhereTheyWent) {
  Program program;
  // 0: br; 1, 2: one target, back to 0; 3, 4: another; 5: one that was never seen
  program.add("br", "rn=1").add_many(1).add("b", "imm26=-2").add_many(1).add("b", "imm26=-4").add_many(1);
  Former former{program};
  EXPECT_EQ(Indices{0}, former.form(0));
  former.saw(0, 1, 3);
  former.saw(0, 3, 1);
  EXPECT_EQ((Indices{0, 1, 2, 3, 4}), former.form(0));
  ASSERT_EQ(2u, former.request->indirect_targets.size());
  EXPECT_EQ(0u, former.request->indirect_targets[0].site);
  EXPECT_EQ(4u, former.request->indirect_targets[0].target);
  EXPECT_EQ(12u, former.request->indirect_targets[1].target);
}

TEST(Form, StaysInTheMapping) {
  Program program;
  program.add_many(2000).add("svc");
  Former former{program};
  former.mapping.end = begin + 64;
  EXPECT_EQ(16u, former.form(4).size());
  former.mapping.end = begin;
  EXPECT_TRUE(former.form(4).empty());
}

TEST(Form, TriesSomethingSmallerAfterARefusal) {
  Program program;
  program.add_many(600).add("cbnz", "sf=1 imm19=-600 rt=1").add("svc");
  Former former{program};
  EXPECT_EQ(601u, former.form(0).size());
  size_t before = 601;
  for (former.refusals = 1; former.refusals < 3; former.refusals++) {
    size_t size = former.form(0).size();
    EXPECT_LT(size, before);
    EXPECT_GT(size, 0u);
    before = size;
  }
}

constexpr u64 block = 0x1000;
u32 no_regions(u64) { return 0; }

TEST(Heat, GrowsFromColdOverWarmToHot) {
  Heat heat;
  std::vector<Heat::Verdict> verdicts;
  verdicts.reserve(hot_samples);
  for (u32 i = 0; i < hot_samples; i++) verdicts.push_back(heat.sample(block, no_regions));
  EXPECT_EQ(Heat::Verdict::cold, verdicts.front());
  EXPECT_EQ(Heat::Verdict::warm, verdicts[hot_samples - 2]);
  EXPECT_EQ(Heat::Verdict::hot, verdicts.back());
  EXPECT_TRUE(std::ranges::is_sorted(verdicts));
  for (u32 i = 0; i < 10 * hot_samples; i++) EXPECT_EQ(Heat::Verdict::cold, heat.sample(block, no_regions));
}

u32 samples_until_hot(Heat& heat, u32 regions) {
  for (u32 count = 1;; count++) {
    if (heat.sample(block, [&](u64) { return regions; }) == Heat::Verdict::hot) return count;
  }
}

TEST(Heat, AsksLessOftenForWhatComesUpAgain) {
  Heat heat;
  EXPECT_EQ(hot_samples, samples_until_hot(heat, 0));
  heat.settle(block);
  EXPECT_EQ(2 * hot_samples, samples_until_hot(heat, 0));
  heat.settle(block);
  EXPECT_EQ(16 * hot_samples, samples_until_hot(heat, 2));
}

TEST(Heat, GivesUpAfterThreeRefusals) {
  Heat heat;
  for (u32 i = 0; i < 3; i++) {
    EXPECT_EQ(i, heat.refusals(block));
    EXPECT_EQ(hot_samples, samples_until_hot(heat, 0));
    heat.refuse(block);
  }
  for (u32 i = 0; i < 100 * hot_samples; i++) EXPECT_EQ(Heat::Verdict::cold, heat.sample(block, no_regions));
}

TEST(Heat, SamplesLessOftenOnceThereAreMany) {
  Heat heat;
  for (u32 i = 0; i < fine_samples; i++) {
    EXPECT_EQ(1u, heat.factor());
    heat.sample(0x10000 + 4 * i, no_regions);
  }
  EXPECT_EQ(coarse_factor, heat.factor());
  heat.clear();
  EXPECT_EQ(1u, heat.factor());
}

TEST(Heat, TellsTheWarmestOfManyBlocks) {
  Heat heat;
  for (u32 i = 0; i < 10000; i++) heat.sample(0x10000 + 4 * i, no_regions);
  for (u32 i = 0; i < 9; i++) heat.sample(block, no_regions);
  for (u32 i = 0; i < 5; i++) heat.sample(block + 4, no_regions);
  std::vector<Heat::Warm> warm = heat.warm(2, 4);
  ASSERT_EQ(2u, warm.size());
  EXPECT_EQ(block, warm[0].pc);
  EXPECT_EQ(9u, warm[0].samples);
  EXPECT_EQ(block + 4, warm[1].pc);
  EXPECT_EQ(1u, heat.warm(2, 1).size());
  heat.clear();
  EXPECT_TRUE(heat.warm(1, 100).empty());
}

}  // namespace
}  // namespace ferry::optimizer
