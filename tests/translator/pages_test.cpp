// Pages whose translation is kept: their code, moved, is what translating would have made there, for every instruction; guests run it
// where their memory holds its words, and only there.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/guest_store.h"
#include "translator/baseline/baseline.h"
#include "translator/baseline/pages.h"
#include "translator/state.h"

namespace ferry::test {
namespace {

using cache::Generation;
using optimizer::KeptPage;
using translator::ExitReason;

constexpr u64 no_program = 0;

bool never_waits(u64, std::span<const u32>) { return false; }
bool never_waits_by_key(u64, u64) { return false; }

const u32* words_of(const Code& code) { return reinterpret_cast<const u32*>(code.begin()); }

class Pages : public GuestStore {
 protected:
  void SetUp() override {
    if (!stencil::code_can_move) GTEST_SKIP() << "code for this host is not kept";
  }

  static void keep(const Code& code, std::span<const u16> blocks) {
    std::vector<u8> page = baseline::make_page(words_of(code), blocks);
    ASSERT_TRUE(writer.add_page(optimizer::page_key({words_of(code), optimizer::page_words}, no_program), page));
  }
  static u64 loaded() { return translator::stats().loaded_pages; }
  static u64 translated() { return translator::stats().translated_instructions; }
};

// The code of the page at `address` when it is translated there, behind `used` bytes of others.
std::vector<u8> translated_there(const KeptPage& page, u64 address, size_t used, Generation& generation) {
  generation.used = used;
  for (const optimizer::KeptBlock& block : page.blocks)
    baseline::translate(generation, GuestAddr{address + 4 * u64{block.word}}, never_waits);
  for (size_t i = 0; i < generation.edges.size(); i++)
    if (u64 code = generation.map.find(generation.edges[i].target))
      baseline::link(generation, generation.edges[i], code, true);
  const u8* code = generation.code.readable(generation.code.run_base() + used);
  return {code, code + (generation.used - used)};
}

TEST_F(Pages, MovedCodeIsWhatTranslatingMakes) {
  CaseGenerator generator(from_environment("FERRY_TEST_SEED", 1));
  std::vector<u32> words;
  for (const aarch64::Row& row : aarch64::rows) {
    for (u32 variant = 0; variant < 1u << row.pattern.variant_bits; variant++) {
      if (!row.pattern.variant_allowed(variant)) continue;
      for (int i = 0; i < 2; i++) words.push_back(generator.word(row, variant));
    }
  }
  // Of the longest stencils no more fit.
  constexpr size_t page_part = 100;
  size_t compared = 0;
  for (size_t first = 0; first < words.size(); first += page_part) {
    Code here, there;
    for (size_t i = first; i < std::min(words.size(), first + page_part); i++) {
      here.add_word(words[i]);
      there.add_word(words[i]);
    }
    // Every third word begins a block, so that they overlap and branches meet some.
    std::vector<u16> blocks;
    for (size_t i = 0; i < here.count(); i += 3) blocks.push_back(static_cast<u16>(i));
    std::vector<u8> bytes = baseline::make_page(words_of(here), blocks);
    auto page = optimizer::read_page(bytes);
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->blocks.size(), blocks.size());

    Generation placed(size_t{8} << 20), direct(size_t{8} << 20);
    placed.used += 640;
    size_t used = placed.used;
    ASSERT_TRUE(baseline::place_page(placed, *page, there.begin(), never_waits_by_key));
    std::vector<u8> expected = translated_there(*page, there.begin(), used, direct);
    ASSERT_EQ(placed.used, direct.used);
    const u8* code = placed.code.readable(placed.code.run_base() + used);
    for (const optimizer::KeptBlock& block : page->blocks)
      ASSERT_EQ(0, memcmp(code + block.begin, expected.data() + block.begin, block.end - block.begin))
          << "the block of " << std::hex << words[first + block.word];
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), code)) << "what is between blocks";
    // What is known of the code, too.
    ASSERT_EQ(placed.blocks.size(), direct.blocks.size());
    for (size_t i = 0; i < direct.blocks.size(); i++) {
      EXPECT_EQ(placed.map.find(direct.blocks[i].pc) - placed.code.run_base(),
                direct.map.find(direct.blocks[i].pc) - direct.code.run_base());
      for (u32 at = 0; at < direct.blocks[i].end - direct.blocks[i].entry; at += 5) {
        u64 offset = direct.blocks[i].entry + at;
        EXPECT_EQ(placed.locate(placed.code.run_base() + offset), direct.locate(direct.code.run_base() + offset));
      }
    }
    compared += page->blocks.size();
  }
  EXPECT_GT(compared, 1000u);
}

// Counts x1 down in a loop that calls a function; x3 is an address on the page, x4 a word of it, x5 where the function was called from.
void add_program(Code& code) {
  code.add("adr", "immhi=0 rd=3");
  code.add("ldr_lit", "x=1 imm19=11 rt=4");
  code.add("add_imm", "sf=1 imm12=0 rn=30 rd=9");
  code.add("bl", "imm26=5");
  code.add("subs_imm", "sf=1 imm12=1 rn=1 rd=1")
      .add("b_cond", "cond=1 imm19=-2")
      .add("ldr_imm", "size=3 rn=2 rt=6")
      .add("svc");
  code.add("add_imm", "sf=1 imm12=3 rn=0 rd=0").add("add_imm", "sf=1 imm12=0 rn=30 rd=5").add("ret", "rn=30");
  while (code.count() < 12) code.add("hint_0");
  code.add_word(0x12345678).add_word(0x9abcdef0);
}
constexpr u16 program_blocks[] = {0, 3, 4, 6, 8};

