// The baseline as a machine: chaining, polls, precise faults inside blocks, invalidation and flushes under running threads,
// forks. Guest code is assembled from rows of the encodings table into a page at a fixed address.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/translator/guest_code.h"
#include "translator/cache/generation.h"

namespace ferry::test {
namespace {

using translator::Cpu;
using translator::ExitReason;

// Small enough that tests fill it: the constants and a few hundred blocks.
constexpr size_t code_memory = size_t{1} << 20;

class Baseline : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    handle_guest_faults();
    translator::start({.stats = true, .code_memory = code_memory});
  }
};

TEST_F(Baseline, RunsLoopsThroughChainedBlocks) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  guest.cpu.x[1] = 1'000'000;
  EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(1'000'000u, guest.cpu.x[0]);
  EXPECT_EQ(code.at(4), guest.cpu.pc);
}

TEST_F(Baseline, CallsAndReturnsEvenWhenReturnsAreMispredicted) {
  Code code;
  // main: bl f; bl g; svc. f: add x0; ret. g: returns to its caller's caller by a saved link: x5.
  code.add("bl", "imm26=3").add("bl", "imm26=4").add("svc");
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("ret", "rn=30");
  code.add("add_imm", "sf=1 imm12=16 rn=0 rd=0").add("add_imm", "sf=1 imm12=0 rn=5 rd=30").add("ret", "rn=30");
  Guest guest;
  guest.cpu.x[5] = code.at(2);
  for (int i = 0; i < 100; i++) ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(1700u, guest.cpu.x[0]);
  // Deeper than the return stack: recursion by BLR to the same function.
  Code deep;
  deep.add("sub_imm", "sf=1 imm12=1 rn=1 rd=1").add("cbz", "sf=1 imm19=6 rt=1");
  deep.add("sub_imm", "sf=1 imm12=16 rn=31 rd=31")
      .add("str_imm", "size=3 rn=31 rt=30")
      .add("bl", "imm26=-4")
      .add("ldr_imm", "size=3 rn=31 rt=30");
  deep.add("add_imm", "sf=1 imm12=16 rn=31 rd=31").add("ret", "rn=30");
  std::vector<u64> stack(4096);
  Code caller;
  caller.add("blr", "rn=2").add("svc");
  guest.cpu.sp = reinterpret_cast<u64>(stack.data() + stack.size());
  guest.cpu.x[1] = 1000;
  guest.cpu.x[2] = deep.begin();

  EXPECT_EQ(ExitReason::syscall, guest.run(caller.begin()).reason);
  EXPECT_EQ(caller.at(2), guest.cpu.pc);
}

TEST_F(Baseline, FaultsInTheMiddleOfABlockAreExact) {
  Code code;
  code.add("adds_imm", "sf=1 imm12=1 rn=0 rd=0")
      .add("ldr_imm", "size=3 imm12=2 rn=1 rt=2")
      .add("adds_imm", "sf=1 imm12=1 rn=3 rd=3")
      .add("svc");
  Guest guest;
  guest.cpu.x[0] = ~u64{0};
  guest.cpu.x[1] = 0x1000;
  guest.cpu.x[2] = 77;
  guest.cpu.x[3] = 5;
  translator::Exit exit = guest.run(code.begin());
  EXPECT_EQ(ExitReason::fault, exit.reason);
  EXPECT_EQ(SIGSEGV, exit.signal);
  EXPECT_EQ(SEGV_MAPERR, exit.code);
  EXPECT_EQ(0x1010u, exit.address);
  EXPECT_FALSE(exit.write);
  EXPECT_EQ(code.at(1), guest.cpu.pc);
  EXPECT_EQ(0u, guest.cpu.x[0]);
  EXPECT_EQ(77u, guest.cpu.x[2]);
  EXPECT_EQ(5u, guest.cpu.x[3]);
  // The flags of the first ADDS, although the second overwrites them.
  EXPECT_EQ(1, guest.cpu.z);
  EXPECT_EQ(1, guest.cpu.c);
}

TEST_F(Baseline, StoresReportThatTheyWrite) {
  Code code;
  code.add("str_imm", "size=3 rn=1 rt=2").add("svc");
  Guest guest;
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  guest.cpu.x[1] = reinterpret_cast<u64>(page);
  translator::Exit exit = guest.run(code.begin());
  EXPECT_EQ(ExitReason::fault, exit.reason);
  EXPECT_EQ(SEGV_ACCERR, exit.code);
  EXPECT_TRUE(exit.write);
  munmap(page, 4096);
}

