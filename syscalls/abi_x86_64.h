// Kernel structures and constants whose x86_64 form is not AArch64's.
// arch/x86/include/uapi/asm/{stat,sembuf}.h, include/uapi/linux/eventpoll.h, include/uapi/asm-generic/fcntl.h.
#pragma once
#include "syscalls/abi_common.h"

namespace ferry::syscalls::x86_64_abi {

struct Stat {
  u64 dev, ino, nlink;
  u32 mode, uid, gid, padding1;
  u64 rdev;
  i64 size, blksize, blocks;
  StatTime access, modification, change;
  i64 unused[3];
};
static_assert(sizeof(Stat) == 144);
static_assert(offsetof(Stat, nlink) == 16 && offsetof(Stat, mode) == 24 && offsetof(Stat, rdev) == 40);
static_assert(offsetof(Stat, size) == 48 && offsetof(Stat, blocks) == 64 && offsetof(Stat, access) == 72);

struct [[gnu::packed]] EpollEvent {
  u32 events;
  u64 data;
};
static_assert(sizeof(EpollEvent) == 12 && offsetof(EpollEvent, data) == 4);

struct SemaphoreSet {  // struct semid64_ds
  IpcPermission permission;
  i64 operation_time;
  u64 unused1;
  i64 change_time;
  u64 unused2, semaphores, unused[2];
};
static_assert(sizeof(SemaphoreSet) == 104 && offsetof(SemaphoreSet, semaphores) == 80);

inline constexpr u64 open_direct = 040000, open_largefile = 0100000, open_directory = 0200000, open_nofollow = 0400000;
inline constexpr char machine[] = "x86_64";

}  // namespace ferry::syscalls::x86_64_abi
