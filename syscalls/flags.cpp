// The tables of names; values from the host's headers, which for everything but open's flags are the guest's too.
#include "syscalls/flags.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/stat.h>
#include <linux/xattr.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ferry::syscalls {

#define N(name) {static_cast<u64>(name), 0, #name}
#define N32(name) {static_cast<u32>(name), 0, #name}
#define FIELD(name, mask) {static_cast<u64>(name), static_cast<u64>(mask), #name}
#define TABLE(table, unknown, ...)                           \
  static constexpr FlagName table##_names[] = {__VA_ARGS__}; \
  constinit const FlagTable table{table##_names, sizeof table##_names / sizeof(FlagName), unknown};

// clang-format off: tables
// The guest's open flags, in strace's order (fcntl.h of asm-generic with AArch64's four changes).
TABLE(open_flags, "O_???",
      FIELD(O_RDONLY, O_ACCMODE), FIELD(O_WRONLY, O_ACCMODE), FIELD(O_RDWR, O_ACCMODE), N(O_CREAT), N(O_EXCL), N(O_NOCTTY), N(O_TRUNC),
      N(O_APPEND), N(O_NONBLOCK), {04010000, 0, "O_SYNC"}, N(O_DSYNC), N(O_ASYNC), {guest_abi::open_direct, 0, "O_DIRECT"},
      {guest_abi::open_largefile, 0, "O_LARGEFILE"}, {guest_abi::open_nofollow, 0, "O_NOFOLLOW"}, {01000000, 0, "O_NOATIME"}, N(O_CLOEXEC),
      {010000000, 0, "O_PATH"}, {020000000 | guest_abi::open_directory, 0, "O_TMPFILE"}, {guest_abi::open_directory, 0, "O_DIRECTORY"})
// The open flags of calls that make a descriptor without opening a file, and so without an access mode: pipe2, dup3.
TABLE(descriptor_flags, "O_???", N(O_NONBLOCK), {guest_abi::open_direct, 0, "O_DIRECT"}, N(O_CLOEXEC))
TABLE(at_flags, "AT_???", {0x100, 0, "AT_SYMLINK_NOFOLLOW"}, {0x200, 0, "AT_REMOVEDIR"}, {0x400, 0, "AT_SYMLINK_FOLLOW"},
      {0x800, 0, "AT_NO_AUTOMOUNT"}, {0x1000, 0, "AT_EMPTY_PATH"}, {0x2000, 0, "AT_STATX_FORCE_SYNC"}, {0x4000, 0, "AT_STATX_DONT_SYNC"},
      {0x8000, 0, "AT_RECURSIVE"})
TABLE(access_modes, "?_OK", FIELD(F_OK, 7), N(R_OK), N(W_OK), N(X_OK))
TABLE(protections, "PROT_???", {0, 0xffffffff, "PROT_NONE"}, N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), {8, 0, "PROT_SEM"}, N(PROT_GROWSDOWN),
      N(PROT_GROWSUP), {guest_abi::protection_bti, 0, "PROT_BTI"}, {guest_abi::protection_mte, 0, "PROT_MTE"})
TABLE(mmap_flags, "MAP_???", FIELD(MAP_SHARED, 3), FIELD(MAP_PRIVATE, 3), FIELD(MAP_SHARED_VALIDATE, 3), N(MAP_FIXED), N(MAP_ANONYMOUS),
      N(MAP_FIXED_NOREPLACE), N(MAP_POPULATE), N(MAP_NONBLOCK), N(MAP_NORESERVE), N(MAP_LOCKED), N(MAP_STACK), N(MAP_HUGETLB), N(MAP_SYNC),
      N(MAP_GROWSDOWN), N(MAP_DENYWRITE), N(MAP_EXECUTABLE))
