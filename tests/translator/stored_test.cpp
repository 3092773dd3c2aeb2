// Regions of the store in a guest's process: they come where a block is visited often or runs long, and only where the guest's code is
// theirs.

#include <fcntl.h>

#include "tests/translator/guest_store.h"
#include "translator/baseline/pages.h"
#include "translator/optimizer/compile.h"

namespace ferry::test {
namespace {

using translator::ExitReason;

class Stored : public GuestStore {
 protected:
  // Compiles what has run around pc and puts it into the store.
  static void store(u64 pc) {
    static optimizer::Compiler compiler;
    static u64 number = 0;
    auto request = translator::form_region(pc);
    ASSERT_TRUE(request.has_value());
    std::string why;
    auto region = compiler.compile(*request, why);
    ASSERT_TRUE(region.has_value()) << why;
    ASSERT_TRUE(writer.add(++number, 1, write_region(*region), entry_keys(*region)));
  }
  static void store_function(Code& code, Guest& guest);
  static u64 loaded() { return translator::stats().loaded_regions; }
};

// A function of `count` additions of `addend` to x0 behind its caller.
void add_function(Code& code, size_t count, u32 addend) {
  code.add("bl", "imm26=2").add("svc");
  for (size_t i = 0; i < count; i++) code.add("add_imm", "sf=1 rn=0 rd=0 imm12=" + std::to_string(addend));
  code.add("ret", "rn=30");
}

// A function that adds 36, with its region in the store and nothing of it translated.
void Stored::store_function(Code& code, Guest& guest) {
  add_function(code, 12, 3);
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  store(code.at(2));
  code.invalidate(0);
}

// A region is also entered where a call that it makes returns to: it is not to be found by that.
TEST_F(Stored, AreFoundWhereTheyCall) {
  Code code;
  code.add("bl", "imm26=4");
  code.add("svc").add("hint_0").add("hint_0");
  code.add("add_imm", "sf=1 imm12=0 rn=30 rd=9").add("movz", "sf=1 imm16=3 rd=1");
  code.add("bl", "imm26=5");
  code.add("sub_imm", "sf=1 imm12=1 rn=1 rd=1").add("cbnz", "sf=1 imm19=-2 rt=1").add("ret", "rn=9").add("hint_0");
  code.add("add_imm", "sf=1 imm12=7 rn=0 rd=0").add("ret", "rn=30");
  Guest guest;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  ASSERT_EQ(21u, guest.cpu.x[0]);
  store(code.at(4));
  code.invalidate(0);
  u64 before = loaded();
  for (int i = 0; i < 100; i++) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(21u, guest.cpu.x[0]);
  }
  EXPECT_LT(before, loaded());
}

// Requests say where the code comes from, as it is now: from memory, from a file, from a file's mapping that may change.
TEST_F(Stored, RequestsKnowWhereTheirCodeComesFromNow) {
  Code code;
  add_function(code, 12, 3);
  Guest guest;
  std::string path = testing::TempDir() + "ferry-code-" + std::to_string(getpid());
  int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(ssize_t{4096}, ::write(file, reinterpret_cast<void*>(code.begin()), 4096));
  GuestAddr begin{code.begin()}, end{code.begin() + 4096};
  auto map = [&](int protection, int flags, int fd) {
    void* page = mmap(reinterpret_cast<void*>(code.begin()), 4096, protection, MAP_FIXED | flags, fd, 0);
    ASSERT_EQ(page, reinterpret_cast<void*>(code.begin()));
    translator::set_executable(begin, end, true);
  };
  auto request = [&] {
    guest.cpu.x[0] = 0;
    EXPECT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    EXPECT_EQ(36u, guest.cpu.x[0]);
    return translator::form_region(code.at(2)).value_or(optimizer::Request{});
  };
  EXPECT_EQ("", request().file);
  map(PROT_READ, MAP_PRIVATE, file);
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(path, request().file);
    EXPECT_TRUE(request().storable);
  }
  map(PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
  EXPECT_FALSE(request().storable);
  map(PROT_READ, MAP_PRIVATE, file);
  EXPECT_TRUE(request().storable);
  // Taken away, and back as memory.
  translator::set_executable(begin, end, false);
  void* page = mmap(reinterpret_cast<void*>(code.begin()), 4096, PROT_READ | PROT_WRITE,
                    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_EQ(ssize_t{4096}, pread(file, page, 4096, 0));
  translator::set_executable(begin, end, true);
  EXPECT_EQ("", request().file);
  close(file);
  unlink(path.c_str());
}

TEST_F(Stored, ComeToBlocksThatAreVisitedOften) {
  Code code;
  Guest guest;
  store_function(code, guest);
  u64 before = loaded();
  for (u64 i = 1; i <= 100; i++) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(36u, guest.cpu.x[0]);
    if (i == 3) EXPECT_EQ(before, loaded());
  }
  EXPECT_EQ(before + 1, loaded());
  // Away with its code, and back with it.
  code.invalidate(0);
  for (u64 i = 1; i <= 100; i++) ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(before + 2, loaded());
}

// What forked children visit counts in the parent, which never comes there itself: the later ones find the region in its place.
TEST_F(Stored, ComeToBlocksThatChildrenVisitOften) {
  Code code;
  Guest guest;
  store_function(code, guest);
  u64 before = loaded();
  // In children that come there ten times each: whether it is there from their beginning.
  auto is_there_in_a_child = [&] {
    int status = guest.in_child([&] {
      bool good = true, was_there = loaded() != before;
      for (int i = 0; i < 10; i++) {
        guest.cpu.x[0] = 0;
        good = good && guest.run(code.begin()).reason == ExitReason::syscall && guest.cpu.x[0] == 36;
      }
      return !good ? 2 : was_there ? 1 : 0;
    });
    EXPECT_LT(status, 2);
    return status == 1;
  };
  EXPECT_FALSE(is_there_in_a_child());
  EXPECT_EQ(before, loaded());
  for (int i = 0; i < 5; i++) is_there_in_a_child();
  EXPECT_TRUE(is_there_in_a_child());
  EXPECT_EQ(before + 1, loaded());
}

TEST_F(Stored, ComeToLoopsThatRunLong) {
  Code code;
  add_counting_loop(code);
  Guest guest;
  guest.cpu.x[1] = 3;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  store(code.begin());
  code.invalidate(0);
  u64 before = loaded();
  guest.cpu.x[1] = 3;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(before, loaded());
  guest.cpu.x[0] = 0;
  guest.cpu.x[1] = 1'000'000;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  EXPECT_EQ(1'000'000u, guest.cpu.x[0]);
  EXPECT_EQ(before + 1, loaded());
}

// Others jump to the entries of a kept page, from which regions are kept away for a while.
TEST_F(Stored, ComeToBlocksOfKeptPages) {
  Code code;
  add_counting_loop(code);
  add_function(code, 12, 3);
  Guest guest;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.at(4)).reason);
  store(code.at(6));
  constexpr u16 blocks[] = {0, 4, 5, 6};
  const u32* words = reinterpret_cast<const u32*>(code.begin());
  ASSERT_TRUE(
      writer.add_page(optimizer::page_key({words, optimizer::page_words}, 0), baseline::make_page(words, blocks)));
  code.invalidate(0);
  translator::Stats before = translator::stats();
  for (u64 i = 1; i <= 100; i++) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.at(4)).reason);
    ASSERT_EQ(36u, guest.cpu.x[0]);
    ASSERT_EQ(code.at(6), guest.cpu.pc);
    if (i == 3) EXPECT_EQ(before.loaded_regions, loaded());
  }
  EXPECT_EQ(before.loaded_pages + 1, translator::stats().loaded_pages);
  EXPECT_EQ(before.translated_blocks, translator::stats().translated_blocks);
  EXPECT_EQ(before.loaded_regions + 1, loaded());
  guest.cpu.x[0] = 0;
  guest.cpu.x[1] = 5;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.at(0)).reason);
  EXPECT_EQ(5u, guest.cpu.x[0]);
}

TEST_F(Stored, AreLeftThereWhereTheCodeIsAnother) {
  Code code;
  add_function(code, 12, 5);
  Guest guest;
  ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
  store(code.at(2));
  // Behind the words that a region is found by.
  code.replace(2 + 11, "add_imm", "sf=1 rn=0 rd=0 imm12=100");
  code.invalidate(2);
  translator::Stats before = translator::stats();
  for (u64 i = 1; i <= 100; i++) {
    guest.cpu.x[0] = 0;
    ASSERT_EQ(ExitReason::syscall, guest.run(code.begin()).reason);
    ASSERT_EQ(155u, guest.cpu.x[0]);
  }
  EXPECT_EQ(before.loaded_regions, loaded());
  EXPECT_EQ(before.discarded_regions + 1, translator::stats().discarded_regions);
}

}  // namespace
}  // namespace ferry::test
