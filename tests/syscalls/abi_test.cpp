// The structures against the host's own C library, and the conversions between the two layouts.
#include "syscalls/abi.h"

#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>

#include <cstring>

#include "syscalls/flags.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

// The host's side must be what the host's headers say; the guest's side is proven by the assertions beside it, which the
// AArch64 build repeats against that host's headers.
static_assert(sizeof(host_abi::Stat) == sizeof(struct stat));
static_assert(offsetof(host_abi::Stat, mode) == offsetof(struct stat, st_mode));
static_assert(offsetof(host_abi::Stat, nlink) == offsetof(struct stat, st_nlink));
static_assert(offsetof(host_abi::Stat, size) == offsetof(struct stat, st_size));
static_assert(offsetof(host_abi::Stat, blksize) == offsetof(struct stat, st_blksize));
static_assert(offsetof(host_abi::Stat, access) == offsetof(struct stat, st_atim));
static_assert(sizeof(host_abi::EpollEvent) == sizeof(epoll_event));
static_assert(offsetof(host_abi::EpollEvent, data) == offsetof(epoll_event, data));
static_assert(sizeof(host_abi::SemaphoreSet) == sizeof(semid_ds));
static_assert(offsetof(host_abi::SemaphoreSet, semaphores) == offsetof(semid_ds, sem_nsems));
static_assert(sizeof(Statfs) == sizeof(struct statfs) &&
              offsetof(Statfs, name_length) == offsetof(struct statfs, f_namelen));
static_assert(sizeof(Sysinfo) == sizeof(struct sysinfo) &&
              offsetof(Sysinfo, unit) == offsetof(struct sysinfo, mem_unit));

TEST(Abi, stat_keeps_every_field) {
  host_abi::Stat host{};
  host.dev = 1, host.ino = 0x123456789abcdef0, host.nlink = 3, host.mode = 0100644, host.uid = 5, host.gid = 6,
  host.rdev = 7;
  host.size = 0x700000008, host.blksize = 4096, host.blocks = 10;
  host.access = {11, 12}, host.modification = {13, 14}, host.change = {15, 16};
  guest_abi::Stat guest;
  memset(&guest, 0xff, sizeof guest);
  convert(host, guest);
  EXPECT_EQ(guest.dev, 1u);
  EXPECT_EQ(guest.ino, 0x123456789abcdef0u);
  EXPECT_EQ(guest.nlink, 3u);
  EXPECT_EQ(guest.mode, 0100644u);
  EXPECT_EQ(guest.uid, 5u);
  EXPECT_EQ(guest.gid, 6u);
  EXPECT_EQ(guest.rdev, 7u);
  EXPECT_EQ(guest.size, 0x700000008);
  EXPECT_EQ(guest.blksize, 4096);
  EXPECT_EQ(guest.blocks, 10);
  EXPECT_EQ(guest.access.seconds, 11);
  EXPECT_EQ(guest.modification.nanoseconds, 14);
  EXPECT_EQ(guest.change.seconds, 15);
  EXPECT_EQ(guest.padding1, 0u) << "padding must not leak";
  EXPECT_EQ(guest.unused[1], 0u);
}

TEST(Abi, epoll_event_both_ways) {
  aarch64_abi::EpollEvent guest{EPOLLIN | EPOLLET, 0xdead, 0x1122334455667788};
  x86_64_abi::EpollEvent host;
  convert(guest, host);
  EXPECT_EQ(u32{host.events}, u32{EPOLLIN | EPOLLET});
  EXPECT_EQ(u64{host.data}, 0x1122334455667788u);
  aarch64_abi::EpollEvent back{};
  back.padding = 0xdead;
  convert(host, back);
  EXPECT_EQ(back.events, guest.events);
  EXPECT_EQ(back.data, guest.data);
  EXPECT_EQ(back.padding, 0u);
}

TEST(Abi, semaphore_set_both_ways) {
  aarch64_abi::SemaphoreSet guest{};
  guest.permission.key = 7, guest.permission.mode = 0600;
  guest.operation_time = 1, guest.change_time = 2, guest.semaphores = 3;
  x86_64_abi::SemaphoreSet host;
  convert(guest, host);
  EXPECT_EQ(host.permission.key, 7);
  EXPECT_EQ(host.operation_time, 1);
  EXPECT_EQ(host.change_time, 2);
  EXPECT_EQ(host.semaphores, 3u);
  aarch64_abi::SemaphoreSet back;
  convert(host, back);
  EXPECT_EQ(memcmp(&back, &guest, sizeof back), 0);
}

// A conversion with the wrong pairs would still be its own inverse; so the four are spelt out.
TEST(Abi, open_flags_to_x86_64) {
  if (host_isa != Isa::x86_64) GTEST_SKIP() << "the host's flags are the guest's";
  EXPECT_EQ(open_flags_to_host(040000), 0200000u) << "O_DIRECTORY";
  EXPECT_EQ(open_flags_to_host(0100000), 0400000u) << "O_NOFOLLOW";
  EXPECT_EQ(open_flags_to_host(0200000), 040000u) << "O_DIRECT";
  EXPECT_EQ(open_flags_to_host(0400000), 0100000u) << "O_LARGEFILE";
  EXPECT_EQ(open_flags_to_host(020040000), 020200000u) << "O_TMPFILE";
}
TEST(Abi, open_flags_round_trip) {
  for (u64 bit = 1; bit < u64{1} << 32; bit <<= 1) {
    EXPECT_EQ(open_flags_to_guest(open_flags_to_host(bit)), bit);
    bool moved = bit >= 040000 && bit <= 0400000;
    if (!moved) EXPECT_EQ(open_flags_to_host(bit), bit);
  }
}

}  // namespace ferry::syscalls
