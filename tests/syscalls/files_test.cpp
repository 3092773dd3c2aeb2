#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

#include "guest/log.h"
#include "syscalls/abi.h"
#include "syscalls/descriptors.h"
#include "syscalls/memory.h"
#include "syscalls/proc_files.h"
#include "tests/syscalls/guest.h"
#include "translator/translator.h"

namespace ferry::syscalls {

namespace {
constexpr int at_cwd = -100;
std::string content(Guest& guest, const char* path) {
  i64 fd = guest.call(number::openat, at_cwd, path, O_RDONLY, 0);
  if (fd < 0) return "error " + std::to_string(-fd);
  std::string text = read_whole(static_cast<int>(fd));
  close(static_cast<int>(fd));
  return text;
}
std::string link_target(Guest& guest, const char* path) {
  char target[4096];
  i64 length = guest.call(number::readlinkat, at_cwd, path, target, sizeof target);
  return length < 0 ? "error " + std::to_string(-length) : std::string(target, static_cast<size_t>(length));
}
}  // namespace

TEST(Call, openat__openat2) {
  if (!on_a_real_kernel()) GTEST_SKIP() << "the host is emulated";
  Guest guest;
  TemporaryDirectory directory;
  std::string file = directory / "file", link = directory / "link";
  ASSERT_EQ(symlink("file", link.c_str()), 0);
  i64 fd = guest.call(number::openat, at_cwd, file.c_str(), O_RDWR | O_CREAT | O_EXCL, 0640);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(guest.call(number::write, fd, "text", 4), 4);
  close(static_cast<int>(fd));
  EXPECT_EQ(content(guest, link.c_str()), "text");
  // The flags have the guest's values: as x86_64's they would be O_DIRECT and O_LARGEFILE, and both calls would succeed.
  EXPECT_EQ(guest.call(number::openat, at_cwd, file.c_str(), guest_abi::open_directory, 0), -ENOTDIR);
  EXPECT_EQ(guest.call(number::openat, at_cwd, link.c_str(), guest_abi::open_nofollow, 0), -ELOOP);
  OpenHow how{guest_abi::open_nofollow, 0, 0};
  EXPECT_EQ(guest.call(number::openat2, at_cwd, link.c_str(), &how, sizeof how), -ELOOP);
  how.flags = 0;
  fd = guest.call(number::openat2, at_cwd, link.c_str(), &how, sizeof how);
  EXPECT_GE(fd, 0);
  close(static_cast<int>(fd));
  EXPECT_EQ(guest.call(number::openat2, at_cwd, link.c_str(), &how, sizeof how - 1), -EINVAL);
  struct {
    OpenHow how;
    u64 more;
  } longer{how, 0};
  fd = guest.call(number::openat2, at_cwd, link.c_str(), &longer, sizeof longer);
  EXPECT_GE(fd, 0);
  close(static_cast<int>(fd));
  longer.more = 1;
  EXPECT_EQ(guest.call(number::openat2, at_cwd, link.c_str(), &longer, sizeof longer), -E2BIG);
  EXPECT_EQ(guest.call(number::openat2, at_cwd, link.c_str(), bad_pointer, sizeof how), -EFAULT);
  EXPECT_EQ(guest.call(number::openat, at_cwd, "", 0, 0), -ENOENT);
  EXPECT_EQ(guest.call(number::openat, at_cwd, std::string(5000, 'x').c_str(), 0, 0), -ENAMETOOLONG);
}

TEST(Call, fstat__newfstatat) {
  Guest guest;
  TemporaryDirectory directory;
  write_file(directory / "file", "12345");
  ASSERT_EQ(symlink("file", (directory / "link").c_str()), 0);
  struct stat host;
  ASSERT_EQ(stat((directory / "file").c_str(), &host), 0);
  guest_abi::Stat status;
  memset(&status, 0xff, sizeof status);
  ASSERT_EQ(guest.call(number::newfstatat, at_cwd, (directory / "link").c_str(), &status, 0), 0);
  EXPECT_EQ(status.ino, host.st_ino);
  EXPECT_EQ(status.mode, host.st_mode);
  EXPECT_EQ(status.size, 5);
  EXPECT_EQ(status.nlink, 1u);
  EXPECT_EQ(status.modification.seconds, host.st_mtim.tv_sec);
  EXPECT_EQ(status.modification.nanoseconds, host.st_mtim.tv_nsec);
  ASSERT_EQ(guest.call(number::newfstatat, at_cwd, (directory / "link").c_str(), &status, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_TRUE(S_ISLNK(status.mode));
  ASSERT_EQ(guest.call(number::newfstatat, 0, "", &status, AT_EMPTY_PATH), 0);
  EXPECT_EQ(guest.call(number::newfstatat, at_cwd, directory.path().c_str(), bad_pointer, 0), -EFAULT);
}

TEST(Call, fcntl) {
  Guest guest;
  TemporaryDirectory directory;
  write_file(directory / "file", "x");
  i64 fd = guest.call(number::openat, at_cwd, (directory / "file").c_str(), O_RDWR | guest_abi::open_nofollow, 0);
  ASSERT_GE(fd, 0);
  i64 flags = guest.call(number::fcntl, fd, F_GETFL, 0);
  EXPECT_EQ(flags & O_ACCMODE, O_RDWR);
  EXPECT_NE(static_cast<u64>(flags) & guest_abi::open_nofollow, 0u) << "given back in the guest's bits";
  EXPECT_EQ(guest.call(number::fcntl, fd, F_SETFL, O_APPEND), 0);
  EXPECT_NE(guest.call(number::fcntl, fd, F_GETFL, 0) & O_APPEND, 0);
  EXPECT_EQ(guest.call(number::fcntl, fd, F_SETFD, FD_CLOEXEC), 0);
  EXPECT_EQ(guest.call(number::fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
  Flock lock{F_WRLCK, SEEK_SET, 0, 0, 1, 0, 0};
  EXPECT_EQ(guest.call(number::fcntl, fd, 6 /* F_SETLK */, &lock), 0);
  EXPECT_EQ(guest.call(number::fcntl, fd, F_OFD_GETLK, &lock), 0);
  EXPECT_EQ(lock.type, F_WRLCK) << "the process's lock is in the way of an open file description's";
  EXPECT_EQ(guest.call(number::fcntl, fd, 6, bad_pointer), -EFAULT);
  i64 copy = guest.call(number::fcntl, fd, F_DUPFD_CLOEXEC, 50);
  EXPECT_GE(copy, 50);
  EXPECT_EQ(guest.call(number::fcntl, fd, 9999, 0), -EINVAL);
  close(static_cast<int>(copy));
  close(static_cast<int>(fd));
}

TEST(Call, close__close_range) {
  Guest guest;
  int own = take_descriptor(open("/dev/null", O_RDONLY));
  ASSERT_GE(own, 20);
  EXPECT_EQ(guest.call(number::close, own), -EBADF);
  EXPECT_EQ(guest.call(number::dup, own), -EBADF);
  EXPECT_EQ(guest.call(number::dup3, 0, own, 0), -EBADF) << "would replace it";
  EXPECT_EQ(guest.call(number::fcntl, own, F_GETFD, 0), -EBADF);
  EXPECT_EQ(guest.call(number::ioctl, own, FIONREAD, nullptr), -EBADF);
  char byte;
  EXPECT_EQ(guest.call(number::read, own, &byte, 1), -EBADF);
  int low = fcntl(0, F_DUPFD, own - 3), high = fcntl(0, F_DUPFD, own + 2);
  ASSERT_LT(low, own);
  EXPECT_EQ(guest.call(number::close_range, own - 3, ~0u, 0), 0);
  EXPECT_LT(fcntl(low, F_GETFD), 0);
  EXPECT_LT(fcntl(high, F_GETFD), 0);
  EXPECT_GE(fcntl(own, F_GETFD), 0) << "ferry's own is passed over";
  EXPECT_EQ(guest.call(number::close_range, 5, 4, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::close_range, own - 1, own + 1, 0x100), -EINVAL);
  int later = take_descriptor(open("/dev/null", O_RDONLY));
  unprotect_descriptor(own);
  // -1 is none of ferry's, whichever of them have been given back meanwhile.
  EXPECT_GE(guest.call(number::openat, -1, "/dev/null", O_RDONLY, 0), 0);
  u64 mask = 0;
  EXPECT_GE(guest.call(number::signalfd4, -1, &mask, 8, 0), 0);
  EXPECT_EQ(guest.call(number::close, own), 0);
  unprotect_descriptor(later);
  close(later);
}

TEST(Call, readlinkat__getcwd) {
  Guest guest;
  TemporaryDirectory directory;
  ASSERT_EQ(symlink("somewhere", (directory / "link").c_str()), 0);
  EXPECT_EQ(link_target(guest, (directory / "link").c_str()), "somewhere");
  char short_buffer[4] = {'-', '-', '-', '-'};
  EXPECT_EQ(guest.call(number::readlinkat, at_cwd, (directory / "link").c_str(), short_buffer, 3), 3);
  EXPECT_EQ(std::string(short_buffer, 4), "som-");
  EXPECT_EQ(guest.call(number::readlinkat, at_cwd, (directory / "link").c_str(), short_buffer, 0), -EINVAL);
  EXPECT_EQ(guest.call(number::readlinkat, at_cwd, directory.path().c_str(), short_buffer, 3), -EINVAL);
  char text[4096];
  char* expected = get_current_dir_name();
  EXPECT_EQ(guest.call(number::getcwd, text, sizeof text), static_cast<i64>(strlen(expected) + 1));
  EXPECT_STREQ(text, expected);
  EXPECT_EQ(guest.call(number::getcwd, text, 1), -ERANGE);
  EXPECT_EQ(guest.call(number::getcwd, bad_pointer, sizeof text), -EFAULT);
  free(expected);
}

TEST(Paths, the_sysroot_comes_first) {
  Guest guest;
  Sysroot root;
  write_file(root / "usr/lib/only-here", "in the sysroot");
  write_file(root / "etc/hostname", "sysroot-name");
  ASSERT_EQ(symlink("/usr/lib/only-here", (root / "etc/absolute").c_str()), 0);
  root.enter();
  EXPECT_EQ(content(guest, "/usr/lib/only-here"), "in the sysroot");
  EXPECT_EQ(content(guest, "/etc/hostname"), "sysroot-name");
  EXPECT_EQ(content(guest, "/etc/absolute"), "in the sysroot") << "an absolute link stays inside";
  EXPECT_EQ(link_target(guest, "/etc/absolute"), "/usr/lib/only-here");
  EXPECT_EQ(content(guest, "/etc/passwd").substr(0, 4), "root") << "the host's, as the sysroot has none";
  guest_abi::Stat status;
  EXPECT_EQ(guest.call(number::newfstatat, at_cwd, "/etc/absolute", &status, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_TRUE(S_ISLNK(status.mode));
  EXPECT_EQ(guest.call(number::newfstatat, at_cwd, "/etc/absolute", &status, 0), 0);
  EXPECT_EQ(status.size, 14);
  EXPECT_EQ(guest.call(number::faccessat, at_cwd, "/usr/lib/only-here", R_OK), 0);
  Statx extended{};
  EXPECT_EQ(guest.call(number::statx, at_cwd, "/usr/lib/only-here", 0, 0x7ff, &extended), 0);
  EXPECT_EQ(extended.size, 14u);
  // The working directory and /proc's links are told without the sysroot before them.
  char* before = get_current_dir_name();
  EXPECT_EQ(guest.call(number::chdir, "/usr/lib"), 0);
  char text[4096];
  EXPECT_GT(guest.call(number::getcwd, text, sizeof text), 0);
  EXPECT_EQ(std::string(text).find(root.path()), std::string::npos) << text;
  EXPECT_EQ(link_target(guest, "/proc/self/cwd").find(root.path()), std::string::npos);
  ASSERT_EQ(chdir(before), 0);
  free(before);
}

TEST(Call, connect__sendto) {
  Guest guest;
  Sysroot root;
  write_file(root / "srv/keep", "");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  strcpy(name.sun_path, (root / "srv/socket").c_str());
  int server = socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  root.enter();
  // The guest names the socket as it is inside the sysroot.
  strcpy(name.sun_path, "/srv/socket");
  i64 client = guest.call(number::socket, AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(guest.call(number::sendto, client, "one", 3, 0, &name, sizeof name), 3);
  EXPECT_EQ(guest.call(number::connect, client, &name, sizeof name), 0);
  EXPECT_EQ(guest.call(number::sendto, client, "two", 3, 0, nullptr, 0), 3);
  char text[8] = {};
  EXPECT_EQ(recv(server, text, sizeof text, 0), 3);
  EXPECT_STREQ(text, "one");
  EXPECT_EQ(recv(server, text, sizeof text, 0), 3);
  EXPECT_STREQ(text, "two");
  strcpy(name.sun_path, "/srv/no-such-socket");
  EXPECT_EQ(guest.call(number::connect, client, &name, sizeof name), -ENOENT);
  EXPECT_EQ(guest.call(number::connect, client, bad_pointer, sizeof name), -EFAULT);
  close(server);
  close(static_cast<int>(client));
}

TEST(Call, ioctl) {
  if (!on_a_real_kernel()) GTEST_SKIP() << "the host is emulated";
  Guest guest;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "abc", 3), 3);
  i32 waiting = 0;
  EXPECT_EQ(guest.call(number::ioctl, ends[0], FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 3);
  EXPECT_EQ(guest.call(number::ioctl, ends[0], FIONREAD, bad_pointer), -EFAULT);
  termios settings;
  EXPECT_EQ(guest.call(number::ioctl, ends[0], 0x5401 /* TCGETS */, &settings), -ENOTTY);
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal >= 0) {
    winsize size{};
    size.ws_row = 33;
    EXPECT_EQ(guest.call(number::ioctl, terminal, TIOCSWINSZ, &size), 0);
    Winsize back{};
    EXPECT_EQ(guest.call(number::ioctl, terminal, TIOCGWINSZ, &back), 0);
    EXPECT_EQ(back.rows, 33);
    // A request that is not in the table reaches the kernel and is named once.
    Captured log(log_fd);
    u32 version = 0;
    constexpr u32 get_device = 0x80045432;  // TIOCGDEV
    EXPECT_EQ(guest.call(number::ioctl, terminal, get_device, &version), 0);
    EXPECT_NE(version, 0u);
    EXPECT_EQ(guest.call(number::ioctl, terminal, get_device, &version), 0);
    EXPECT_EQ(log.text(), "ferry: ioctl 0x80045432 is not in ferry's table; it is passed to the kernel as it is\n");
    close(terminal);
  }
  close(ends[0]);
  close(ends[1]);
}

TEST(ProcFiles, tell_of_the_guest) {
  Guest guest;
  static char strings[] = "prog\0argument\0HOME=/";
  u64 auxv[4] = {6, 4096, 0, 0};
  auto at = [](const void* p) { return GuestAddr{reinterpret_cast<u64>(p)}; };
  ProgramImage image{};
  image.executable = "/usr/bin/prog";
  image.arguments_begin = at(strings), image.arguments_end = at(strings + 14);
  image.environment_begin = at(strings + 14), image.environment_end = at(strings + sizeof strings);
  image.auxv_begin = at(auxv), image.auxv_end = at(auxv + 4);
  set_program_image(image);
  std::string pid = std::to_string(getpid());
  EXPECT_EQ(link_target(guest, "/proc/self/exe"), "/usr/bin/prog");
  EXPECT_EQ(link_target(guest, ("/proc/" + pid + "/exe").c_str()), "/usr/bin/prog");
  EXPECT_EQ(link_target(guest, "/proc/thread-self/exe"), "/usr/bin/prog");
  EXPECT_EQ(content(guest, "/proc/self/cmdline"), std::string("prog\0argument\0", 14));
  EXPECT_EQ(content(guest, "/proc/self/environ"), std::string("HOME=/\0", 7));
  EXPECT_EQ(content(guest, ("/proc/" + pid + "/auxv").c_str()),
            std::string(reinterpret_cast<char*>(auxv), sizeof auxv));
  EXPECT_EQ(content(guest, "/proc/self/comm"), "prog\n");
  EXPECT_EQ(content(guest, "/proc/1/comm").find("prog"), std::string::npos) << "other processes are themselves";
  EXPECT_EQ(guest.call(number::openat, at_cwd, "/proc/self/maps", O_RDWR, 0), -EACCES);
  strcpy(strings, "new!");
  EXPECT_EQ(content(guest, "/proc/self/cmdline").substr(0, 4), "new!") << "as the memory is now";
#ifndef EMULATED_HOST  // qemu-user makes up a /proc/self/stat of its own
  std::string status = content(guest, "/proc/self/stat");
  EXPECT_EQ(status.find(pid + " (prog)"), 0u) << status;
#endif
}

TEST(ProcFiles, maps_shows_the_guests_ranges_only) {
  Guest guest;
  i64 at = guest.call(number::mmap, nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  guest.call(number::mprotect, at, 4096, PROT_READ | PROT_EXEC);
  char expected[256];
  snprintf(expected, sizeof expected,
           "%08llx-%08llx r-xp 00000000 00:00 0 \n"
           "%08llx-%08llx rw-p 00000000 00:00 0 \n",
           static_cast<unsigned long long>(at), static_cast<unsigned long long>(at + 4096),
           static_cast<unsigned long long>(at + 4096), static_cast<unsigned long long>(at + 3 * 4096));
  std::string maps = content(guest, "/proc/self/maps");
  EXPECT_NE(maps.find(expected), std::string::npos) << maps;
  // Neither the test's own program nor its stack is the guest's.
  EXPECT_EQ(maps.find("syscalls_test"), std::string::npos) << maps;
  EXPECT_EQ(maps.find("[stack]"), std::string::npos) << maps;
  i64 fd = guest.call(number::openat, at_cwd, "/etc/passwd", O_RDONLY, 0);
  i64 file = guest.call(number::mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  maps = content(guest, "/proc/self/maps");
  EXPECT_NE(maps.find("/etc/passwd\n"), std::string::npos) << maps;
  EXPECT_NE(maps.find(" r-xp 00000000 "), std::string::npos) << maps;
  close(static_cast<int>(fd));
  guest.call(number::munmap, at, 3 * 4096);
  guest.call(number::munmap, file, 4096);
  maps = content(guest, "/proc/self/maps");
  EXPECT_EQ(maps.find(expected), std::string::npos) << maps;
}

TEST(ProcFiles, cpuinfo_is_an_aarch64_processors) {
  Guest guest;
  std::string text = content(guest, "/proc/cpuinfo");
  EXPECT_NE(text.find("processor\t: 0\n"), std::string::npos);
  EXPECT_NE(text.find("CPU architecture: 8\n"), std::string::npos);
  bool has_float = (translator::hwcap() & 1) != 0;
  EXPECT_EQ(text.find("Features\t: fp asimd") != std::string::npos, has_float);
  EXPECT_EQ(text.find("vendor_id"), std::string::npos);
}

TEST(Call, chroot__pivot_root) {
  Guest guest;
  EXPECT_EQ(guest.call(number::chroot, "/no/such/directory"), -ENOENT);
  EXPECT_EQ(guest.call(number::chroot, bad_pointer), -EFAULT);
  i64 result = guest.call(number::pivot_root, "/no/such", "/no/such/old");
  EXPECT_TRUE(result == -ENOENT || result == -EPERM) << result;
}

}  // namespace ferry::syscalls
