// What forked processes share of code memory stays as it is in each of them while the other writes; where it and the tables are.
#include "translator/cache/code_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "translator/cache/block_map.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {
namespace {

constexpr size_t size = 4 << 20, used = 1 << 20, step = 4096, pages = used / step;

// The first bytes of every page as they should be.
struct Contents {
  u64 words[pages];

  void write(CodeMemory& memory, size_t page, u64 word) {
    words[page] = word;
    memcpy(memory.writable(memory.run_base() + page * step), &word, sizeof word);
  }
  bool are_in(const CodeMemory& memory) const {
    for (size_t page = 0; page < pages; page++) {
      if (memcmp(memory.readable(memory.run_base() + page * step), &words[page], sizeof words[page]) != 0) return false;
    }
    return true;
  }
};

void fill(CodeMemory& memory, Contents& contents) {
  for (size_t page = 0; page < pages; page++) contents.write(memory, page, page + 1);
}

class CodeMemoryViews : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(CodeMemory, CodeMemoryViews, testing::Values(false, true),
                         [](const auto& test) { return std::string(test.param ? "two_views" : "one_view"); });

TEST_P(CodeMemoryViews, WhatAChildWritesIsItsOwn) {
  CodeMemory memory(size, GetParam());
  Contents contents;
  fill(memory, contents);
  ASSERT_EQ(used, memory.share(used));
  pid_t child = fork();
  if (child == 0) {
    memory.after_fork_in_child();
    contents.write(memory, 7, 1000);
    u64 run = memory.run_base() + used;
    memset(memory.writable(run), 1, step);
    usleep(20000);
    _exit(contents.are_in(memory) && *memory.readable(run) == 1 ? 0 : 1);
  }
  contents.write(memory, 7, 2000);
  contents.write(memory, 9, 2000);
  u64 run = memory.run_base() + used;
  memset(memory.writable(run), 2, step);
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(contents.are_in(memory));
  EXPECT_EQ(2, *memory.readable(run));
}

TEST_P(CodeMemoryViews, WritingAcrossPiecesMakesBothOwn) {
  CodeMemory memory(size, GetParam());
  Contents contents;
  fill(memory, contents);
  memory.share(used);
  pid_t child = fork();
  if (child == 0) {
    memory.after_fork_in_child();
    usleep(20000);
    _exit(contents.are_in(memory) ? 0 : 1);
  }
  for (size_t at = step; at < used; at += step)
    memset(memory.writable(memory.run_base() + at - 2), 0xff, CodeMemory::most_written);
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(CodeMemory, IsMappedAnewAfterManyForks) {
  CodeMemory memory(size, true);
  Contents contents;
  fill(memory, contents);
  for (u64 i = 0; i < 40; i++) {
    memory.share(used);
    for (size_t page = i % 3; page < pages; page += 5) contents.write(memory, page, i << 32 | page);
    ASSERT_TRUE(contents.are_in(memory)) << i;
  }
}

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
