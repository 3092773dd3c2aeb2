// Calls of processes, threads and signals that can be shown without running guest code; the programs cover the rest.
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syscalls/abi.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

TEST(Call, wait4__waitid) {
  Guest guest;
  pid_t child = fork();
  if (child == 0) _exit(3);
  Siginfo info{};
  EXPECT_EQ(guest.call(number::waitid, P_PID, child, &info, WEXITED | WNOWAIT, nullptr), 0);
  EXPECT_EQ(info.signal, SIGCHLD);
  i32 status = 0;
  Rusage usage{};
  EXPECT_EQ(guest.call(number::wait4, child, &status, 0, &usage), child);
  EXPECT_EQ(status, 3 << 8);
  EXPECT_GT(usage.maximum_resident, 0);
  EXPECT_EQ(guest.call(number::wait4, child, &status, 0, nullptr), -ECHILD);
  EXPECT_EQ(guest.call(number::wait4, -1, bad_pointer, WNOHANG | 0x100, nullptr), -EINVAL);
}

TEST(Call, futex__futex_waitv__get_robust_list) {
  Guest guest;
  u32 word = 1;
  EXPECT_EQ(guest.call(number::futex, &word, FUTEX_WAKE, 1, 0, 0, 0), 0);
  EXPECT_EQ(guest.call(number::futex, &word, FUTEX_WAIT, 2, nullptr, 0, 0), -EAGAIN);
  Timespec soon{0, 1000};
  EXPECT_EQ(guest.call(number::futex, &word, FUTEX_WAIT, 1, &soon, 0, 0), -ETIMEDOUT);
  EXPECT_EQ(guest.call(number::futex, bad_pointer, FUTEX_WAIT, 1, nullptr, 0, 0), -EFAULT);
  EXPECT_EQ(guest.call(number::futex_waitv, bad_pointer, 1, 0, nullptr, 0),
            syscall(449, bad_pointer, 1, 0, nullptr, 0) < 0 ? -errno : 0);
#ifndef EMULATED_HOST  // qemu-user has no robust lists
  u64 head = 0, size = 0;
  EXPECT_EQ(guest.call(number::get_robust_list, 0, &head, &size), 0);
  EXPECT_EQ(size, 24u);
#endif
}

TEST(Call, kill__tkill__tgkill__pidfd_send_signal) {
  Guest guest;
  i64 self = getpid();
  EXPECT_EQ(guest.call(number::kill, self, 0), 0);
  EXPECT_EQ(guest.call(number::kill, self, 99), -EINVAL);
  EXPECT_EQ(guest.call(number::tkill, gettid(), 0), 0);
  EXPECT_EQ(guest.call(number::tgkill, self, gettid(), 0), 0);
  EXPECT_EQ(guest.call(number::tgkill, self, 0, 0), -EINVAL);
  i64 fd = guest.call(number::pidfd_open, self, 0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(guest.call(number::pidfd_send_signal, fd, 0, nullptr, 0), 0);
  EXPECT_EQ(guest.call(number::pidfd_send_signal, fd, 0, nullptr, 99), -EINVAL);
  close(static_cast<int>(fd));
}

TEST(Call, rt_sigqueueinfo__rt_tgsigqueueinfo) {
  Guest guest;
  Siginfo info{};
  EXPECT_EQ(guest.call(number::rt_sigqueueinfo, getpid(), 0, bad_pointer), -EFAULT);
  EXPECT_EQ(guest.call(number::rt_tgsigqueueinfo, getpid(), gettid(), 99, &info), -EINVAL);
}

}  // namespace ferry::syscalls