TABLE(mremap_flags, "MREMAP_???", N(MREMAP_MAYMOVE), N(MREMAP_FIXED), {4, 0, "MREMAP_DONTUNMAP"})
TABLE(msync_flags, "MS_???", N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC))
TABLE(mlockall_flags, "MCL_???", N(MCL_CURRENT), N(MCL_FUTURE), N(MCL_ONFAULT))
TABLE(shmat_flags, "SHM_???", N(SHM_RDONLY), N(SHM_RND), N(SHM_REMAP), N(SHM_EXEC))
TABLE(clone_flags, "CLONE_???", N(CLONE_VM), N(CLONE_FS), N(CLONE_FILES), N(CLONE_SIGHAND), N(CLONE_PIDFD), N(CLONE_PTRACE), N(CLONE_VFORK),
      N(CLONE_PARENT), N(CLONE_THREAD), N(CLONE_NEWNS), N(CLONE_SYSVSEM), N(CLONE_SETTLS), N(CLONE_PARENT_SETTID), N(CLONE_CHILD_CLEARTID),
      N(CLONE_DETACHED), N(CLONE_UNTRACED), N(CLONE_CHILD_SETTID), N(CLONE_NEWCGROUP), N(CLONE_NEWUTS), N(CLONE_NEWIPC), N(CLONE_NEWUSER),
      N(CLONE_NEWPID), N(CLONE_NEWNET), N(CLONE_IO), {0x100000000, 0, "CLONE_CLEAR_SIGHAND"}, {0x200000000, 0, "CLONE_INTO_CGROUP"})
TABLE(wait_flags, "W???", N(WNOHANG), N(WUNTRACED), N(WEXITED), N(WCONTINUED), N(WNOWAIT), N32(__WNOTHREAD), N32(__WALL), N32(__WCLONE))
TABLE(xattr_flags, "XATTR_???", N(XATTR_CREATE), N(XATTR_REPLACE))
TABLE(eventfd_flags, "EFD_???", N(EFD_SEMAPHORE), N(EFD_CLOEXEC), N(EFD_NONBLOCK))
TABLE(epoll_create_flags, "EPOLL_???", N(EPOLL_CLOEXEC))
TABLE(inotify_init_flags, "IN_???", N(IN_CLOEXEC), N(IN_NONBLOCK))
TABLE(inotify_mask, "IN_???", N(IN_ACCESS), N(IN_MODIFY), N(IN_ATTRIB), N(IN_CLOSE_WRITE), N(IN_CLOSE_NOWRITE), N(IN_OPEN), N(IN_MOVED_FROM),
      N(IN_MOVED_TO), N(IN_CREATE), N(IN_DELETE), N(IN_DELETE_SELF), N(IN_MOVE_SELF), N(IN_UNMOUNT), N(IN_Q_OVERFLOW), N(IN_IGNORED),
      N(IN_ONLYDIR), N(IN_DONT_FOLLOW), N(IN_EXCL_UNLINK), N(IN_MASK_CREATE), N(IN_MASK_ADD), N(IN_ISDIR), N32(IN_ONESHOT))
TABLE(flock_operations, "LOCK_???", N(LOCK_SH), N(LOCK_EX), N(LOCK_UN), N(LOCK_NB))
TABLE(unlinkat_flags, "AT_???", {0x200, 0, "AT_REMOVEDIR"})
TABLE(umount_flags, "MNT_???", N(MNT_FORCE), N(MNT_DETACH), N(MNT_EXPIRE), N(UMOUNT_NOFOLLOW))
TABLE(mount_flags, "MS_???", {0xc0ed0000, 0xffff0000, "MS_MGC_VAL"}, N(MS_RDONLY), N(MS_NOSUID), N(MS_NODEV), N(MS_NOEXEC), N(MS_SYNCHRONOUS),
      N(MS_REMOUNT), N(MS_MANDLOCK), N(MS_DIRSYNC), N(MS_NOSYMFOLLOW), N(MS_NOATIME), N(MS_NODIRATIME), N(MS_BIND), N(MS_MOVE), N(MS_REC),
      N(MS_SILENT), N(MS_POSIXACL), N(MS_UNBINDABLE), N(MS_PRIVATE), N(MS_SLAVE), N(MS_SHARED), N(MS_RELATIME), N(MS_STRICTATIME),
      N(MS_LAZYTIME))
TABLE(fallocate_flags, "FALLOC_FL_???", N(FALLOC_FL_KEEP_SIZE), N(FALLOC_FL_PUNCH_HOLE), N(FALLOC_FL_NO_HIDE_STALE), N(FALLOC_FL_COLLAPSE_RANGE),
      N(FALLOC_FL_ZERO_RANGE), N(FALLOC_FL_INSERT_RANGE), N(FALLOC_FL_UNSHARE_RANGE))