TEST_F(Baseline, FetchFaultsNameTheirAddress) {
  Guest guest;
  translator::Exit exit = guest.run(0x1004);
  EXPECT_EQ(ExitReason::fault, exit.reason);
  EXPECT_TRUE(exit.fetch);
  EXPECT_EQ(0x1004u, exit.address);
  exit = guest.run(0x1002);
  EXPECT_EQ(SIGBUS, exit.signal);
  EXPECT_EQ(BUS_ADRALN, exit.code);
}

// What is declared here is taken back at the end, so that other tests run code in plain memory.
TEST_F(Baseline, CodeRunsOnlyWhereItMayBeExecuted) {
  constexpr u64 page = 4096;
  Code code(2 * page);
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("svc");
  GuestAddr first{code.begin()}, second{code.begin() + page}, end{code.begin() + 2 * page};
  Guest guest;
  auto denied = [&] {
    translator::Exit exit = guest.run(code.begin());
    return exit.reason == ExitReason::fault && exit.signal == SIGSEGV && exit.code == SEGV_ACCERR && exit.fetch &&
           exit.address == code.begin();
  };
  EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  translator::set_executable(second, end, true);
  translator::set_executable(first, second, false);
  EXPECT_TRUE(denied());
  translator::set_executable(first, second, true);
  EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  translator::set_executable(first, second, false);
  EXPECT_TRUE(denied());
  EXPECT_EQ(2u, guest.cpu.x[0]);
  translator::set_executable(second, end, false);
  EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
}

TEST_F(Baseline, UndefinedWordsStopAtTheirPc) {
  Code code;
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add_word(0);
  Guest guest;
  translator::Exit exit = guest.run(code.begin());
  EXPECT_EQ(ExitReason::undefined, exit.reason);
  EXPECT_EQ(code.at(1), guest.cpu.pc);
  EXPECT_EQ(1u, guest.cpu.x[0]);
}

TEST_F(Baseline, PollRequestsEndEndlessLoops) {
  Code code;
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("b", "imm26=-1");
  Guest guest;
  std::thread other([&] {
    usleep(20000);
    translator::request_poll(guest.cpu);
  });
  EXPECT_EQ(ExitReason::poll, guest.run(code.begin()).reason);
  EXPECT_GE(guest.cpu.x[0], 1u);
  other.join();
  // A request before run() is not lost either.
  translator::request_poll(guest.cpu);
  EXPECT_EQ(ExitReason::poll, guest.run(code.begin()).reason);
}

TEST_F(Baseline, InvalidatedCodeIsTranslatedAgain) {
  Code code;
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("b", "imm26=1").add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("svc");
  Guest guest;
  for (u32 i = 0; i < 10; i++) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(1 + (i == 0 ? 1 : i * 3), guest.cpu.x[0]);
    code.replace(2, "add_imm", "sf=1 imm12=" + std::to_string((i + 1) * 3) + " rn=0 rd=0");
    code.invalidate(2);
  }
}

// However often it is rewritten: neither the branch cache nor what was linked with any translation leads past all later ones. The first of
// them leads to the latest, and all others to the first.
TEST_F(Baseline, RewrittenCodeIsReachedAtOnce) {
  Code caller, function;
  caller.add("blr", "rn=5").add("svc");
  function.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("ret", "rn=30");
  Guest guest;
  guest.cpu.x[5] = function.begin();
  guest.run(caller.begin());
  auto& generation = *static_cast<cache::Generation*>(guest.cpu.generation);
  u64 first = generation.map.find(function.begin());
  auto leads = [&] { return stencil::patchable_bytes(generation.code.readable(first)); };
  u64 second = 0, second_leads = 0;
  for (u32 i = 2; i < 8; i++) {
    function.replace(0, "add_imm", "sf=1 imm12=" + std::to_string(i) + " rn=0 rd=0");
    function.invalidate(0);
    u64 before = leads();
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(caller.begin()).reason);
    EXPECT_EQ(i, guest.cpu.x[0]);
    EXPECT_NE(before, leads());
    const aarch64::JumpCacheEntry& known = guest.cpu.jump_cache[aarch64::jump_cache_index(function.begin())];
    EXPECT_EQ(function.begin(), known.pc);
    EXPECT_EQ(generation.map.find(function.begin()), reinterpret_cast<u64>(known.code));
    if (i == 2) second = generation.map.find(function.begin());
    u64 bytes = stencil::patchable_bytes(generation.code.readable(second));
    if (i == 3) second_leads = bytes;
    if (i > 3) EXPECT_EQ(second_leads, bytes);
  }
}

