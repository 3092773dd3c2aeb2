#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include <vector>

#include "syscalls/abi.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

namespace {
struct Pipe {
  i32 ends[2];
  Pipe() { EXPECT_EQ(pipe(ends), 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  void fill() { EXPECT_EQ(::write(ends[1], "x", 1), 1); }
};
}  // namespace

TEST(Call, epoll_ctl__epoll_pwait__epoll_pwait2) {
  Guest guest;
  Pipe one, two;
  i64 epoll = guest.call(number::epoll_create1, 0);
  ASSERT_GE(epoll, 0);
  // The guest's events are 16 bytes: the data must not be taken from where x86_64 has it.
  guest_abi::EpollEvent event{EPOLLIN, 0xdeadbeef, 0x1111222233334444};
  ASSERT_EQ(guest.call(number::epoll_ctl, epoll, EPOLL_CTL_ADD, one.ends[0], &event), 0);
  event.data = 0x5555666677778888;
  ASSERT_EQ(guest.call(number::epoll_ctl, epoll, EPOLL_CTL_ADD, two.ends[0], &event), 0);
  EXPECT_EQ(guest.call(number::epoll_ctl, epoll, EPOLL_CTL_MOD, two.ends[0], bad_pointer), -EFAULT);
  one.fill();
  two.fill();
  guest_abi::EpollEvent events[3] = {{9, 9, 9}, {9, 9, 9}, {9, 9, 9}};
  ASSERT_EQ(guest.call(number::epoll_pwait, epoll, events, 3, 0, nullptr, 8), 2);
  EXPECT_EQ(events[0].data, 0x1111222233334444u);
  EXPECT_EQ(events[1].data, 0x5555666677778888u);
  EXPECT_EQ(events[1].events, u32{EPOLLIN});
  EXPECT_EQ(events[2].data, 9u) << "only what is ready is written";
  EXPECT_EQ(guest.call(number::epoll_pwait, epoll, events, 1, 0, nullptr, 8), 1);
  EXPECT_EQ(guest.call(number::epoll_pwait, epoll, events, 0, 0, nullptr, 8), -EINVAL);
  EXPECT_EQ(guest.call(number::epoll_pwait, epoll, bad_pointer, 3, 0, nullptr, 8), -EFAULT);
  Sigset mask{~u64{0}};
  EXPECT_EQ(guest.call(number::epoll_pwait, epoll, events, 3, 0, &mask, 8), 2);
  EXPECT_EQ(guest.call(number::epoll_pwait, epoll, events, 3, 0, &mask, 4), -EINVAL);
  EXPECT_EQ(guest.call(number::epoll_ctl, epoll, EPOLL_CTL_DEL, one.ends[0], bad_pointer), 0) << "DEL takes no event";
#ifndef EMULATED_HOST  // not in qemu-user 7.2
  Timespec none{};
  EXPECT_EQ(guest.call(number::epoll_pwait2, epoll, events, 3, &none, nullptr, 8), 1);
  EXPECT_EQ(events[0].data, 0x5555666677778888u);
#endif
  close(static_cast<int>(epoll));
}

TEST(Call, epoll_pwait_with_many_events) {
  Guest guest;
  Pipe pipe;
  pipe.fill();
  i64 epoll = guest.call(number::epoll_create1, 0);
  ASSERT_GE(epoll, 0);
  constexpr u64 many = 700;
  std::vector<int> copies;
  for (u64 i = 0; i < many; i++) {
    copies.push_back(dup(pipe.ends[0]));
    guest_abi::EpollEvent event{EPOLLIN, 0, i};
    ASSERT_EQ(guest.call(number::epoll_ctl, epoll, EPOLL_CTL_ADD, copies.back(), &event), 0);
  }
  std::vector<guest_abi::EpollEvent> events(many);
  ASSERT_EQ(guest.call(number::epoll_pwait, epoll, events.data(), many, 0, nullptr, 8), static_cast<i64>(many));
  for (u64 i = 0; i < many; i++) EXPECT_EQ(events[i].data, i);
  for (int copy : copies) close(copy);
  close(static_cast<int>(epoll));
}

TEST(Call, ppoll__pselect6) {
  Guest guest;
  Pipe pipe;
  PollFd set[2] = {{pipe.ends[0], POLLIN, 0}, {pipe.ends[1], POLLOUT, 0}};
  Timespec none{};
  EXPECT_EQ(guest.call(number::ppoll, set, 2, &none, nullptr, 0), 1);
  EXPECT_EQ(set[0].revents, 0);
  EXPECT_EQ(set[1].revents, POLLOUT);
  pipe.fill();
  Sigset mask{0};
  EXPECT_EQ(guest.call(number::ppoll, set, 2, &none, &mask, 8), 2);
  EXPECT_EQ(guest.call(number::ppoll, set, 2, &none, &mask, 4), -EINVAL);
  EXPECT_EQ(guest.call(number::ppoll, set, 2, &none, bad_pointer, 8), -EFAULT);
  EXPECT_EQ(guest.call(number::ppoll, bad_pointer, 2, &none, nullptr, 0), -EFAULT);

  fd_set in;
  FD_ZERO(&in);
  FD_SET(pipe.ends[0], &in);
  struct {
    const Sigset* set;
    u64 size;
  } argument{&mask, 8};
  EXPECT_EQ(guest.call(number::pselect6, pipe.ends[0] + 1, &in, nullptr, nullptr, &none, &argument), 1);
  EXPECT_TRUE(FD_ISSET(pipe.ends[0], &in));
  EXPECT_EQ(guest.call(number::pselect6, pipe.ends[0] + 1, &in, nullptr, nullptr, &none, nullptr), 1);
  argument.size = 16;
  EXPECT_EQ(guest.call(number::pselect6, pipe.ends[0] + 1, &in, nullptr, nullptr, &none, &argument), -EINVAL);
  EXPECT_EQ(guest.call(number::pselect6, pipe.ends[0] + 1, &in, nullptr, nullptr, &none, bad_pointer), -EFAULT);
}

TEST(Call, signalfd4) {
  Guest guest;
  Sigset mask{u64{1} << (SIGUSR1 - 1)};
  sigset_t blocked, old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &old);
  i64 fd = guest.call(number::signalfd4, -1, &mask, 8, 0);
  ASSERT_GE(fd, 0);
  raise(SIGUSR1);
  u32 info[32];
  ASSERT_EQ(guest.call(number::read, fd, info, sizeof info), 128);
  EXPECT_EQ(info[0], u32{SIGUSR1});
  sigprocmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(guest.call(number::signalfd4, -1, &mask, 4, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::signalfd4, -1, bad_pointer, 8, 0), -EFAULT);
  close(static_cast<int>(fd));
}

}  // namespace ferry::syscalls
