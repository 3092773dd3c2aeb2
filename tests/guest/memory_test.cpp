// Guest memory copies: what is unreadable gives EFAULT and never a crash. The test installs the fault handler that
// the program's signal layer installs, with nothing but the fix-up in it.
#include "guest/memory.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace ferry {
namespace {

class GuestMemory : public testing::Test {
 protected:
  void SetUp() override {
    struct sigaction action{};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int signal, siginfo_t*, void* context) {
      if (!fix_up_guest_access(context)) ::signal(signal, SIG_DFL);
    };
    sigaction(SIGSEGV, &action, &previous_);
    page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    pages_ = static_cast<char*>(mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_EQ(mprotect(pages_ + page_, page_, PROT_NONE), 0);
  }
  void TearDown() override {
    munmap(pages_, 2 * page_);
    sigaction(SIGSEGV, &previous_, nullptr);
  }
  GuestAddr at(size_t offset) const { return GuestAddr{reinterpret_cast<u64>(pages_ + offset)}; }
  // The last `size` bytes before the unreadable page.
  GuestAddr before_end(size_t size) const { return at(page_ - size); }

  size_t page_ = 0;
  char* pages_ = nullptr;
  struct sigaction previous_{};
};

TEST_F(GuestMemory, copies_up_to_the_last_readable_byte) {
  memcpy(pages_ + page_ - 5, "ferry", 5);
  char text[5];
  ASSERT_TRUE(copy_from_guest(text, before_end(5), 5));
  EXPECT_EQ(memcmp(text, "ferry", 5), 0);
  ASSERT_TRUE(copy_to_guest(before_end(5), "yrref", 5));
  EXPECT_EQ(memcmp(pages_ + page_ - 5, "yrref", 5), 0);
}

TEST_F(GuestMemory, one_byte_too_far_is_efault) {
  for (size_t size : {1u, 2u, 7u, 8u, 9u, 64u}) {
    char bytes[65] = {};
    EXPECT_EQ(copy_from_guest(bytes, before_end(size), size + 1).error(), Errno{EFAULT}) << size;
    EXPECT_EQ(copy_to_guest(before_end(size), bytes, size + 1).error(), Errno{EFAULT}) << size;
  }
}

TEST_F(GuestMemory, addresses_that_are_never_the_guests_are_efault) {
  char byte = 0;
  for (u64 address : {u64{0}, u64{1} << 47, u64{1} << 63, ~u64{0}}) {
    EXPECT_EQ(copy_from_guest(&byte, GuestAddr{address}, 1).error(), Errno{EFAULT}) << address;
    EXPECT_EQ(copy_to_guest(GuestAddr{address}, &byte, 1).error(), Errno{EFAULT}) << address;
  }
  EXPECT_EQ(copy_from_guest(&byte, GuestAddr{4096}, ~size_t{0}).error(), Errno{EFAULT});
}

TEST_F(GuestMemory, typed_values_are_written_and_read_back) {
  struct Pair {
    u32 first;
    u64 second;
  };
  GuestPtr<Pair> pair{at(3)};
  ASSERT_TRUE(write(pair, Pair{7, 1ull << 60}));
  EXPECT_EQ(read(pair)->first, 7u);
  EXPECT_EQ(read(pair)->second, 1ull << 60);
  EXPECT_EQ(raw((pair + 2).address), raw(at(3)) + 32);
  EXPECT_FALSE(GuestPtr<Pair>{});
}

TEST_F(GuestMemory, a_string_may_end_at_the_last_readable_byte) {
  memcpy(pages_ + page_ - 6, "ferry", 6);
  EXPECT_EQ(read_guest_string(before_end(6)).value(), "ferry");
  EXPECT_EQ(read_guest_string(before_end(1)).value(), "");
}

TEST_F(GuestMemory, a_string_without_an_end) {
  memset(pages_, 'x', page_);
  EXPECT_EQ(read_guest_string(before_end(6)).error(), Errno{EFAULT});
  EXPECT_EQ(read_guest_string(at(0), 100).error(), Errno{ENAMETOOLONG});
  pages_[99] = 0;
  EXPECT_EQ(read_guest_string(at(0), 100).value(), std::string(99, 'x'));
}

}  // namespace
}  // namespace ferry
