// The symbolic names of flag words and enumerations, for --strace, and the conversion of the one flag word whose bits differ
// between the architectures (open's). The tables themselves are in flags.cpp.
#pragma once
#include "syscalls/abi.h"
#include "syscalls/text.h"

namespace ferry::syscalls {

// `mask` zero: a bit or set of bits that may be present. Otherwise the name of one value of the field `mask`.
// The name is stored in place: a pointer would cost a relocation each at start-up.
struct FlagName {
  u64 value, mask;
  char name[44];
};
struct FlagTable {
  const FlagName* names;
  u32 count;
  const char* unknown;  // "O_???", what strace says of bits without a name
};

void print_flags(Text& text, u64 value, const FlagTable& table);
void print_enum(Text& text, u64 value, const FlagTable& table);
const char* errno_name(int error);    // "ENOENT"
const char* errno_text(int error);    // "No such file or directory"
const char* signal_name(int signal);  // "SIGINT", nullptr when it has none

// open(2)'s flags between the guest's and the host's bits; bits both share pass unchanged.
u64 open_flags_to_host(u64 guest);
u64 open_flags_to_guest(u64 host);

extern const FlagTable open_flags, descriptor_flags, at_flags, access_modes, protections, mmap_flags, mremap_flags,
    msync_flags, mlockall_flags, shmat_flags, clone_flags, wait_flags, xattr_flags, eventfd_flags, epoll_create_flags,
    inotify_init_flags, inotify_mask, flock_operations, unlinkat_flags, umount_flags, mount_flags, fallocate_flags,
    signalfd_flags, splice_flags, sync_file_range_flags, timerfd_create_flags, timerfd_settime_flags, timer_flags,
    statx_mask, ipc_get_flags, socket_types, message_flags, accept_flags, rename_flags, getrandom_flags, memfd_flags,
    rwf_flags, close_range_flags, poll_events, epoll_events, signal_action_flags, signal_stack_flags, file_types;
extern const FlagTable epoll_operations, fcntl_commands, seek_whence, wait_id_types, itimers, clocks, schedulers,
    sigprocmask_how, priority_which, resources, rusage_who, prctl_options, ipc_commands, address_families,
    socket_levels, socket_options, tcp_options, ip_options, ipv6_options, shutdown_how, fadvise_advice, madvise_advice,
    membarrier_commands, futex_operations, lock_types, netlink_families;

}  // namespace ferry::syscalls
