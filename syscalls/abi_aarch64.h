// Kernel structures and constants whose AArch64 form is not x86_64's.
// arch/arm64/include/uapi/asm/{stat,fcntl,hwcap}.h over include/uapi/asm-generic.
#pragma once
#include "syscalls/abi_common.h"

namespace ferry::syscalls::aarch64_abi {

struct Stat {
  u64 dev, ino;
  u32 mode, nlink, uid, gid;
  u64 rdev, padding1;
  i64 size;
  i32 blksize, padding2;
  i64 blocks;
  StatTime access, modification, change;
  u32 unused[2];
};
static_assert(sizeof(Stat) == 128);
static_assert(offsetof(Stat, mode) == 16 && offsetof(Stat, nlink) == 20 && offsetof(Stat, rdev) == 32);
static_assert(offsetof(Stat, size) == 48 && offsetof(Stat, blksize) == 56 && offsetof(Stat, blocks) == 64);
static_assert(offsetof(Stat, access) == 72 && offsetof(Stat, change) == 104);

struct EpollEvent {
  u32 events, padding;
  u64 data;
};
static_assert(sizeof(EpollEvent) == 16 && offsetof(EpollEvent, data) == 8);

struct SemaphoreSet {  // struct semid64_ds
  IpcPermission permission;
  i64 operation_time, change_time;
  u64 semaphores, unused[2];
};
static_assert(sizeof(SemaphoreSet) == 88 && offsetof(SemaphoreSet, semaphores) == 64);

inline constexpr u64 open_directory = 040000, open_nofollow = 0100000, open_direct = 0200000, open_largefile = 0400000;
inline constexpr char machine[] = "aarch64";
inline constexpr u64 protection_bti = 0x10, protection_mte = 0x20;

}  // namespace ferry::syscalls::aarch64_abi
