// The guest's mapping calls, and that none of them reaches what is ferry's own.
#include "syscalls/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cstring>

#include "guest/log.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

namespace {

constexpr u64 page = 4096;
constexpr int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

struct Memory : Guest {
  char* map(u64 size, int protection = PROT_READ | PROT_WRITE, void* at = nullptr, int flags = anonymous) {
    i64 address = call(number::mmap, at, size, protection, flags, -1, 0);
    EXPECT_FALSE(address < 0 && address > -4096) << address;
    return reinterpret_cast<char*>(address);
  }
  bool owns(const void* at, u64 size) {
    u64 begin = reinterpret_cast<u64>(at);
    return is_guest_range(GuestAddr{begin}, GuestAddr{begin + size});
  }
};

// The host's permissions of the page at an address ("rw-p"), empty where nothing is mapped.
std::string host_permissions(const void* address) {
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[512];
  std::string found;
  while (fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin, end;
    char permissions[5];
    if (sscanf(line, "%lx-%lx %4s", &begin, &end, permissions) != 3) continue;
    if (reinterpret_cast<u64>(address) >= begin && reinterpret_cast<u64>(address) < end) found = permissions;
  }
  fclose(maps);
  return found;
}

// Memory of ferry's, as far as the guest is concerned.
struct OwnMemory {
  char* at = static_cast<char*>(mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, anonymous, -1, 0));
  OwnMemory() { strcpy(at + page, "ferry's"); }
  ~OwnMemory() { munmap(at, 4 * page); }
  bool untouched() const { return strcmp(at + page, "ferry's") == 0 && host_permissions(at + page) == "rw-p"; }
};

}  // namespace

TEST(Call, mmap__munmap) {
  Memory guest;
  char* at = guest.map(3 * page);
  EXPECT_TRUE(guest.owns(at, 3 * page));
  memset(at, 1, 3 * page);
  EXPECT_EQ(guest.call(number::munmap, at + page, page), 0);
  EXPECT_TRUE(guest.owns(at, page));
  EXPECT_FALSE(guest.owns(at, 2 * page));
  EXPECT_EQ(host_permissions(at + page), "");
  EXPECT_EQ(at[2 * page], 1);
  // Back into the hole, with the neighbours kept.
  EXPECT_EQ(guest.map(page, PROT_READ | PROT_WRITE, at + page, anonymous | MAP_FIXED), at + page);
  EXPECT_EQ(at[page], 0);
  EXPECT_EQ(at[0], 1);
  EXPECT_EQ(guest.map(3 * page, PROT_READ, at, anonymous | MAP_FIXED), at);
  EXPECT_EQ(at[0], 0) << "replaced";
  EXPECT_EQ(guest.call(number::mmap, at, page, PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0), -EEXIST);
  EXPECT_EQ(guest.call(number::munmap, at, 3 * page), 0);
  EXPECT_EQ(guest.call(number::munmap, at, 3 * page), 0) << "unmapping nothing is no error";
}

TEST(Call, mmap__munmap__wrong_arguments) {
  Memory guest;
  EXPECT_EQ(guest.call(number::mmap, nullptr, 0, PROT_READ, anonymous, -1, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::mmap, nullptr, page, PROT_READ, anonymous, -1, 1), -EINVAL);
  EXPECT_EQ(guest.call(number::mmap, 0x10001, page, PROT_READ, anonymous | MAP_FIXED, -1, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::mmap, u64{1} << 47, page, PROT_READ, anonymous | MAP_FIXED, -1, 0), -ENOMEM);
  EXPECT_EQ(guest.call(number::mmap, nullptr, u64{1} << 60, PROT_READ, anonymous, -1, 0), -ENOMEM);
  EXPECT_EQ(guest.call(number::mmap, nullptr, page, PROT_READ, MAP_PRIVATE, 9999, 0), -EBADF);
  EXPECT_EQ(guest.call(number::munmap, 0x10001, page), -EINVAL);
  EXPECT_EQ(guest.call(number::munmap, 0x10000, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::munmap, 0x10000, ~u64{0} - page), -EINVAL);
  // A hint beyond the host's addresses, as an AArch64 program may give with 48 bits, is only a hint.
  i64 high = guest.call(number::mmap, u64{1} << 47, page, PROT_READ, anonymous, -1, 0);
  EXPECT_GT(high, 0);
  guest.call(number::munmap, high, page);
}

