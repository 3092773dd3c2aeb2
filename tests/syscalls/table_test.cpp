// The table as a whole: every row has a test, the numbers are the kernels', what is refused is named once.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "guest/log.h"
#include "syscalls/descriptors.h"
#include "tests/syscalls/guest.h"

namespace ferry::syscalls {

namespace {

enum class RowKind { forward, emulate, partial, refuse };
struct Row {
  const char* name;
  RowKind kind;
  u32 x86_64, aarch64;
  int error;
};
constexpr Row rows[] = {
#define FORWARD(name, x86_64, aarch64, ...) {#name, RowKind::forward, x86_64, aarch64, 0},
#define EMULATE(name, x86_64, aarch64, ...) {#name, RowKind::emulate, x86_64, aarch64, 0},
#define PARTIAL(name, x86_64, aarch64, limit, ...) {#name, RowKind::partial, x86_64, aarch64, 0},
#define REFUSE(name, x86_64, aarch64, error, why, ...) {#name, RowKind::refuse, x86_64, aarch64, error},
#include "syscalls/syscalls.def"
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE
};

// Rows whose work cannot be shown without running guest code: the program that makes the call, and the word to find there.
struct ProgramRow {
  const char *name, *program, *word;
};
constexpr ProgramRow program_rows[] = {
    {"clone", "processes.c", "fork"},
    {"clone3", "threads.c", "pthread_create"},
    {"execve", "processes.c", "exec"},
    {"execveat", "processes.c", "exec"},
    {"wait4", "processes.c", "wait"},
    {"waitid", "processes.c", "wait"},
    {"exit", "threads.c", "pthread_join"},
    {"exit_group", "ending.c", "exit"},
    {"futex", "threads.c", "pthread_mutex"},
    {"set_tid_address", "start.c", "main"},
    {"set_robust_list", "start.c", "main"},
    {"rt_sigaction", "signals.c", "sigaction"},
    {"rt_sigreturn", "signals.c", "sigaction"},
    {"rt_sigprocmask", "signals.c", "sigprocmask"},
    {"sigaltstack", "signals.c", "sigaltstack"},
    {"rt_sigpending", "signals.c", "sigpending"},
    {"rt_sigsuspend", "signals.c", "sigsuspend"},
    {"rt_sigtimedwait", "signals.c", "sigtimedwait"},
};

// FORWARD rows that the comparison with the host leaves out, because their results differ from process to process (they have
// tests of their own) or because they would strike the machine that runs the tests.
const std::set<std::string> not_compared = {
    "getpid", "gettid", "setsid", "times", "vhangup", "getrandom", "sched_getaffinity", "msgget"};
// Those whose arguments of zero would change or remove something that is not the test's.
const std::set<std::string> not_with_zeros = {"sethostname", "setdomainname", "msgctl", "shmctl",
                                              "msgrcv",      "kexec_load",    "acct"};

std::set<std::string> tested_rows() {
  std::set<std::string> names;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int suite = 0; suite < all.total_test_suite_count(); suite++) {
    const testing::TestSuite& tests = *all.GetTestSuite(suite);
    if (std::string(tests.name()) != "Call") continue;
    for (int i = 0; i < tests.total_test_count(); i++) {
      std::string name = tests.GetTestInfo(i)->name();
      for (size_t at = 0, end; at < name.size(); at = end + 2) {
        end = name.find("__", at);
        if (end == name.npos) end = name.size();
        names.insert(name.substr(at, end - at));
      }
    }
  }
  return names;
}

// What a system call returns in a child with no descriptors below 3.
template <class Function>
i64 in_child(Function function) {
  int channel[2];
  EXPECT_EQ(pipe(channel), 0);
  int high = fcntl(channel[1], F_DUPFD_CLOEXEC, 100);
  pid_t child = fork();
  if (child == 0) {
    alarm(10);
    close_range(0, 99, 0);
    i64 result = function();
    if (::write(high, &result, sizeof result) != sizeof result) _exit(1);
    _exit(0);
  }
  close(high);
  close(channel[1]);
  i64 result = 0x7777;
  EXPECT_EQ(::read(channel[0], &result, sizeof result), static_cast<ssize_t>(sizeof result));
  close(channel[0]);
  waitpid(child, nullptr, 0);
  return result;
}

i64 plain(long number, u64 value) {
  long result = syscall(number, value, value, value, value, value, value);
  return result == -1 ? -errno : result;
}

}  // namespace

TEST(Table, every_row_has_a_test) {
  std::map<std::string, ProgramRow> programs;
  for (const ProgramRow& row : program_rows) programs.emplace(row.name, row);
  std::set<std::string> tested = tested_rows();
  for (const Row& row : rows) {
    bool compared = row.kind == RowKind::forward && !not_compared.contains(row.name);
    bool refused = row.kind == RowKind::refuse;
    bool exempt = std::string(row.name) == "vhangup";  // would hang up the terminal the tests run on
    EXPECT_TRUE(compared || refused || exempt || tested.contains(row.name) || programs.contains(row.name))
        << row.name << " has no TEST(Call, " << row.name << ") and no program in program_rows";
    programs.erase(row.name);
  }
  for (const auto& [name, row] : programs) ADD_FAILURE() << name << " is in program_rows but not in syscalls.def";
}

TEST(Table, the_programs_make_their_calls) {
  for (const ProgramRow& row : program_rows) {
    std::ifstream file(std::string(FERRY_PROGRAMS) + "/" + row.program);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_NE(text.str().find(row.word), std::string::npos)
        << row.program << " has no " << row.word << ", so it does not cover " << row.name;
  }
}