TABLE(signalfd_flags, "SFD_???", N(SFD_CLOEXEC), N(SFD_NONBLOCK))
TABLE(splice_flags, "SPLICE_F_???", N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE), N(SPLICE_F_GIFT))
TABLE(sync_file_range_flags, "SYNC_FILE_RANGE_???", N(SYNC_FILE_RANGE_WAIT_BEFORE), N(SYNC_FILE_RANGE_WRITE), N(SYNC_FILE_RANGE_WAIT_AFTER))
TABLE(timerfd_create_flags, "TFD_???", N(TFD_CLOEXEC), N(TFD_NONBLOCK))
TABLE(timerfd_settime_flags, "TFD_???", N(TFD_TIMER_ABSTIME), N(TFD_TIMER_CANCEL_ON_SET))
TABLE(timer_flags, "TIMER_???", N(TIMER_ABSTIME))
TABLE(statx_mask, "STATX_???", {0xfff, 0, "STATX_ALL"}, {0x7ff, 0, "STATX_BASIC_STATS"}, N(STATX_TYPE), N(STATX_MODE), N(STATX_NLINK), N(STATX_UID),
      N(STATX_GID), N(STATX_ATIME), N(STATX_MTIME), N(STATX_CTIME), N(STATX_INO), N(STATX_SIZE), N(STATX_BLOCKS), N(STATX_BTIME), N(STATX_MNT_ID),
      {0x2000, 0, "STATX_DIOALIGN"}, {0x4000, 0, "STATX_MNT_ID_UNIQUE"})
TABLE(ipc_get_flags, "IPC_???", N(IPC_CREAT), N(IPC_EXCL), N(IPC_NOWAIT), N(SHM_HUGETLB), N(SHM_NORESERVE))
TABLE(socket_types, "SOCK_???", FIELD(SOCK_STREAM, 0xf), FIELD(SOCK_DGRAM, 0xf), FIELD(SOCK_RAW, 0xf), FIELD(SOCK_RDM, 0xf), FIELD(SOCK_SEQPACKET, 0xf),
      FIELD(SOCK_DCCP, 0xf), FIELD(SOCK_PACKET, 0xf), N(SOCK_CLOEXEC), N(SOCK_NONBLOCK))
TABLE(message_flags, "MSG_???", N(MSG_OOB), N(MSG_PEEK), N(MSG_DONTROUTE), N(MSG_CTRUNC), N(MSG_PROXY), N(MSG_TRUNC), N(MSG_DONTWAIT), N(MSG_EOR),
      N(MSG_WAITALL), N(MSG_FIN), N(MSG_SYN), N(MSG_CONFIRM), N(MSG_RST), N(MSG_ERRQUEUE), N(MSG_NOSIGNAL), N(MSG_MORE), N(MSG_WAITFORONE),
      N(MSG_BATCH), N(MSG_ZEROCOPY), N(MSG_FASTOPEN), N(MSG_CMSG_CLOEXEC))
TABLE(accept_flags, "SOCK_???", N(SOCK_CLOEXEC), N(SOCK_NONBLOCK))
TABLE(rename_flags, "RENAME_???", {1, 0, "RENAME_NOREPLACE"}, {2, 0, "RENAME_EXCHANGE"}, {4, 0, "RENAME_WHITEOUT"})
TABLE(getrandom_flags, "GRND_???", N(GRND_NONBLOCK), N(GRND_RANDOM), N(GRND_INSECURE))
TABLE(memfd_flags, "MFD_???", N(MFD_CLOEXEC), N(MFD_ALLOW_SEALING), N(MFD_HUGETLB), {8, 0, "MFD_NOEXEC_SEAL"}, {16, 0, "MFD_EXEC"})
TABLE(rwf_flags, "RWF_???", {1, 0, "RWF_HIPRI"}, {2, 0, "RWF_DSYNC"}, {4, 0, "RWF_SYNC"}, {8, 0, "RWF_NOWAIT"}, {16, 0, "RWF_APPEND"})
TABLE(close_range_flags, "CLOSE_RANGE_???", N(CLOSE_RANGE_UNSHARE), N(CLOSE_RANGE_CLOEXEC))
TABLE(poll_events, "POLL???", N(POLLIN), N(POLLPRI), N(POLLOUT), N(POLLERR), N(POLLHUP), N(POLLNVAL), N(POLLRDNORM), N(POLLRDBAND), N(POLLWRNORM),
      N(POLLWRBAND), N(POLLMSG), {0x2000, 0, "POLLRDHUP"})