TEST_F(Baseline, InvalidatesUnderRunningThreads) {
  Code code;
  // loop: bl f; sub x1; cbnz loop; svc. f: movz-like add of 1 or 2 to x0; ret
  code.add("bl", "imm26=4").add("sub_imm", "sf=1 imm12=1 rn=1 rd=1").add("cbnz", "sf=1 imm19=-2 rt=1").add("svc");
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("ret", "rn=30");
  constexpr u64 iterations = 300'000;
  std::atomic<int> finished = 0;
  std::vector<u64> sums(3);
  std::vector<std::thread> threads;
  for (u64& sum : sums) {
    threads.emplace_back([&] {
      Guest guest;
      guest.cpu.x[1] = iterations;
      EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
      sum = guest.cpu.x[0];
      finished++;
    });
  }
  for (int i = 0; finished != 3; i++) {
    code.replace(4, "add_imm", i % 2 != 0 ? "sf=1 imm12=1 rn=0 rd=0" : "sf=1 imm12=2 rn=0 rd=0");
    code.invalidate(4);
    usleep(200);
  }
  for (std::thread& thread : threads) thread.join();
  for (u64 sum : sums) {
    EXPECT_GE(sum, iterations);
    EXPECT_LE(sum, 2 * iterations);
  }
}

// Many blocks: a chain of `b` to the next word, with an add in each.
void add_long_chain(Code& code, int blocks) {
  for (int i = 0; i < blocks; i++) code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0").add("b", "imm26=1");
  code.add("svc");
}