TEST(Memory, guest_code_is_never_executable_on_the_host) {
  Memory guest;
  char* at = guest.map(page, PROT_EXEC);
  EXPECT_EQ(host_permissions(at), "r--p");
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
  EXPECT_EQ(host_permissions(at), "rw-p");
  guest.call(number::munmap, at, page);
}

// 0x40 is MAP_32BIT on x86_64 and nothing on AArch64.
TEST(Memory, x86_64_only_flags_mean_nothing) {
  Memory guest;
  char* at = guest.map(page, PROT_READ, nullptr, anonymous | 0x40);
  EXPECT_GE(reinterpret_cast<u64>(at), u64{1} << 32);
  guest.call(number::munmap, at, page);
}

TEST(Memory, ferrys_own_memory_is_out_of_reach) {
  Memory guest;
  OwnMemory own;
  Captured log(log_fd);
  EXPECT_EQ(guest.call(number::mmap, own.at, 4 * page, PROT_READ, anonymous | MAP_FIXED, -1, 0), -ENOMEM);
  EXPECT_NE(log.text().find("maps over memory of ferry's"), std::string::npos);
  EXPECT_TRUE(own.untouched());
  EXPECT_EQ(guest.call(number::munmap, own.at, 4 * page), 0);
  EXPECT_TRUE(own.untouched());
  EXPECT_EQ(guest.call(number::mprotect, own.at, 4 * page, PROT_NONE), -ENOMEM);
  EXPECT_TRUE(own.untouched());
  EXPECT_EQ(guest.call(number::madvise, own.at, 4 * page, MADV_DONTNEED), -ENOMEM);
  EXPECT_TRUE(own.untouched());
  EXPECT_EQ(guest.call(number::mremap, own.at, 4 * page, 8 * page, MREMAP_MAYMOVE, 0), -EFAULT);
  EXPECT_TRUE(own.untouched());
  char* mine = guest.map(page);
  EXPECT_EQ(guest.call(number::mremap, mine, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, own.at + page), -ENOMEM);
  EXPECT_TRUE(own.untouched());
  EXPECT_TRUE(guest.owns(mine, page)) << "a move that failed has moved nothing";
  EXPECT_EQ(host_permissions(mine), "rw-p");
  guest.call(number::munmap, mine, page);
}

TEST(Memory, a_mapping_half_over_ferrys_memory_changes_nothing) {
#if defined(__has_feature)
  if (__has_feature(thread_sanitizer)) GTEST_SKIP() << "the sanitizer's runtime takes the gap that the guest leaves";
#endif
  Memory guest;
  char* at = guest.map(4 * page);
  at[0] = 'g';
  // The guest gives up the upper half, and ferry takes it.
  guest.call(number::munmap, at + 2 * page, 2 * page);
  ASSERT_EQ(mmap(at + 3 * page, page, PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0), at + 3 * page);
  Captured log(log_fd);
  EXPECT_EQ(guest.call(number::mmap, at, 4 * page, PROT_READ, anonymous | MAP_FIXED, -1, 0), -ENOMEM);
  EXPECT_EQ(at[0], 'g');
  EXPECT_EQ(host_permissions(at + 2 * page), "") << "the reservation of the gap is given back";
  EXPECT_EQ(guest.call(number::munmap, at, 4 * page), 0);
  EXPECT_EQ(host_permissions(at), "");
  EXPECT_EQ(host_permissions(at + 3 * page), "r--p");
  munmap(at + 3 * page, page);
}

TEST(Call, mprotect__pkey_mprotect__pkey_alloc__pkey_free) {
  Memory guest;
  char* at = guest.map(2 * page);
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ), 0);
  EXPECT_EQ(host_permissions(at), "r--p");
  EXPECT_EQ(host_permissions(at + page), "rw-p");
  EXPECT_EQ(guest.call(number::mprotect, at + 1, page, PROT_READ), -EINVAL);
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ | 0x10 /* PROT_BTI */), -EINVAL);
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ | 0x20 /* PROT_MTE */), -EINVAL);
  EXPECT_EQ(guest.call(number::mprotect, at, 0, PROT_READ), 0);
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ | PROT_GROWSUP), -EINVAL);
  EXPECT_EQ(guest.call(number::mprotect, at, page, PROT_READ | PROT_GROWSDOWN), -EINVAL) << "no stack";
  set_stack(GuestAddr{reinterpret_cast<u64>(at)}, GuestAddr{reinterpret_cast<u64>(at + 2 * page)});
  EXPECT_EQ(guest.call(number::mprotect, at, 2 * page, PROT_READ | PROT_WRITE), 0);
  EXPECT_EQ(guest.call(number::mprotect, at + page, page, PROT_READ | PROT_GROWSDOWN), 0);
  EXPECT_EQ(host_permissions(at), "r--p") << "down to the beginning";
  EXPECT_EQ(guest.call(number::mprotect, at + page, page, PROT_READ | PROT_WRITE), 0);
  set_stack({}, {});
  EXPECT_EQ(guest.call(number::mprotect, 0x10000, page, PROT_READ), -ENOMEM) << "not mapped";
  EXPECT_EQ(guest.call(number::mprotect, u64{1} << 50, page, PROT_READ), -ENOMEM);
  EXPECT_EQ(guest.call(number::pkey_mprotect, at, page, PROT_NONE, -1), 0);
  EXPECT_EQ(host_permissions(at), "---p");
  EXPECT_EQ(guest.call(number::pkey_mprotect, at, page, PROT_READ, 1), -EINVAL);
  EXPECT_EQ(guest.call(number::pkey_alloc, 0, 0), -ENOSPC);
  EXPECT_EQ(guest.call(number::pkey_free, 1), -EINVAL);
  guest.call(number::munmap, at, 2 * page);
}

