#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "syscalls/abi.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

TEST(Call, uname) {
  Guest guest;
  Utsname name;
  ASSERT_EQ(guest.call(number::uname, &name), 0);
  utsname host;
  uname(&host);
  EXPECT_STREQ(name.machine, "aarch64");
  EXPECT_STREQ(name.release, host.release);
  EXPECT_STREQ(name.node, host.nodename);
  EXPECT_EQ(guest.call(number::uname, bad_pointer), -EFAULT);
}

TEST(Call, clock_gettime__clock_getres) {
  Guest guest;
  Timespec now{};
  ASSERT_EQ(guest.call(number::clock_gettime, CLOCK_REALTIME, &now), 0);
  EXPECT_LE(std::abs(now.seconds - time(nullptr)), 1);
  Timespec first{}, second{};
  ASSERT_EQ(guest.call(number::clock_gettime, CLOCK_MONOTONIC, &first), 0);
  ASSERT_EQ(guest.call(number::clock_gettime, CLOCK_MONOTONIC, &second), 0);
  EXPECT_GE(second.seconds * 1000000000 + second.nanoseconds, first.seconds * 1000000000 + first.nanoseconds);
  EXPECT_EQ(guest.call(number::clock_gettime, 99, &now), -EINVAL);
  EXPECT_EQ(guest.call(number::clock_gettime, CLOCK_REALTIME, bad_pointer), -EFAULT);
  EXPECT_EQ(guest.call(number::clock_getres, CLOCK_REALTIME, nullptr), 0);
  EXPECT_EQ(guest.call(number::clock_getres, CLOCK_REALTIME, &now), 0);
  EXPECT_EQ(now.seconds, 0);
  EXPECT_GT(now.nanoseconds, 0);
}