TABLE(epoll_events, "EPOLL???", N32(EPOLLIN), N32(EPOLLPRI), N32(EPOLLOUT), N32(EPOLLRDNORM), N32(EPOLLRDBAND), N32(EPOLLWRNORM), N32(EPOLLWRBAND),
      N32(EPOLLMSG), N32(EPOLLERR), N32(EPOLLHUP), N32(EPOLLRDHUP), N32(EPOLLEXCLUSIVE), N32(EPOLLWAKEUP), N32(EPOLLONESHOT), N32(EPOLLET))
TABLE(signal_action_flags, "SA_???", {0x04000000, 0, "SA_RESTORER"}, N32(SA_ONSTACK), N32(SA_RESTART), N32(SA_NODEFER), N32(SA_RESETHAND),
      N32(SA_NOCLDSTOP), N32(SA_NOCLDWAIT), N32(SA_SIGINFO))
TABLE(signal_stack_flags, "SS_???", FIELD(SS_ONSTACK, 3), FIELD(SS_DISABLE, 3), {0x80000000, 0, "SS_AUTODISARM"})
TABLE(file_types, "S_???", FIELD(S_IFREG, S_IFMT), FIELD(S_IFSOCK, S_IFMT), FIELD(S_IFIFO, S_IFMT), FIELD(S_IFLNK, S_IFMT), FIELD(S_IFBLK, S_IFMT),
      FIELD(S_IFDIR, S_IFMT), FIELD(S_IFCHR, S_IFMT), N(S_ISUID), N(S_ISGID), N(S_ISVTX))

TABLE(epoll_operations, "EPOLL_CTL_???", N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD))
TABLE(fcntl_commands, "F_???", N(F_DUPFD), N(F_GETFD), N(F_SETFD), N(F_GETFL), N(F_SETFL), {5, 0, "F_GETLK"}, {6, 0, "F_SETLK"}, {7, 0, "F_SETLKW"},
      N(F_SETOWN), N(F_GETOWN), N(F_SETSIG), N(F_GETSIG), N(F_SETOWN_EX), N(F_GETOWN_EX), N(F_OFD_GETLK), N(F_OFD_SETLK), N(F_OFD_SETLKW),
      N(F_SETLEASE), N(F_GETLEASE), N(F_NOTIFY), N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ), N(F_GETPIPE_SZ), N(F_ADD_SEALS), N(F_GET_SEALS),
      N(F_GET_RW_HINT), N(F_SET_RW_HINT), N(F_GET_FILE_RW_HINT), N(F_SET_FILE_RW_HINT))
TABLE(seek_whence, "SEEK_???", N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE))
TABLE(wait_id_types, "P_???", N(P_ALL), N(P_PID), N(P_PGID), N(P_PIDFD))
TABLE(itimers, "ITIMER_???", N(ITIMER_REAL), N(ITIMER_VIRTUAL), N(ITIMER_PROF))
TABLE(clocks, "CLOCK_???", N(CLOCK_REALTIME), N(CLOCK_MONOTONIC), N(CLOCK_PROCESS_CPUTIME_ID), N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW),
      N(CLOCK_REALTIME_COARSE), N(CLOCK_MONOTONIC_COARSE), N(CLOCK_BOOTTIME), N(CLOCK_REALTIME_ALARM), N(CLOCK_BOOTTIME_ALARM), N(CLOCK_TAI))
TABLE(schedulers, "SCHED_???", N(SCHED_OTHER), N(SCHED_FIFO), N(SCHED_RR), N(SCHED_BATCH), N(SCHED_IDLE), N(SCHED_DEADLINE))
TABLE(sigprocmask_how, "SIG_???", N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK))
TABLE(priority_which, "PRIO_???", N(PRIO_PROCESS), N(PRIO_PGRP), N(PRIO_USER))
TABLE(resources, "RLIMIT_???", N(RLIMIT_CPU), N(RLIMIT_FSIZE), N(RLIMIT_DATA), N(RLIMIT_STACK), N(RLIMIT_CORE), N(RLIMIT_RSS), N(RLIMIT_NPROC),
      N(RLIMIT_NOFILE), N(RLIMIT_MEMLOCK), N(RLIMIT_AS), N(RLIMIT_LOCKS), N(RLIMIT_SIGPENDING), N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE),
      N(RLIMIT_RTPRIO), N(RLIMIT_RTTIME))