TEST(Call, mremap) {
  Memory guest;
  char* at = guest.map(2 * page);
  strcpy(at, "kept");
  i64 moved = guest.call(number::mremap, at, 2 * page, 64 * page, MREMAP_MAYMOVE, 0);
  ASSERT_GT(moved, 0);
  char* now = reinterpret_cast<char*>(moved);
  EXPECT_STREQ(now, "kept");
  EXPECT_TRUE(guest.owns(now, 64 * page));
  if (now != at) EXPECT_FALSE(guest.owns(at, page));
  EXPECT_EQ(guest.call(number::mremap, now, 64 * page, page, 0, 0), moved);
  EXPECT_FALSE(guest.owns(now, 2 * page));
  char* target = guest.map(page);
  EXPECT_EQ(guest.call(number::mremap, now, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, target),
            reinterpret_cast<i64>(target));
  EXPECT_STREQ(target, "kept");
  EXPECT_EQ(guest.call(number::mremap, target, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, target), -EINVAL)
      << "onto itself";
  EXPECT_EQ(guest.call(number::mremap, target, page, 0, MREMAP_MAYMOVE, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::mremap, target + 1, page, page, MREMAP_MAYMOVE, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::mremap, 0x10000, page, page, MREMAP_MAYMOVE, 0), -EFAULT);
  guest.call(number::munmap, target, page);
}

TEST(Call, madvise) {
  if (!on_a_real_kernel()) GTEST_SKIP() << "the host is emulated";
  Memory guest;
  char* at = guest.map(2 * page);
  at[0] = 1;
  EXPECT_EQ(guest.call(number::madvise, at, page, MADV_DONTNEED), 0);
  EXPECT_EQ(at[0], 0);
  EXPECT_EQ(guest.call(number::madvise, at, page, 9999), -EINVAL);
  EXPECT_EQ(guest.call(number::madvise, at + 1, page, MADV_DONTNEED), -EINVAL);
  EXPECT_EQ(guest.call(number::madvise, at, 0, MADV_DONTNEED), 0);
  EXPECT_EQ(guest.call(number::madvise, 0x10000, page, MADV_DONTNEED), -ENOMEM);
  guest.call(number::munmap, at, 2 * page);
}

TEST(Call, personality) {
  Memory guest;
  // How the guest sees a page that it maps now.
  auto mapped_as = [&](int protection) {
    char* at = guest.map(page, protection);
    struct Search {
      u64 address;
      int protection;
    } search{reinterpret_cast<u64>(at), -1};
    for_each_guest_range(
        [](void* context, GuestAddr begin, GuestAddr end, int protection) {
          auto& wanted = *static_cast<Search*>(context);
          if (raw(begin) <= wanted.address && wanted.address < raw(end)) wanted.protection = protection;
        },
        &search);
    guest.call(number::munmap, at, page);
    return search.protection;
  };
  i64 old = guest.call(number::personality, 0xffffffff);
  EXPECT_EQ(old, personality(0xffffffff));
  EXPECT_EQ(mapped_as(PROT_READ | PROT_WRITE), PROT_READ | PROT_WRITE);
  EXPECT_EQ(guest.call(number::personality, old | READ_IMPLIES_EXEC), old);
  EXPECT_EQ(mapped_as(PROT_READ | PROT_WRITE), PROT_READ | PROT_WRITE | PROT_EXEC);
  EXPECT_EQ(mapped_as(PROT_NONE), PROT_NONE);
  EXPECT_EQ(guest.call(number::personality, old), old | READ_IMPLIES_EXEC);
  EXPECT_EQ(mapped_as(PROT_READ | PROT_WRITE), PROT_READ | PROT_WRITE);
}

