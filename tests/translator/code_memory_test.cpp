// What forked processes share of code memory stays as it is in each of them while the other writes.
#include "translator/cache/code_memory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

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
  ChunkMemory tables;
  CodeMemory memory(size, tables, GetParam());
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
  ChunkMemory tables;
  CodeMemory memory(size, tables, GetParam());
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
  ChunkMemory tables;
  CodeMemory memory(size, tables, true);
  Contents contents;
  fill(memory, contents);
  for (u64 i = 0; i < 40; i++) {
    memory.share(used);
    for (size_t page = i % 3; page < pages; page += 5) contents.write(memory, page, i << 32 | page);
    ASSERT_TRUE(contents.are_in(memory)) << i;
  }
}

}  // namespace
}  // namespace ferry::cache