TEST_F(Baseline, FlushesFullCodeMemoryWhileThreadsRun) {
  constexpr int blocks = 7000;
  Code code(1 << 20);
  add_long_chain(code, blocks);
  u64 flushes = translator::stats().flushes;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&] {
      Guest guest;
      for (u64 round = 1; round <= 6; round++) {
        guest.cpu.x[0] = 0;
        ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
        ASSERT_EQ(u64{blocks}, guest.cpu.x[0]);
        translator::invalidate(GuestAddr{code.begin()}, GuestAddr{code.begin() + 4096});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(translator::stats().flushes, flushes);
}

TEST_F(Baseline, IndirectBranchesThatShareACacheSlotGoWhereTheyShould) {
  // Three of so many targets collide, and take turns through BR: two and all of them, with two ways.
  constexpr u64 size = 64 * aarch64::jump_cache_size * 4;
  Code code(size);
  for (u64 i = 0; i < size / 4; i++) code.add_word(0xd4000001);
  std::vector<u64> targets;
  for (u64 at = 0; at < size - 4 && targets.size() < 3; at += 4) {
    if (aarch64::jump_cache_index(code.begin() + at) == aarch64::jump_cache_index(code.begin())) targets.push_back(at);
  }
  ASSERT_EQ(3u, targets.size());
  for (size_t i = 0; i < 3; i++)
    code.replace(targets[i] / 4, "add_imm", "sf=1 imm12=" + std::to_string(1 << 4 * i) + " rn=0 rd=0");
  Code caller;
  caller.add("br", "rn=2");
  Guest guest;
  for (size_t turns : {2, 3, 2}) {
    guest.cpu.x[0] = 0;
    for (size_t i = 0; i < 5 * turns; i++) {
      guest.cpu.x[2] = code.begin() + targets[i % turns];
      ASSERT_EQ(ExitReason::syscall, guest.run(caller.begin()).reason);
    }
    EXPECT_EQ(turns == 2 ? 0x55u : 0x555u, guest.cpu.x[0]);
  }
}

TEST_F(Baseline, AForkedChildHasCodeMemoryOfItsOwn) {
  Code code;
  add_counting_loop(code);
  Code later;
  later.add("add_imm", "sf=1 imm12=7 rn=0 rd=0").add("svc");
  Guest guest;
  guest.cpu.x[1] = 1000;
  guest.run(code.begin());
  translator::before_fork(guest.cpu);
  pid_t child = fork();
  if (child == 0) {
    translator::after_fork_in_child(guest.cpu);
    // Old translations still run, and new code replaces what the parent translates at the same guest address.
    guest.cpu.x[0] = 0;
    guest.cpu.x[1] = 1000;
    bool good = guest.run(code.begin()).reason == ExitReason::syscall && guest.cpu.x[0] == 1000;
    usleep(50000);
    later.replace(0, "add_imm", "sf=1 imm12=9 rn=0 rd=0");
    guest.cpu.x[0] = 0;
    good = good && guest.run(later.begin()).reason == ExitReason::syscall && guest.cpu.x[0] == 9;
    _exit(good ? 0 : 1);
  }
  translator::after_fork_in_parent(guest.cpu);
  guest.cpu.x[0] = 0;
  guest.run(later.begin());
  EXPECT_EQ(7u, guest.cpu.x[0]);
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  guest.cpu.x[0] = 0;
  guest.run(later.begin());
  EXPECT_EQ(7u, guest.cpu.x[0]);
}

TEST_F(Baseline, WhatForkedChildrenTranslateTheNextOnesFind) {
  Code code;
  code.add("cbz", "sf=1 imm19=2 rt=1").add("svc").add("add_imm", "sf=1 imm12=7 rn=0 rd=0").add("svc");
  Guest guest;
  auto run_child = [&](u64 expected_blocks) {
    int status = guest.in_child([&] {
      u64 before = translator::stats().translated_blocks;
      guest.cpu.x[0] = guest.cpu.x[1] = 0;
      bool good = guest.run(code.begin()).reason == ExitReason::syscall && guest.cpu.x[0] == 7;
      good = good && translator::stats().translated_blocks == before + expected_blocks;
      return good ? 0 : 1;
    });
    EXPECT_EQ(0, status);
  };
  guest.cpu.x[1] = 1;
  guest.run(code.begin());
  run_child(1);
  run_child(0);
  // It is the parent's memory that it is translated from.
  guest.cpu.x[0] = 1;
  guest.cpu.x[1] = 0;
  guest.run(code.begin());
  EXPECT_EQ(8u, guest.cpu.x[0]);
}

// Also where the edge is one of many.
TEST_F(Baseline, WhatForkedChildrenLinkIsLinkedInTheParent) {
  Code code;
  constexpr size_t ways_out = 300;
  for (size_t i = 0; i < ways_out; i++) code.add("cbz", "sf=1 imm19=3 rt=2");
  code.add("cbz", "sf=1 imm19=2 rt=1").add("svc").add("add_imm", "sf=1 imm12=7 rn=0 rd=0").add("svc");
  u64 target = code.begin() + 4 * (ways_out + 2);
  Guest guest;
  guest.cpu.x[1] = guest.cpu.x[2] = 1;
  guest.run(code.begin());
  guest.run(target);  // there now, but nothing has gone there by the edge
  auto& generation = *static_cast<cache::Generation*>(guest.cpu.generation);
  const cache::Edge* edge = nullptr;
  for (size_t i = ways_out; i < generation.edges.size(); i++) {
    if (generation.edges[i].target == target) edge = &generation.edges[i];
  }
  ASSERT_NE(nullptr, edge);
  auto thunk = [&] {
    return stencil::patchable_bytes(generation.code.readable(generation.code.run_base() + edge->thunk));
  };
  u64 unlinked = thunk();
  int status = guest.in_child([&] {
    guest.cpu.x[1] = 0;
    guest.run(code.begin());
    return 0;
  });
  EXPECT_EQ(0, status);
  EXPECT_EQ(unlinked, thunk());
  translator::before_fork(guest.cpu);
  EXPECT_NE(unlinked, thunk());
  translator::after_fork_in_parent(guest.cpu);
}

TEST_F(Baseline, DeadFlagsAreNotComputedButLiveOnesAre) {
  Code code;
  code.add("cmp_imm", "sf=1 imm12=1 rn=0")
      .add("cmp_imm", "sf=1 imm12=5 rn=0")
      .add("b_cond", "cond=0 imm19=2")
      .add("svc");
  code.add("add_imm", "sf=1 imm12=1 rn=1 rd=1").add("svc");
  Guest guest;
  guest.cpu.x[0] = 5;
  guest.run(code.begin());
  EXPECT_EQ(1u, guest.cpu.x[1]);
  EXPECT_EQ(1, guest.cpu.z);
  EXPECT_EQ(1, guest.cpu.c);
}

// A flag setter and a branch on them are one stencil, which leaves the flags lazy; with something between the two they are not.
struct Instruction {
  const char *row, *fields;
};
constexpr Instruction paired_setters[] = {
    {"cmp_imm", "sf=1 imm12=5 rn=0"},
    {"cmp_imm", "sf=0 sh=1 imm12=4095 rn=0"},
    {"cmp_reg", "sf=1 rm=1 rn=0"},
    {"cmp_reg", "sf=0 rm=1 rn=0"},
    {"subs_imm", "sf=0 imm12=1 rn=0 rd=0"},
    {"subs_reg", "sf=1 rm=1 rn=0 rd=1"},
    {"subs_ext", "sf=1 option=6 rm=1 rn=0 rd=2"},
    {"adds_imm", "sf=1 imm12=1 rn=0 rd=2"},
    {"adds_imm", "sf=0 imm12=1 rn=0 rd=2"},
    {"tst_imm", "sf=1 N=1 immr=0 imms=63 rn=0"},
    {"tst_imm", "sf=0 N=0 immr=0 imms=7 rn=0"},
    {"tst_reg", "sf=0 rm=1 rn=0"},
    {"ands_imm", "sf=1 N=1 immr=63 imms=63 rn=0 rd=3"},
};
constexpr u64 compared_values[] = {0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff, u64{1} << 63, ~u64{0} >> 1, ~u64{0}};

// The general registers and the flags after the setter, whatever is between, B.cond to the next instruction, the rest, and SVC.
std::vector<u64> after_setter(Instruction setter, bool apart, u32 cond, std::span<const Instruction> rest, u64 a,
                              u64 b) {
  Code code;
  code.add(setter.row, setter.fields);
  if (apart) code.add("add_imm", "sf=1 imm12=0 rn=9 rd=9");
  code.add("b_cond", "cond=" + std::to_string(cond) + " imm19=1");
  for (auto [row, fields] : rest) code.add(row, fields);
  code.add("svc");
  Guest guest;
  guest.cpu.x[0] = a;
  guest.cpu.x[1] = b;
  guest.cpu.x[5] = 0x1000;
  guest.run(code.begin());
  EXPECT_EQ(0u, guest.cpu.flags_kind);
  std::vector<u64> result(std::begin(guest.cpu.x), std::end(guest.cpu.x));
  for (u8 flag : {guest.cpu.n, guest.cpu.z, guest.cpu.c, guest.cpu.v}) result.push_back(flag);
  return result;
}

TEST_F(Baseline, FlagsThatABranchLeavesLazyAreWhatTheyAre) {
  const std::vector<Instruction> rests[] = {
      {},                                 // who leaves knows them
      {{"ldr_imm", "size=3 rn=5 rt=6"}},  // and who faults
      {{"mrs_nzcv", "rt=10"}},            // the next block reads them
      {{"csinc", "sf=1 rm=0 rn=1 cond=8 rd=10"}, {"csinc", "sf=1 rm=0 rn=1 cond=12 rd=11"}},  // more than once
      {{"adcs", "sf=1 rm=1 rn=0 rd=10"}, {"mrs_nzcv", "rt=11"}},                              // reads and sets them
      {{"b_cond", "cond=2 imm19=1"}, {"b_cond", "cond=11 imm19=2"}, {"add_imm", "sf=1 imm12=1 rn=10 rd=10"}},
      {{"adds_imm", "sf=0 imm12=7 rn=1 rd=10"}},  // sets others
      {{"adds_imm", "sf=1 imm12=7 rn=1 rd=10"}, {"ldr_imm", "size=3 rn=5 rt=6"}},
      {{"cmp_reg", "sf=1 rm=0 rn=1"}, {"b_cond", "cond=3 imm19=1"}, {"mrs_nzcv", "rt=10"}},  // lazy once more
      {{"cmp_reg", "sf=1 rm=0 rn=1"}, {"csinc", "sf=1 rm=0 rn=1 cond=10 rd=10"}},
  };
  for (const Instruction& setter : paired_setters) {
    for (size_t i = 0; i < std::size(rests); i++) {
      for (u64 a : compared_values) {
        u64 b = compared_values[(a + i) % std::size(compared_values)];
        u32 cond = static_cast<u32>((a + 3 * i) % 14);
        ASSERT_EQ(after_setter(setter, true, cond, rests[i], a, b), after_setter(setter, false, cond, rests[i], a, b))
            << setter.row << " " << setter.fields << ", rest " << i << ", of " << a << " and " << b << ", condition "
            << cond;
      }
    }
  }
}

TEST_F(Baseline, PrintsWhatTranslationCosts) {
  Code code(1 << 18);
  add_long_chain(code, 2000);
  Guest guest;
  translator::Stats before = translator::stats();
  guest.run(code.begin());
  translator::Stats after = translator::stats();
  u64 instructions = after.translated_instructions - before.translated_instructions;
  ASSERT_GE(instructions, 4000u);
  printf("%.1f ns a guest instruction in blocks of two\n",
         static_cast<double>(after.translate_ns - before.translate_ns) / static_cast<double>(instructions));
}

}  // namespace
}  // namespace ferry::test