void run_program(const Code& code, u64 sum = 300) {
  Guest guest;
  u64 value = 77;
  guest.cpu.x[1] = 100;
  guest.cpu.x[2] = reinterpret_cast<u64>(&value);
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(sum, guest.cpu.x[0]);
  EXPECT_EQ(code.begin(), guest.cpu.x[3]);
  EXPECT_EQ(0x9abcdef012345678, guest.cpu.x[4]);
  EXPECT_EQ(code.at(4), guest.cpu.x[5]);
  EXPECT_EQ(77u, guest.cpu.x[6]);
}

TEST_F(Pages, RunWhereverTheyAreMapped) {
  Code code;
  add_program(code);
  keep(code, program_blocks);
  u64 before = loaded(), translated_before = translated();
  run_program(code);
  EXPECT_EQ(before + 1, loaded());
  {
    Code elsewhere;
    add_program(elsewhere);
    run_program(elsewhere);
    EXPECT_EQ(before + 2, loaded());
    // Away with its code, and back with it.
    elsewhere.invalidate(0);
    run_program(elsewhere);
    EXPECT_EQ(before + 3, loaded());
  }
  EXPECT_EQ(translated_before, translated());
}

TEST_F(Pages, WhatTheyLackIsTranslated) {
  Code code;
  add_program(code);
  code.add("hint_0");  // a page of its own
  keep(code, std::span{program_blocks}.first(2));
  u64 before = loaded(), translated_before = translated();
  run_program(code);
  EXPECT_EQ(before + 1, loaded());
  EXPECT_LT(translated_before, translated());
}

TEST_F(Pages, FaultsAreExact) {
  Code code;
  add_program(code);
  code.add("hint_0").add("hint_0");
  keep(code, program_blocks);
  u64 before = loaded();
  Guest guest;
  guest.cpu.x[1] = 1;
  guest.cpu.x[2] = 16;
  translator::Exit exit = guest.run(code.begin());
  ASSERT_EQ(ExitReason::fault, exit.reason);
  EXPECT_EQ(16u, exit.address);
  EXPECT_EQ(code.at(6), guest.cpu.pc);
  EXPECT_EQ(1, guest.cpu.z);
  EXPECT_EQ(before + 1, loaded());
}

TEST_F(Pages, AreLeftThereWhereTheCodeIsAnother) {
  Code code;
  add_program(code);
  code.add("hint_0").add("hint_0").add("hint_0");
  keep(code, program_blocks);
  code.replace(8, "add_imm", "sf=1 imm12=4 rn=0 rd=0");
  u64 before = loaded();
  run_program(code, 400);
  EXPECT_EQ(before, loaded());
  // Of the same key, as if hashes met.
  std::vector<u8> wrong;
  {
    Code other;
    add_program(other);
    wrong = baseline::make_page(words_of(other), program_blocks);
  }
  ASSERT_TRUE(writer.add_page(optimizer::page_key({words_of(code), optimizer::page_words}, no_program), wrong));
  code.invalidate(0);
  run_program(code, 400);
  EXPECT_EQ(before, loaded());
}

TEST_F(Pages, ReadingThemChecksEveryByte) {
  Code code;
  add_program(code);
  std::vector<u8> bytes = baseline::make_page(words_of(code), program_blocks);
  auto page = optimizer::read_page(bytes);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(optimizer::write_page(*page), bytes);
  for (size_t size = 0; size < bytes.size(); size++)
    EXPECT_FALSE(optimizer::read_page({bytes.data(), size}).has_value()) << size;
  // Whatever is read of altered ones stays within what there is: ASan and the checks in placing it watch.
  for (size_t at = 0; at < bytes.size(); at++) {
    std::vector<u8> altered = bytes;
    altered[at] ^= static_cast<u8>(1 << at % 8);
    auto read = optimizer::read_page(altered);
    if (!read) continue;
    EXPECT_EQ(optimizer::write_page(*read).size(), bytes.size());
    Generation one(size_t{1} << 20);
    baseline::place_page(one, *read, code.begin(), never_waits_by_key);
  }
}

// A page that fits and leaves no room for what it lacks is not put in place. The last: it fills code memory.
TEST_F(Pages, LeaveRoomForWhatTheyLack) {
  Code code;
  while (code.count() < 1000) code.add("ldr_imm", "size=3 rn=2 rt=6");
  code.add("svc");
  std::vector<u16> blocks(300);
  std::iota(blocks.begin(), blocks.end(), u16{0});
  keep(code, blocks);
  Generation& generation = *translator::current.load();
  size_t page = optimizer::read_page(baseline::make_page(words_of(code), blocks))->code.size();
  generation.used = (generation.code.size() - page - 128) & ~size_t{63};
  u64 before = loaded(), value = 77;
  Guest guest;
  guest.cpu.x[2] = reinterpret_cast<u64>(&value);
  EXPECT_EQ(ExitReason::syscall, guest.run(code.at(940)).reason);
  EXPECT_EQ(77u, guest.cpu.x[6]);
  EXPECT_EQ(before, loaded());
}

}  // namespace
}  // namespace ferry::test