TABLE(rusage_who, "RUSAGE_???", N(RUSAGE_SELF), N32(RUSAGE_CHILDREN), N(RUSAGE_THREAD))
TABLE(prctl_options, "PR_???", N(PR_SET_PDEATHSIG), N(PR_GET_PDEATHSIG), N(PR_GET_DUMPABLE), N(PR_SET_DUMPABLE), N(PR_GET_UNALIGN), N(PR_SET_UNALIGN),
      N(PR_GET_KEEPCAPS), N(PR_SET_KEEPCAPS), N(PR_GET_TIMING), N(PR_SET_TIMING), N(PR_SET_NAME), N(PR_GET_NAME), N(PR_GET_SECCOMP), N(PR_SET_SECCOMP),
      N(PR_CAPBSET_READ), N(PR_CAPBSET_DROP), N(PR_GET_SECUREBITS), N(PR_SET_SECUREBITS), N(PR_SET_TIMERSLACK), N(PR_GET_TIMERSLACK),
      N(PR_TASK_PERF_EVENTS_DISABLE), N(PR_TASK_PERF_EVENTS_ENABLE), N(PR_MCE_KILL), N(PR_MCE_KILL_GET), N(PR_SET_MM), N(PR_SET_PTRACER),
      N(PR_SET_CHILD_SUBREAPER), N(PR_GET_CHILD_SUBREAPER), N(PR_SET_NO_NEW_PRIVS), N(PR_GET_NO_NEW_PRIVS), N(PR_GET_TID_ADDRESS),
      N(PR_SET_THP_DISABLE), N(PR_GET_THP_DISABLE), N(PR_CAP_AMBIENT), N(PR_SVE_SET_VL), N(PR_SVE_GET_VL), N(PR_GET_SPECULATION_CTRL),
      N(PR_SET_SPECULATION_CTRL), N(PR_PAC_RESET_KEYS), N(PR_SET_TAGGED_ADDR_CTRL), N(PR_GET_TAGGED_ADDR_CTRL), N(PR_SET_IO_FLUSHER),
      N(PR_GET_IO_FLUSHER), N(PR_SET_SYSCALL_USER_DISPATCH), N(PR_PAC_SET_ENABLED_KEYS), N(PR_PAC_GET_ENABLED_KEYS), N(PR_SCHED_CORE),
      N(PR_SET_VMA))
TABLE(ipc_commands, "IPC_???", N(IPC_RMID), N(IPC_SET), N(IPC_STAT), N(IPC_INFO), N(SHM_LOCK), N(SHM_UNLOCK), N(GETPID), N(GETVAL), N(GETALL),
      N(GETNCNT), N(GETZCNT), N(SETVAL), N(SETALL), N(SEM_STAT), N(SEM_INFO))
TABLE(address_families, "AF_???", N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), N(AF_PACKET), N(AF_ALG), N(AF_VSOCK),
      N(AF_BLUETOOTH), N(AF_CAN), N(AF_KEY), N(AF_XDP))
TABLE(socket_levels, "SOL_???", N(SOL_SOCKET), {0, 0, "SOL_IP"}, {6, 0, "SOL_TCP"}, {17, 0, "SOL_UDP"}, {41, 0, "SOL_IPV6"}, {255, 0, "SOL_RAW"},
      {263, 0, "SOL_PACKET"}, {270, 0, "SOL_NETLINK"}, {279, 0, "SOL_ALG"})
