// Lines of --strace, word for word as strace(1) has them.
#include "syscalls/strace.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <cstring>

#include "guest/log.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

namespace {

constexpr int at_cwd = -100;

std::string address(const void* p) {
  char text[32];
  snprintf(text, sizeof text, "%p", p);
  return text;
}

// Makes the call with tracing on and returns what was written.
struct Traced : Guest {
  TemporaryDirectory directory;
  std::string file = directory / "trace";
  int reader;

  Traced() {
    EXPECT_TRUE(start_strace(file.c_str()));
    reader = open(file.c_str(), O_RDONLY);
  }
  ~Traced() {
    strace_enabled = false;
    close(reader);
  }
  template <class... A>
  std::string line(u32 number, A... arguments) {
    call(number, arguments...);
    return read_whole(reader);
  }
};

}  // namespace

TEST(Strace, files) {
  Traced t;
  EXPECT_EQ(t.line(number::openat, at_cwd, "/no/such/file", O_RDONLY | O_CLOEXEC, 0),
            "openat(AT_FDCWD, \"/no/such/file\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\n");
  std::string name = t.directory / "new";
  i64 fd = t.call(number::openat, at_cwd, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  EXPECT_EQ(read_whole(t.reader),
            "openat(AT_FDCWD, \"" + name + "\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = " + std::to_string(fd) + "\n");
  std::string number_text = std::to_string(fd);
  EXPECT_EQ(t.line(number::write, fd, "hi\n", 3), "write(" + number_text + ", \"hi\\n\", 3) = 3\n");
  EXPECT_EQ(t.line(number::lseek, fd, 0, SEEK_SET), "lseek(" + number_text + ", 0, SEEK_SET) = 0\n");
  EXPECT_EQ(t.line(number::close, fd), "close(" + number_text + ") = 0\n");
  EXPECT_EQ(t.line(number::openat, at_cwd, "/", guest_abi::open_directory | O_NONBLOCK, 0),
            "openat(AT_FDCWD, \"/\", O_RDONLY|O_NONBLOCK|O_DIRECTORY) = " + number_text + "\n");
  EXPECT_EQ(t.line(number::close, fd), "close(" + number_text + ") = 0\n");
  EXPECT_EQ(t.line(number::faccessat, at_cwd, "/etc/ld.so.preload-no", R_OK),
            "faccessat(AT_FDCWD, \"/etc/ld.so.preload-no\", R_OK) = -1 ENOENT (No such file or directory)\n");
  EXPECT_EQ(t.line(number::umask, 022).substr(0, 14), "umask(022) = 0");
  EXPECT_EQ(t.line(number::mkdirat, at_cwd, "/", 0755), "mkdirat(AT_FDCWD, \"/\", 0755) = -1 EEXIST (File exists)\n");
  EXPECT_EQ(t.line(number::unlinkat, at_cwd, "/no-such", AT_REMOVEDIR),
            "unlinkat(AT_FDCWD, \"/no-such\", AT_REMOVEDIR) = -1 ENOENT (No such file or directory)\n");
}

TEST(Strace, strings_are_escaped_and_cut) {
  Traced t;
  int null = open("/dev/null", O_WRONLY);
  std::string fd = std::to_string(null);
  EXPECT_EQ(t.line(number::write, null, "\177ELF\2\1\1\0\"\\\t8", 12),
            "write(" + fd + ", \"\\177ELF\\2\\1\\1\\0\\\"\\\\\\t8\", 12) = 12\n");
  EXPECT_EQ(t.line(number::write, null, "\0001", 2), "write(" + fd + ", \"\\0001\", 2) = 2\n")
      << "a digit after an octal escape";
  std::string exact(32, 'a'), longer(33, 'a');
  EXPECT_EQ(t.line(number::write, null, exact.c_str(), 32), "write(" + fd + ", \"" + exact + "\", 32) = 32\n");
  EXPECT_EQ(t.line(number::write, null, longer.c_str(), 33), "write(" + fd + ", \"" + exact + "\"..., 33) = 33\n");
#ifndef EMULATED_HOST  // qemu-user looks at the buffer before the descriptor
  EXPECT_EQ(t.line(number::write, -1, bad_pointer, 3), "write(-1, 0x10, 3) = -1 EBADF (Bad file descriptor)\n");
#endif
  close(null);
}

TEST(Strace, what_comes_back_is_printed_after_the_call) {
  Traced t;
  int ends[2] = {};
  t.call(number::pipe2, ends, O_CLOEXEC);
  std::string in = std::to_string(ends[0]), out = std::to_string(ends[1]);
  EXPECT_EQ(read_whole(t.reader), "pipe2([" + in + ", " + out + "], O_CLOEXEC) = 0\n");
  EXPECT_EQ(::write(ends[1], "abcdef", 6), 6);
  char buffer[16] = "before";
  EXPECT_EQ(t.line(number::read, ends[0], buffer, 16), "read(" + in + ", \"abcdef\", 16) = 6\n");
  EXPECT_EQ(t.line(number::read, -1, buffer, 16),
            "read(-1, " + address(buffer) + ", 16) = -1 EBADF (Bad file descriptor)\n");
  char left[] = "ab", right[] = "cd";
  Iovec parts[2] = {{reinterpret_cast<u64>(left), 2}, {reinterpret_cast<u64>(right), 2}};
  EXPECT_EQ(t.line(number::writev, ends[1], parts, 2),
            "writev(" + out + ", [{iov_base=\"ab\", iov_len=2}, {iov_base=\"cd\", iov_len=2}], 2) = 4\n");
  PollFd set[1] = {{ends[0], POLLIN, 0}};
  Timespec none{0, 0};
  EXPECT_EQ(t.line(number::ppoll, set, 1, &none, nullptr, 0),
            "ppoll([{fd=" + in + ", events=POLLIN}], 1, {tv_sec=0, tv_nsec=0}, NULL, 0) = 1 ([{fd=" + in +
                ", revents=POLLIN}])\n");
  i32 waiting = 0;
  EXPECT_EQ(t.line(number::ioctl, ends[0], 0x541b, &waiting), "ioctl(" + in + ", FIONREAD, [4]) = 0\n");
  EXPECT_EQ(t.line(number::ioctl, ends[0], 0x5413, &waiting),
            "ioctl(" + in + ", TIOCGWINSZ, " + address(&waiting) + ") = -1 ENOTTY (Inappropriate ioctl for device)\n");
  EXPECT_EQ(t.line(number::fcntl, ends[0], F_GETFD, 0), "fcntl(" + in + ", F_GETFD) = 0x1 (flags FD_CLOEXEC)\n");
  EXPECT_EQ(t.line(number::fcntl, ends[0], F_GETFL, 0), "fcntl(" + in + ", F_GETFL) = 0 (flags O_RDONLY)\n");
  EXPECT_EQ(t.line(number::fcntl, ends[0], F_SETFL, O_NONBLOCK),
            "fcntl(" + in + ", F_SETFL, O_RDONLY|O_NONBLOCK) = 0\n");
  close(ends[0]);
  close(ends[1]);
}

TEST(Strace, structures) {
  Traced t;
  std::string name = t.directory / "five";
  write_file(name, "12345");
  chmod(name.c_str(), 0640);
  guest_abi::Stat status;
  EXPECT_EQ(t.line(number::newfstatat, at_cwd, name.c_str(), &status, 0),
            "newfstatat(AT_FDCWD, \"" + name + "\", {st_mode=S_IFREG|0640, st_size=5, ...}, 0) = 0\n");
  EXPECT_EQ(t.line(number::newfstatat, at_cwd, "/dev/null", &status, AT_SYMLINK_NOFOLLOW),
            "newfstatat(AT_FDCWD, \"/dev/null\", {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}, "
            "AT_SYMLINK_NOFOLLOW) = 0\n");
  EXPECT_EQ(
      t.line(number::newfstatat, at_cwd, "/no/such", &status, 0),
      "newfstatat(AT_FDCWD, \"/no/such\", " + address(&status) + ", 0) = -1 ENOENT (No such file or directory)\n");
  Rlimit limit{8192 * 1024, ~u64{0}};
  Rlimit old{};
  rlimit host;
  getrlimit(RLIMIT_CORE, &host);
  t.call(number::prlimit64, 0, RLIMIT_AS, &limit, nullptr);
  EXPECT_EQ(read_whole(t.reader),
            "prlimit64(0, RLIMIT_AS, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}, NULL) = 0\n");
  EXPECT_EQ(t.line(number::prlimit64, 0, RLIMIT_AS, nullptr, &old),
            "prlimit64(0, RLIMIT_AS, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0\n");
  Timespec pause{0, 1000};
  EXPECT_EQ(t.line(number::clock_nanosleep, 0, 0, &pause, nullptr),
            "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=0, tv_nsec=1000}, NULL) = 0\n");
  guest_abi::EpollEvent event{1, 0, 5};
  EXPECT_EQ(
      t.line(number::epoll_ctl, -1, 1, 0, &event),
      "epoll_ctl(-1, EPOLL_CTL_ADD, 0, {events=EPOLLIN, data={u32=5, u64=5}}) = -1 EBADF (Bad file descriptor)\n");
  char target[64];
  ASSERT_EQ(symlink("there", (t.directory / "link").c_str()), 0);
  EXPECT_EQ(t.line(number::readlinkat, at_cwd, (t.directory / "link").c_str(), target, 64),
            "readlinkat(AT_FDCWD, \"" + (t.directory / "link") + "\", \"there\", 64) = 5\n");
}

TEST(Strace, memory) {
  Traced t;
  i64 at = t.call(number::mmap, nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::string where = address(reinterpret_cast<void*>(at));
  EXPECT_EQ(read_whole(t.reader),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = " + where + "\n");
  EXPECT_EQ(t.line(number::mprotect, at, 4096, PROT_NONE), "mprotect(" + where + ", 4096, PROT_NONE) = 0\n");
  EXPECT_EQ(t.line(number::mprotect, at, 4096, PROT_READ | PROT_EXEC),
            "mprotect(" + where + ", 4096, PROT_READ|PROT_EXEC) = 0\n");
  EXPECT_EQ(t.line(number::madvise, at, 4096, MADV_DONTNEED), "madvise(" + where + ", 4096, MADV_DONTNEED) = 0\n");
  EXPECT_EQ(t.line(number::munmap, at, 8192), "munmap(" + where + ", 8192) = 0\n");
}

TEST(Strace, sockets) {
  Traced t;
  i64 fd = t.call(number::socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string number_text = std::to_string(fd);
  EXPECT_EQ(read_whole(t.reader), "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = " + number_text + "\n");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  strcpy(name.sun_path, "/no/such/socket");
  EXPECT_EQ(t.line(number::connect, fd, &name, sizeof name),
            "connect(" + number_text +
                ", {sa_family=AF_UNIX, sun_path=\"/no/such/socket\"}, 110) = -1 ENOENT (No such file or directory)\n");
  i32 one = 1;
  EXPECT_EQ(t.line(number::setsockopt, fd, SOL_SOCKET, SO_PASSCRED, &one, 4),
            "setsockopt(" + number_text + ", SOL_SOCKET, SO_PASSCRED, [1], 4) = 0\n");
  sockaddr_in internet{};
  internet.sin_family = AF_INET;
  internet.sin_port = htons(53);
  internet.sin_addr.s_addr = htonl(0x7f000001);
  EXPECT_EQ(t.line(number::bind, -1, &internet, sizeof internet),
            "bind(-1, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = -1 EBADF (Bad "
            "file descriptor)\n");
  EXPECT_EQ(t.line(number::shutdown, -1, SHUT_RDWR), "shutdown(-1, SHUT_RDWR) = -1 EBADF (Bad file descriptor)\n");
  close(static_cast<int>(fd));
}

TEST(Strace, unknown_and_refused_calls) {
  Traced t;
  int silence = open("/dev/null", O_WRONLY);
  {
    Captured log(log_fd);
    EXPECT_EQ(t.line(300, 1, 0, 2, 0, 0, 0),
              "syscall_0x12c(0x1, 0, 0x2, 0, 0, 0) = -1 ENOSYS (Function not implemented)\n");
    EXPECT_EQ(t.line(number::io_uring_setup, 8, bad_pointer),
              "io_uring_setup(8, 0x10) = -1 ENOSYS (Function not implemented)\n");
  }
  close(silence);
}

TEST(Strace, futex_has_the_arguments_of_its_operation) {
  Traced t;
  u32 word = 1;
  std::string at = address(&word);
  EXPECT_EQ(t.line(number::futex, &word, 129, 1, 0, 0, 0), "futex(" + at + ", FUTEX_WAKE_PRIVATE, 1) = 0\n");
  EXPECT_EQ(t.line(number::futex, &word, 128, 0, nullptr, 0, 0),
            "futex(" + at + ", FUTEX_WAIT_PRIVATE, 0, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n");
  EXPECT_EQ(t.line(number::futex, &word, 137, 0, nullptr, 0, ~0u),
            "futex(" + at +
                ", FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY) = -1 EAGAIN (Resource temporarily "
                "unavailable)\n");
}

TEST(Strace, exits_signals_and_several_tasks) {
  Traced t;
  strace_exited(3);
  strace_killed(SIGSEGV);
  Siginfo info{};
  info.signal = SIGSEGV, info.code = 1;
  info.fields[0] = 0x10;
  strace_signal(info);
  EXPECT_EQ(read_whole(t.reader),
            "+++ exited with 3 +++\n"
            "+++ killed by SIGSEGV +++\n"
            "--- SIGSEGV {si_signo=SIGSEGV, si_code=1, si_addr=0x10} ---\n");
  // A call that does not come back, as exec does: the handler prints the line, dispatch() does not print it again.
  StraceLine line;
  Call call{{1, 2, 3}};
  strace_begin(line, number::setpgid, call);
  strace_finish_pending(0);
  call.result = 0;
  strace_end(line, call);
  EXPECT_EQ(read_whole(t.reader), "setpgid(1, 2) = 0\n");
  strace_several_tasks();
  char expected[64];
  snprintf(expected, sizeof expected, "[pid %5d] sync() = 0\n", gettid());
  EXPECT_EQ(t.line(number::sync), expected);
}

TEST(Strace, the_first_execve) {
  Traced t;
  static const char strings[] = "prog\0an argument that is longer than 32 bytes\0HOME=/\0A=b";
  auto at = [&](size_t offset) { return GuestAddr{reinterpret_cast<u64>(strings) + offset}; };
  strace_started("/usr/bin/prog", at(0), at(47), at(47), at(sizeof strings));
  EXPECT_EQ(read_whole(t.reader), "execve(\"/usr/bin/prog\", [\"prog\", \"an argument that is longer than \"...], " +
                                      address(strings + 47) + " /* 2 vars */) = 0\n");
}

TEST(Strace, every_call_ends_in_one_line) {
  Traced t;
  pid_t child = fork();
  if (child == 0) {
    t.call(number::exit_group, 7);
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(read_whole(t.reader), "exit_group(7) = ?\n+++ exited with 7 +++\n");
}

TEST(Strace, flags_and_names) {
  auto flags = [](u64 value, const FlagTable& table) {
    Text text;
    print_flags(text, value, table);
    return std::string(text.view());
  };
  EXPECT_EQ(flags(0, open_flags), "O_RDONLY");
  EXPECT_EQ(flags(O_RDWR | 0x80000000, open_flags), "O_RDWR|0x80000000");
  EXPECT_EQ(flags(020000000 | guest_abi::open_directory | O_RDWR, open_flags), "O_RDWR|O_TMPFILE");
  EXPECT_EQ(flags(04010000, open_flags), "O_RDONLY|O_SYNC");
  EXPECT_EQ(flags(010000, open_flags), "O_RDONLY|O_DSYNC");
  EXPECT_EQ(flags(0, msync_flags), "0");
  EXPECT_EQ(flags(0x40, msync_flags), "0x40 /* MS_??? */");
  EXPECT_EQ(flags(0, protections), "PROT_NONE");
  EXPECT_EQ(flags(MAP_SHARED | MAP_FIXED, mmap_flags), "MAP_SHARED|MAP_FIXED");
  EXPECT_EQ(flags(MAP_SHARED_VALIDATE, mmap_flags), "MAP_SHARED_VALIDATE");
  EXPECT_EQ(flags(R_OK | X_OK, access_modes), "R_OK|X_OK");
  EXPECT_EQ(flags(0, access_modes), "F_OK");
  EXPECT_STREQ(signal_name(SIGSYS), "SIGSYS");
  EXPECT_STREQ(signal_name(SIGHUP), "SIGHUP");
  EXPECT_EQ(signal_name(0), nullptr);
  Text set;
  print_value(set, Sigset{u64{1} << (SIGCHLD - 1) | 2});
  EXPECT_EQ(set.view(), "[INT CHLD]");
  Text inverted;
  print_value(inverted, Sigset{~(u64{1} << (SIGKILL - 1))});
  EXPECT_EQ(inverted.view(), "~[KILL]");
  Text exited;
  print_value(exited, WaitStatus{0x0300});
  EXPECT_EQ(exited.view(), "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]");
  Text killed;
  print_value(killed, WaitStatus{SIGSEGV | 0x80});
  EXPECT_EQ(killed.view(), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]");
}

}  // namespace ferry::syscalls