TEST(Table, numbers_are_different_and_small) {
  std::map<u32, std::string> x86_64, aarch64;
  for (const Row& row : rows) {
    EXPECT_TRUE(x86_64.emplace(row.x86_64, row.name).second) << row.name << " and " << x86_64[row.x86_64];
    EXPECT_TRUE(aarch64.emplace(row.aarch64, row.name).second) << row.name << " and " << aarch64[row.aarch64];
    EXPECT_LT(row.x86_64, number_limit);
    EXPECT_LT(row.aarch64, number_limit);
  }
}

TEST(Table, numbers_are_the_hosts) {
  std::map<std::string, long> host;
#define KNOWN(name) host[#name] = SYS_##name;
#define FORWARD(name, ...) KNOWN(name)
  // Every row up to the newest number the build machine's headers know.
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#define SYS_map_shadow_stack 453
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#define SYS_lsm_list_modules 461
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif
#define EMULATE FORWARD
#define PARTIAL FORWARD
#define REFUSE FORWARD
#include "syscalls/syscalls.def"
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE
  for (const Row& row : rows) EXPECT_EQ(host_isa == Isa::x86_64 ? row.x86_64 : row.aarch64, host[row.name]) << row.name;
}

// A forwarded call does what the host's call of that name does: the same result, down to the errno, from the same arguments.
TEST(Table, forwarded_calls_end_as_the_hosts_do) {
  if (!on_a_real_kernel()) GTEST_SKIP() << "the host is emulated";
  for (const Row& row : rows) {
    if (row.kind != RowKind::forward || not_compared.contains(row.name)) continue;
    u32 host_number = host_isa == Isa::x86_64 ? row.x86_64 : row.aarch64;
    for (u64 value : {~u64{0}, u64{0}}) {
      if (value == 0 && not_with_zeros.contains(row.name)) continue;
      i64 guest = in_child([&] { return Guest().call(row.aarch64, value, value, value, value, value, value); });
      i64 host = in_child([&] { return plain(host_number, value); });
      EXPECT_EQ(guest, host) << row.name << " with six times " << static_cast<i64>(value);
    }
  }
}

TEST(Table, refused_calls_fail_and_are_named_once) {
  Guest guest;
  Captured log(log_fd);
  for (const Row& row : rows) {
    if (row.kind != RowKind::refuse) continue;
    EXPECT_EQ(guest.call(row.aarch64), -row.error) << row.name;
    EXPECT_EQ(guest.call(row.aarch64), -row.error) << row.name;
    std::string said =
        "system call " + std::string(row.name) + " (" + std::to_string(row.aarch64) + ") is not supported: ";
    size_t first = log.text().find(said);
    EXPECT_NE(first, std::string::npos) << row.name;
    EXPECT_EQ(log.text().find(said, first + 1), std::string::npos) << row.name << " is named twice";
  }
}

TEST(Table, unknown_numbers_fail_and_are_named_once) {
  Guest guest;
  Captured log(log_fd);
  for (u32 number : {244u, 300u, 511u, 500u, 244u, 300u}) EXPECT_EQ(guest.call(number), -ENOSYS) << number;
  EXPECT_EQ(log.text(),
            "ferry: system call 244 is not known; it fails with ENOSYS\n"
            "ferry: system call 300 is not known; it fails with ENOSYS\n"
            "ferry: system call 511 is not known; it fails with ENOSYS\n"
            "ferry: system call 500 is not known; it fails with ENOSYS\n");
}

TEST(Table, huge_numbers_are_unknown) {
  Guest guest;
  Captured log(log_fd);
  EXPECT_EQ(guest.call(0xffffffff), -ENOSYS);
  EXPECT_EQ(guest.call(0x80000000), -ENOSYS);
  EXPECT_EQ(guest.call(512), -ENOSYS);
}

TEST(Table, only_the_low_half_of_the_number_counts) {
  Guest guest;
  guest.thread().cpu.x[8] = 0x100000000 + number::getpid;
  dispatch(guest.thread());
  EXPECT_EQ(guest.thread().cpu.x[0], static_cast<u64>(getpid()));
}

TEST(Call, getpid__gettid__setsid__times) {
  Guest guest;
  EXPECT_EQ(guest.call(number::getpid), getpid());
  EXPECT_EQ(guest.call(number::gettid), gettid());
  pid_t leader = 0;
  i64 session = in_child([&] {
    i64 made = Guest().call(number::setsid);
    leader = getpid();
    return made == leader && getsid(0) == leader ? 1 : made;
  });
  EXPECT_EQ(session, 1);
  Tms usage{-1, -1, -1, -1};
  EXPECT_GT(guest.call(number::times, &usage), 0);
  EXPECT_GE(usage.user, 0);
}

TEST(Call, getrandom__sched_getaffinity) {
  Guest guest;
  u8 bytes[64] = {};
  EXPECT_EQ(guest.call(number::getrandom, bytes, sizeof bytes, 0), 64);
  EXPECT_EQ(guest.call(number::getrandom, bad_pointer, 64, 0), -EFAULT);
  EXPECT_EQ(guest.call(number::getrandom, bytes, 1, 0x100), -EINVAL);
  int set = 0;
  for (u8 byte : bytes) set += __builtin_popcount(byte);
  EXPECT_GT(set, 100);
  u64 mask[16] = {};
  EXPECT_GE(guest.call(number::sched_getaffinity, 0, sizeof mask, mask), 8);
  EXPECT_NE(mask[0], 0u);
}

}  // namespace ferry::syscalls