TABLE(socket_options, "SO_???", N(SO_DEBUG), N(SO_REUSEADDR), N(SO_TYPE), N(SO_ERROR), N(SO_DONTROUTE), N(SO_BROADCAST), N(SO_SNDBUF), N(SO_RCVBUF),
      N(SO_KEEPALIVE), N(SO_OOBINLINE), N(SO_NO_CHECK), N(SO_PRIORITY), N(SO_LINGER), N(SO_BSDCOMPAT), N(SO_REUSEPORT), N(SO_PASSCRED),
      N(SO_PEERCRED), N(SO_RCVLOWAT), N(SO_SNDLOWAT), N(SO_RCVTIMEO), N(SO_SNDTIMEO), N(SO_BINDTODEVICE), N(SO_ATTACH_FILTER),
      N(SO_DETACH_FILTER), N(SO_PEERNAME), N(SO_TIMESTAMP), N(SO_ACCEPTCONN), N(SO_PEERSEC), N(SO_SNDBUFFORCE), N(SO_RCVBUFFORCE), N(SO_PASSSEC),
      N(SO_MARK), N(SO_PROTOCOL), N(SO_DOMAIN), N(SO_RXQ_OVFL), N(SO_PEEK_OFF), N(SO_INCOMING_CPU), N(SO_COOKIE), N(SO_PEERGROUPS), N(SO_ZEROCOPY))
TABLE(tcp_options, "TCP_???", N(TCP_NODELAY), N(TCP_MAXSEG), N(TCP_CORK), N(TCP_KEEPIDLE), N(TCP_KEEPINTVL), N(TCP_KEEPCNT), N(TCP_SYNCNT),
      N(TCP_LINGER2), N(TCP_DEFER_ACCEPT), N(TCP_WINDOW_CLAMP), N(TCP_INFO), N(TCP_QUICKACK), N(TCP_CONGESTION), N(TCP_USER_TIMEOUT), N(TCP_FASTOPEN))
TABLE(ip_options, "IP_???", N(IP_TOS), N(IP_TTL), N(IP_HDRINCL), N(IP_OPTIONS), N(IP_RECVOPTS), N(IP_PKTINFO), N(IP_MTU_DISCOVER), N(IP_RECVERR),
      N(IP_RECVTTL), N(IP_RECVTOS), N(IP_MTU), N(IP_FREEBIND), N(IP_MULTICAST_IF), N(IP_MULTICAST_TTL), N(IP_MULTICAST_LOOP), N(IP_ADD_MEMBERSHIP),
      N(IP_DROP_MEMBERSHIP))
TABLE(ipv6_options, "IPV6_???", N(IPV6_UNICAST_HOPS), N(IPV6_MULTICAST_IF), N(IPV6_MULTICAST_HOPS), N(IPV6_MULTICAST_LOOP), N(IPV6_JOIN_GROUP),
      N(IPV6_LEAVE_GROUP), N(IPV6_MTU_DISCOVER), N(IPV6_MTU), N(IPV6_RECVERR), N(IPV6_V6ONLY), N(IPV6_RECVPKTINFO), N(IPV6_TCLASS))
TABLE(shutdown_how, "SHUT_???", N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR))
TABLE(fadvise_advice, "POSIX_FADV_???", N(POSIX_FADV_NORMAL), N(POSIX_FADV_RANDOM), N(POSIX_FADV_SEQUENTIAL), N(POSIX_FADV_WILLNEED),
      N(POSIX_FADV_DONTNEED), N(POSIX_FADV_NOREUSE))
TABLE(madvise_advice, "MADV_???", N(MADV_NORMAL), N(MADV_RANDOM), N(MADV_SEQUENTIAL), N(MADV_WILLNEED), N(MADV_DONTNEED), N(MADV_FREE), N(MADV_REMOVE),
      N(MADV_DONTFORK), N(MADV_DOFORK), N(MADV_MERGEABLE), N(MADV_UNMERGEABLE), N(MADV_HUGEPAGE), N(MADV_NOHUGEPAGE), N(MADV_DONTDUMP), N(MADV_DODUMP),
      N(MADV_WIPEONFORK), N(MADV_KEEPONFORK), N(MADV_COLD), N(MADV_PAGEOUT), {22, 0, "MADV_POPULATE_READ"}, {23, 0, "MADV_POPULATE_WRITE"},
      {24, 0, "MADV_DONTNEED_LOCKED"}, {25, 0, "MADV_COLLAPSE"}, N(MADV_HWPOISON))