TEST(Call, gettimeofday__getcpu) {
  Guest guest;
  Timeval now{};
  Timezone zone{-1, -1};
  ASSERT_EQ(guest.call(number::gettimeofday, &now, &zone), 0);
  EXPECT_LE(std::abs(now.seconds - time(nullptr)), 1);
  EXPECT_EQ(zone.dst_time, 0);
  EXPECT_EQ(guest.call(number::gettimeofday, bad_pointer, nullptr), -EFAULT);
  i32 cpu = -1, node = -1;
  ASSERT_EQ(guest.call(number::getcpu, &cpu, &node, nullptr), 0);
  EXPECT_GE(cpu, 0);
  EXPECT_GE(node, 0);
  EXPECT_EQ(guest.call(number::getcpu, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(guest.call(number::getcpu, bad_pointer, nullptr, nullptr), -EFAULT);
}

TEST(Call, prctl) {
  Guest guest;
  char name[16] = {};
  EXPECT_EQ(guest.call(number::prctl, PR_SET_NAME, "renamed", 0, 0, 0), 0);
  EXPECT_EQ(guest.call(number::prctl, PR_GET_NAME, name, 0, 0, 0), 0);
  EXPECT_STREQ(name, "renamed");
  EXPECT_EQ(guest.call(number::prctl, PR_SVE_GET_VL, 0, 0, 0, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::prctl, PR_PAC_RESET_KEYS, 0, 0, 0, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::prctl, PR_GET_SECCOMP, 0, 0, 0, 0), 0);
  EXPECT_EQ(guest.call(number::prctl, PR_SET_SECCOMP, 2, 0, 0, 0), -EINVAL) << "would filter ferry's calls";
  EXPECT_EQ(guest.call(number::prctl, 65 /* PR_SET_MDWE */, 1, 0, 0, 0), -EINVAL)
      << "would forbid ferry its code memory";
  EXPECT_EQ(guest.call(number::prctl, PR_SET_MM, 1, 0, 0, 0), -EPERM);
  guest.thread().clear_child_tid = 0x1234;
  u64 address = 0;
  EXPECT_EQ(guest.call(number::prctl, PR_GET_TID_ADDRESS, &address, 0, 0, 0), 0);
  EXPECT_EQ(address, 0x1234u);
}

TEST(Call, rseq) { EXPECT_EQ(Guest().call(number::rseq, nullptr, 32, 0, 0), -ENOSYS); }

TEST(Call, prlimit64__getrlimit__setrlimit) {
  Guest guest;
  Rlimit files{}, before{}, after{};
  ASSERT_EQ(guest.call(number::getrlimit, RLIMIT_NOFILE, &files), 0);
  rlimit host;
  getrlimit(RLIMIT_NOFILE, &host);
  EXPECT_EQ(files.current, host.rlim_cur);
  EXPECT_EQ(guest.call(number::prlimit64, 0, RLIMIT_NOFILE, nullptr, &before), 0);
  EXPECT_EQ(before.maximum, host.rlim_max);
  // An address space limit is believed, and ferry's own mappings go on.
  Rlimit wanted{4096, 8192};
  ASSERT_EQ(guest.call(number::setrlimit, RLIMIT_AS, &wanted), 0);
  ASSERT_EQ(guest.call(number::prlimit64, 0, RLIMIT_AS, nullptr, &after), 0);
  EXPECT_EQ(after.current, 4096u);
  getrlimit(RLIMIT_AS, &host);
  EXPECT_NE(host.rlim_cur, 4096u);
  wanted = {9000, 8192};
  EXPECT_EQ(guest.call(number::setrlimit, RLIMIT_AS, &wanted), -EINVAL);
  EXPECT_EQ(guest.call(number::setrlimit, RLIMIT_AS, bad_pointer), -EFAULT);
  EXPECT_EQ(guest.call(number::getrlimit, 99, &after), -EINVAL);
}

TEST(Call, semctl) {
  Guest guest;
  i64 id = guest.call(number::semget, IPC_PRIVATE, 3, 0600);
  ASSERT_GE(id, 0);
  guest_abi::SemaphoreSet set;
  memset(&set, 0xff, sizeof set);
  EXPECT_EQ(guest.call(number::semctl, id, 0, IPC_STAT, &set), 0);
  EXPECT_EQ(set.semaphores, 3u);
  EXPECT_EQ(set.permission.mode, 0600u);
  set.permission.mode = 0640;
  EXPECT_EQ(guest.call(number::semctl, id, 0, IPC_SET, &set), 0);
  EXPECT_EQ(guest.call(number::semctl, id, 1, SETVAL, 5), 0);
  EXPECT_EQ(guest.call(number::semctl, id, 1, GETVAL, 0), 5);
  EXPECT_EQ(guest.call(number::semctl, id, 0, IPC_STAT, &set), 0);
  EXPECT_EQ(set.permission.mode, 0640u);
  EXPECT_EQ(guest.call(number::semctl, id, 0, IPC_STAT, bad_pointer), -EFAULT);
  EXPECT_EQ(guest.call(number::semctl, id, 0, IPC_RMID, 0), 0);
}

TEST(Call, msgget__msgctl__msgsnd__msgrcv) {
  Guest guest;
  i64 id = guest.call(number::msgget, IPC_PRIVATE, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  struct {
    i64 type;
    char text[8];
  } message{7, "hello"}, back{};
  EXPECT_EQ(guest.call(number::msgsnd, id, &message, 6, 0), 0);
  EXPECT_EQ(guest.call(number::msgrcv, id, &back, 8, 7, IPC_NOWAIT), 6);
  EXPECT_STREQ(back.text, "hello");
  EXPECT_EQ(guest.call(number::msgctl, id, IPC_RMID, nullptr), 0);
}

TEST(Call, restart_syscall__mlockall__munlockall__unshare) {
  Guest guest;
  EXPECT_EQ(guest.call(number::restart_syscall), -EINTR);
  EXPECT_EQ(guest.call(number::mlockall, 1), 0);
  EXPECT_EQ(guest.call(number::mlockall, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::munlockall), 0);
  EXPECT_EQ(guest.call(number::unshare, 0), 0);
  EXPECT_EQ(guest.call(number::unshare, 1), -EINVAL);
}

}  // namespace ferry::syscalls
