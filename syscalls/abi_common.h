// Pieces that both architectures' own structures are made of.
#pragma once
#include "guest/types.h"

namespace ferry::syscalls {

struct StatTime {
  i64 seconds, nanoseconds;
};

// struct ipc64_perm (include/uapi/asm-generic/ipcbuf.h), the same for both.
struct IpcPermission {
  i32 key;
  u32 uid, gid, creator_uid, creator_gid, mode;
  u16 sequence, padding1;
  u32 padding2;
  u64 unused[2];
};
static_assert(sizeof(IpcPermission) == 48 && offsetof(IpcPermission, sequence) == 24);

}  // namespace ferry::syscalls
