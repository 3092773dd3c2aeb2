// The kernel's structures as the guest lays them out, for what --strace prints and the handlers touch.
// Most are the same for x86_64 and AArch64 (asm-generic); the few that differ are in abi_aarch64.h and abi_x86_64.h,
// and HostLayout<T> names what the host's kernel has instead of a guest structure.
#pragma once
#include <type_traits>

#include "syscalls/abi_aarch64.h"
#include "syscalls/abi_x86_64.h"

namespace ferry::syscalls {

namespace guest_abi = aarch64_abi;
#if defined(__x86_64__)
namespace host_abi = x86_64_abi;
#else
namespace host_abi = aarch64_abi;
#endif

using Stat = guest_abi::Stat;
using EpollEvent = guest_abi::EpollEvent;
using SemaphoreSet = guest_abi::SemaphoreSet;

// clang-format off: one structure a line, as in a table
// Layouts both architectures share: include/uapi/asm-generic and include/uapi/linux.
struct Integer32 { i32 value; };
struct Integer64 { i64 value; };
struct Hex64 { u64 value; };
struct WaitStatus { i32 value; };
struct FdPair { i32 fd[2]; };
struct Sigset { u64 bits; };                       // bit n-1 is signal n
struct Timespec { i64 seconds, nanoseconds; };
struct TimespecPair { Timespec access, modification; };
struct Timeval { i64 seconds, microseconds; };
struct Timezone { i32 minutes_west, dst_time; };
struct Itimerspec { Timespec interval, value; };
struct Itimerval { Timeval interval, value; };
struct Iovec { u64 base, length; };
struct PollFd { i32 fd; i16 events, revents; };
struct Rlimit { u64 current, maximum; };
struct Tms { i64 user, system, children_user, children_system; };
struct Sembuf { u16 number; i16 operation, flags; };
struct MqAttr { i64 flags, maximum_messages, message_size, current_messages, reserved[4]; };
struct OpenHow { u64 flags, mode, resolve; };
struct SignalStack { u64 base; i32 flags; u32 padding; u64 size; };
struct SignalAction { u64 handler, flags, restorer, mask; };  // struct sigaction of AArch64 (asm-generic, with SA_RESTORER)
struct Utsname { char system[65], node[65], release[65], version[65], machine[65], domain[65]; };
struct Sigevent { u64 value; i32 signal, notify; i32 thread_id; u8 padding[44]; };
struct Siginfo { i32 signal, error, code, padding; u8 fields[112]; };
struct MessageHeader { u64 name; u32 name_length, padding1; u64 iov, iov_count, control, control_length; i32 flags; u32 padding2; };
struct Flock { i16 type, whence; i32 padding1; i64 start, length; i32 pid; i32 padding2; };
struct Winsize { u16 rows, columns, x_pixels, y_pixels; };
struct Termios { u32 input, output, control, local; u8 line, characters[19]; };
struct Rusage {
  Timeval user, system;
  i64 maximum_resident, shared, data, stack, minor_faults, major_faults, swaps, blocks_in, blocks_out, sent, received, signals,
      voluntary_switches, involuntary_switches;
};
struct Sysinfo {
  i64 uptime;
  u64 loads[3], total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
  u16 processes, padding1;
  u32 padding2;
  u64 total_high, free_high;
  u32 unit, padding3;
};
struct Statfs {
  u64 type, block_size, blocks, free_blocks, available_blocks, files, free_files;
  i32 id[2];
  u64 name_length, fragment_size, flags, spare[4];
};
struct StatxTimestamp { i64 seconds; u32 nanoseconds; i32 padding; };
struct Statx {
  u32 mask, block_size;
  u64 attributes;
  u32 links, uid, gid;
  u16 mode, padding1;
  u64 inode, size, blocks, attributes_mask;
  StatxTimestamp access, birth, change, modification;
  u32 rdev_major, rdev_minor, dev_major, dev_minor;
  u64 mount_id;
  u32 direct_io_memory_align, direct_io_offset_align;
  u64 spare[12];
};
struct CloneArguments {
  u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

// clang-format on

static_assert(sizeof(Siginfo) == 128 && sizeof(Sigevent) == 64 && sizeof(SignalStack) == 24 &&
              sizeof(SignalAction) == 32);
static_assert(sizeof(Rusage) == 144 && sizeof(Sysinfo) == 112 && sizeof(Statfs) == 120 && sizeof(Statx) == 256);
static_assert(sizeof(MessageHeader) == 56 && sizeof(Flock) == 32 && sizeof(Termios) == 36 && sizeof(Winsize) == 8);
static_assert(sizeof(CloneArguments) == 88 && sizeof(OpenHow) == 24 && sizeof(MqAttr) == 64 && sizeof(Utsname) == 390);
static_assert(sizeof(PollFd) == 8 && sizeof(Sembuf) == 6 && sizeof(Itimerspec) == 32);
static_assert(offsetof(Statx, inode) == 32 && offsetof(Statx, access) == 64 && offsetof(Statx, rdev_major) == 128);
static_assert(offsetof(Sysinfo, processes) == 80 && offsetof(Sysinfo, unit) == 104);
static_assert(offsetof(Statfs, id) == 56 && offsetof(MessageHeader, control) == 32 && offsetof(Siginfo, fields) == 16);

// What the host's kernel reads and writes in place of T. The same type: the guest's memory goes to the kernel as it is.
template <class T>
struct HostLayoutOf {
  using type = T;
};
template <>
struct HostLayoutOf<Stat> {
  using type = host_abi::Stat;
};
template <>
struct HostLayoutOf<EpollEvent> {
  using type = host_abi::EpollEvent;
};
template <>
struct HostLayoutOf<SemaphoreSet> {
  using type = host_abi::SemaphoreSet;
};
template <class T>
using HostLayout = typename HostLayoutOf<T>::type;

template <class T>
void convert(const T& from, T& to) {
  to = from;
}

// Field by field between a guest structure and its host counterpart, either way.
template <class From, class To>
void convert_stat(const From& from, To& to) {
  to = {};
  to.dev = from.dev, to.ino = from.ino, to.mode = from.mode, to.uid = from.uid, to.gid = from.gid, to.rdev = from.rdev;
  to.nlink = static_cast<decltype(to.nlink)>(from.nlink);
  to.size = from.size, to.blocks = from.blocks;
  to.blksize = static_cast<decltype(to.blksize)>(from.blksize);
  to.access = from.access, to.modification = from.modification, to.change = from.change;
}
inline void convert(const host_abi::Stat& from, guest_abi::Stat& to) { convert_stat(from, to); }

template <class From, class To>
void convert_epoll_event(const From& from, To& to) {
  to = {};
  to.events = from.events;
  to.data = from.data;
}
inline void convert(const x86_64_abi::EpollEvent& from, aarch64_abi::EpollEvent& to) { convert_epoll_event(from, to); }
inline void convert(const aarch64_abi::EpollEvent& from, x86_64_abi::EpollEvent& to) { convert_epoll_event(from, to); }

template <class From, class To>
void convert_semaphore_set(const From& from, To& to) {
  to = {};
  to.permission = from.permission;
  to.operation_time = from.operation_time, to.change_time = from.change_time, to.semaphores = from.semaphores;
}
inline void convert(const x86_64_abi::SemaphoreSet& from, aarch64_abi::SemaphoreSet& to) {
  convert_semaphore_set(from, to);
}
inline void convert(const aarch64_abi::SemaphoreSet& from, x86_64_abi::SemaphoreSet& to) {
  convert_semaphore_set(from, to);
}

}  // namespace ferry::syscalls