TABLE(membarrier_commands, "MEMBARRIER_CMD_???", N(MEMBARRIER_CMD_QUERY), N(MEMBARRIER_CMD_GLOBAL), N(MEMBARRIER_CMD_GLOBAL_EXPEDITED),
      N(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED), N(MEMBARRIER_CMD_PRIVATE_EXPEDITED), N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED),
      N(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), {64, 0, "MEMBARRIER_CMD_REGISTER_SYNC_CORE"}, {128, 0, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"})
TABLE(futex_operations, "FUTEX_???", N(FUTEX_WAIT), N(FUTEX_WAKE), N(FUTEX_FD), N(FUTEX_REQUEUE), N(FUTEX_CMP_REQUEUE), N(FUTEX_WAKE_OP), N(FUTEX_LOCK_PI),
      N(FUTEX_UNLOCK_PI), N(FUTEX_TRYLOCK_PI), N(FUTEX_WAIT_BITSET), N(FUTEX_WAKE_BITSET), N(FUTEX_WAIT_REQUEUE_PI), N(FUTEX_CMP_REQUEUE_PI),
      {13, 0, "FUTEX_LOCK_PI2"})
TABLE(lock_types, "F_???", N(F_RDLCK), N(F_WRLCK), N(F_UNLCK))
TABLE(netlink_families, "NETLINK_???", N(NETLINK_ROUTE), N(NETLINK_AUDIT), N(NETLINK_KOBJECT_UEVENT), N(NETLINK_GENERIC), N(NETLINK_NETFILTER),
      N(NETLINK_SOCK_DIAG))

// clang-format on

void print_flags(Text& text, u64 value, const FlagTable& table) {
  u64 rest = value;
  bool first = true;
  auto add = [&](const char* name) {
    if (!first) text.add("|");
    text.add(name);
    first = false;
  };
  for (u32 i = 0; i < table.count; i++) {
    const FlagName& flag = table.names[i];
    if (flag.mask != 0 ? (value & flag.mask) == flag.value : flag.value != 0 && (rest & flag.value) == flag.value) {
      // Several values of one field: the first that fits stands.
      if (flag.mask != 0 && flag.value != 0 && (rest & flag.value) != flag.value) continue;
      add(flag.name);
      rest &= ~flag.value;
    }
  }
  if (rest != 0 || first) {
    if (!first) text.add("|");
    text.hex(rest);
    if (rest != 0 && first) {
      text.add(" /* ");
      text.add(table.unknown);
      text.add(" */");
    }
  }
}

void print_enum(Text& text, u64 value, const FlagTable& table) {
  for (u32 i = 0; i < table.count; i++) {
    if (table.names[i].value == value) return text.add(table.names[i].name);
  }
  text.hex(value);
  text.add(" /* ");
  text.add(table.unknown);
  text.add(" */");
}

const char* errno_name(int error) { return strerrorname_np(error); }
const char* errno_text(int error) { return strerrordesc_np(error); }

const char* signal_name(int signal) {
  static constexpr char names[][12] = {"0",        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",  "SIGTRAP",   "SIGABRT",
                                       "SIGBUS",   "SIGFPE",  "SIGKILL",   "SIGUSR1", "SIGSEGV", "SIGUSR2",   "SIGPIPE",
                                       "SIGALRM",  "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP",   "SIGTSTP",
                                       "SIGTTIN",  "SIGTTOU", "SIGURG",    "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
                                       "SIGWINCH", "SIGIO",   "SIGPWR",    "SIGSYS",  "SIGRTMIN"};
  return signal >= 1 && signal <= 32 ? names[signal] : nullptr;
}

namespace {
struct OpenFlagPair {
  u64 guest, host;
};
constexpr OpenFlagPair open_pairs[] = {{guest_abi::open_directory, host_abi::open_directory},
                                       {guest_abi::open_nofollow, host_abi::open_nofollow},
                                       {guest_abi::open_direct, host_abi::open_direct},
                                       {guest_abi::open_largefile, host_abi::open_largefile}};
}  // namespace

u64 open_flags_to_host(u64 guest) {
  u64 from = 0, to = 0;
  for (auto [guest_bit, host_bit] : open_pairs) {
    from |= guest_bit;
    if ((guest & guest_bit) != 0) to |= host_bit;
  }
  return (guest & ~from) | to;
}

u64 open_flags_to_guest(u64 host) {
  u64 from = 0, to = 0;
  for (auto [guest_bit, host_bit] : open_pairs) {
    from |= host_bit;
    if ((host & host_bit) != 0) to |= guest_bit;
  }
  return (host & ~from) | to;
}

}  // namespace ferry::syscalls