TEST(Call, brk) {
  Memory guest;
  // Room that is free for certain: 2 GiB that were just given back.
  u64 size = u64{2} << 30;
  void* room = mmap(nullptr, size, PROT_NONE, anonymous | MAP_NORESERVE, -1, 0);
  ASSERT_NE(room, MAP_FAILED);
  munmap(room, size);
  u64 start = reinterpret_cast<u64>(room) + 123;
  set_initial_break(GuestAddr{start});
  EXPECT_EQ(guest.call(number::brk, 0), static_cast<i64>(start));
  EXPECT_EQ(guest.call(number::brk, start + 10 * page), static_cast<i64>(start + 10 * page));
  auto* heap = reinterpret_cast<char*>((start + page - 1) & ~(page - 1));
  memset(heap, 7, 9 * page);
  EXPECT_TRUE(guest.owns(heap, 9 * page));
  // Shrunk and grown again, the pages are zero.
  EXPECT_EQ(guest.call(number::brk, start + page), static_cast<i64>(start + page));
  EXPECT_FALSE(guest.owns(heap, 9 * page));
  EXPECT_EQ(guest.call(number::brk, start + 10 * page), static_cast<i64>(start + 10 * page));
  EXPECT_EQ(heap[0], 7);
  EXPECT_EQ(heap[5 * page], 0);
  // Below the start, or more than there is room for: the break stays.
  EXPECT_EQ(guest.call(number::brk, start - 1), static_cast<i64>(start + 10 * page));
#ifndef EMULATED_HOST  // qemu-user 7.2 maps over what is there in spite of MAP_FIXED_NOREPLACE
  EXPECT_EQ(guest.call(number::brk, u64{1} << 46), static_cast<i64>(start + 10 * page));
  // What is reserved for the heap is not the guest's to map over by accident, nor the host's to use.
  void* host = mmap(heap + 32 * page, page, PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0);
  EXPECT_EQ(host, MAP_FAILED);
#endif
}

TEST(Call, shmat__shmdt) {
  Memory guest;
  i64 id = guest.call(number::shmget, IPC_PRIVATE, page + 1, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  i64 at = guest.call(number::shmat, id, nullptr, 0);
  ASSERT_GT(at, 0);
  EXPECT_TRUE(guest.owns(reinterpret_cast<void*>(at), 2 * page));
  strcpy(reinterpret_cast<char*>(at), "shared");
  i64 second = guest.call(number::shmat, id, nullptr, SHM_RDONLY);
  ASSERT_GT(second, 0);
  EXPECT_STREQ(reinterpret_cast<char*>(second), "shared");
  OwnMemory own;
  Captured log(log_fd);
  EXPECT_EQ(guest.call(number::shmat, id, own.at, SHM_REMAP), -ENOMEM);
  EXPECT_TRUE(own.untouched());
  EXPECT_EQ(guest.call(number::shmdt, own.at), -EINVAL);
  EXPECT_EQ(guest.call(number::shmdt, at), 0);
  EXPECT_FALSE(guest.owns(reinterpret_cast<void*>(at), page));
  EXPECT_EQ(guest.call(number::shmdt, at), -EINVAL);
  EXPECT_EQ(guest.call(number::shmdt, second), 0);
  EXPECT_EQ(guest.call(number::shmctl, id, IPC_RMID, nullptr), 0);
  EXPECT_EQ(guest.call(number::shmat, id, nullptr, 0), -EINVAL);
}

TEST(Memory, a_forwarded_call_with_a_bad_pointer_fails_in_the_kernel) {
  Guest guest;
  TemporaryDirectory directory;
  i64 fd = guest.call(number::openat, -100, (directory / "file").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(guest.call(number::write, fd, bad_pointer, 1), -EFAULT);
  EXPECT_EQ(guest.call(number::fstat, fd, bad_pointer), -EFAULT) << "written back by ferry";
  EXPECT_EQ(guest.call(number::openat, -100, bad_pointer, 0, 0), -EFAULT) << "read by ferry";
  EXPECT_EQ(guest.call(number::openat, -100, u64{1} << 63, 0, 0), -EFAULT) << "not a host address at all";
  close(static_cast<int>(fd));
}

}  // namespace ferry::syscalls
