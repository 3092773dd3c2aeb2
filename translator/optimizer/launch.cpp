// Two processes that share this one's memory (CLONE_VM) while the guest runs: a go-between, whose end makes the other one nobody's
// child, and the other, which copies the image and executes it. So nothing in them may allocate or take a lock, and their stacks,
// thread-local storage (errno) and all they read stay allocated. kernel/fork.c, kernel/exit.c, fs/exec.c.
#include "translator/optimizer/launch.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace ferry::optimizer {

namespace {

constexpr size_t room = 32 * 1024;  // for each stack, and for thread-local storage on either side of the thread pointer
constexpr int image_fd = 3;
constexpr size_t copy_step = size_t{1} << 20;

std::atomic<int> go_between = 0;
struct Plan;
std::atomic<Plan*> plans = nullptr;  // all of them

// Everything the two need, alive until the second has executed: for good, since nobody knows when that is.
struct Plan {
  LaunchOptions options;
  std::vector<char*> arguments;
  u8* memory = nullptr;  // four times `room`; three of its pages are ever touched
  Plan* previous = nullptr;

  u8* first_stack() const { return memory + room; }
  u8* second_stack() const { return memory + 2 * room; }
  u8* thread_pointer() const { return memory + 3 * room; }
};

// A system call that leaves errno alone.
i64 raw(long number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0) {
#if defined(__x86_64__)
  i64 result;
  register u64 r10 asm("r10") = d;
  register u64 r8 asm("r8") = e;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register u64 x0 asm("x0") = a;
  register u64 x1 asm("x1") = b;
  register u64 x2 asm("x2") = c;
  register u64 x3 asm("x3") = d;
  register u64 x4 asm("x4") = e;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return static_cast<i64>(x0);
#endif
}
u64 address_of(const void* p) { return reinterpret_cast<u64>(p); }

i64 duplicate(i64 from, int to) {
  return from == to ? raw(SYS_fcntl, static_cast<u64>(from), F_SETFD, 0)
                    : raw(SYS_dup3, static_cast<u64>(from), static_cast<u64>(to), 0);
}

// Descriptors 0 to 2 as wanted, the image's at 3, nothing else.
void arrange_descriptors(const LaunchOptions& options) {
  // Out of the way of the four numbers first.
  i64 input = raw(SYS_fcntl, static_cast<u64>(options.input), F_DUPFD, 10);
  i64 errors = options.errors >= 0 ? raw(SYS_fcntl, static_cast<u64>(options.errors), F_DUPFD, 10)
                                   : raw(SYS_openat, static_cast<u64>(AT_FDCWD), address_of("/dev/null"), O_RDWR);
  if (options.errors < 0 && errors >= 0) errors = raw(SYS_fcntl, static_cast<u64>(errors), F_DUPFD, 10);
  duplicate(input, 0);
  // Where there is no /dev/null, what is written goes to a socket that takes nothing.
  duplicate(errors >= 0 ? errors : input, 1);
  duplicate(errors >= 0 ? errors : input, 2);
  if (raw(SYS_close_range, 3, ~0u, 0) < 0)
    for (u64 fd = 3; fd < 65536; fd++) raw(SYS_close, fd);
}

bool make_image(const LaunchOptions& options) {
  i64 fd = raw(SYS_memfd_create, address_of("ferry-optimizer"), MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0) fd = raw(SYS_memfd_create, address_of("ferry-optimizer"), MFD_CLOEXEC);  // before Linux 6.3
  if (fd != image_fd) return false;
  const u8* from = options.image.data();
  for (size_t done = 0; done < options.image.size();) {
    size_t step = options.image.size() - done < copy_step ? options.image.size() - done : copy_step;
    i64 written = raw(SYS_write, image_fd, address_of(from + done), step);
    if (written <= 0) return false;
    // The guest does not pay memory for what it never reads.
    raw(SYS_madvise, address_of(from + done) & ~u64{4095}, static_cast<u64>(written), MADV_DONTNEED);
    done += static_cast<size_t>(written);
  }
  return true;
}

// What the guest has changed about itself is not the optimiser's.
void reset_process() {
  struct KernelAction {
    u64 handler, flags, restorer, mask;
  } as_default{};
  for (u64 signal = 1; signal <= 64; signal++) raw(SYS_rt_sigaction, signal, address_of(&as_default), 0, 8);
  for (u64 which : {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS, RLIMIT_NOFILE}) {
    rlimit limit{};
    if (raw(SYS_prlimit64, 0, which, 0, address_of(&limit)) < 0) continue;
    limit.rlim_cur = limit.rlim_max;
    if (which == RLIMIT_STACK) limit.rlim_cur = limit.rlim_max < (8u << 20) ? limit.rlim_max : 8u << 20;
    raw(SYS_prlimit64, 0, which, address_of(&limit), 0);
  }
  raw(SYS_chdir, address_of("/"));
}

// Returns when it fails.
void execute_image(const Plan& plan) {
  u64 none = 0, every = ~u64{0};
  raw(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&none), 0, 8);
  // A first compilation fills some 8 MB, which is 2000 page faults (mallopt(3)). Large pages are not to be had by a call.
  char allocation[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=8388608";
  char* environment[] = {allocation, nullptr};
  raw(SYS_execveat, image_fd, address_of(""), address_of(plan.arguments.data()), address_of(environment),
      AT_EMPTY_PATH);
  raw(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&every), 0, 8);
}

int second_process(void* argument) {
  const Plan& plan = *static_cast<Plan*>(argument);
  raw(SYS_setpriority, PRIO_PROCESS, 0, 10);  // the guest goes first, above all now
  reset_process();
  arrange_descriptors(plan.options);
  if (plan.options.self &&
      raw(SYS_openat, static_cast<u64>(AT_FDCWD), address_of("/proc/self/exe"), O_PATH | O_CLOEXEC) == image_fd)
    execute_image(plan);
  raw(SYS_close, image_fd);
  if (make_image(plan.options)) execute_image(plan);
  raw(SYS_exit_group, 127);
  __builtin_unreachable();
}

int first_process(void* argument) {
  const Plan& plan = *static_cast<Plan*>(argument);
  raw(SYS_setsid);
  int pid = clone(second_process, plan.second_stack(), CLONE_VM | SIGCHLD, argument);
  raw(SYS_exit_group, pid < 0 ? 1 : 0);
  __builtin_unreachable();
}

void wait_for_go_between(int flags) {
  int pid = go_between.load();
  if (pid != 0 && waitpid(pid, nullptr, __WCLONE | flags) == pid) go_between.compare_exchange_strong(pid, 0);
}

// An orphan goes to the nearest ancestor that has asked for orphans (prctl(2)): not to the guest, should it be one.
class NoSubreaper {
 public:
  NoSubreaper() {
    int set = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &set);
    was_ = set != 0;
    if (was_) prctl(PR_SET_CHILD_SUBREAPER, 0);
  }
  ~NoSubreaper() {
    if (was_) prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  NoSubreaper(const NoSubreaper&) = delete;
  NoSubreaper& operator=(const NoSubreaper&) = delete;
  bool needed() const { return was_; }

 private:
  bool was_;
};

bool start(Plan& plan) {
  NoSubreaper scope;
  // Without an exit signal only a wait for "clone children" sees it.
  int flags = CLONE_VM | CLONE_SETTLS | CLONE_PARENT_SETTID;
  int pid = clone(first_process, plan.first_stack(), flags, &plan, &go_between, plan.thread_pointer());
  // Where others want the cores too, that could take a guest milliseconds.
  if (pid > 0 && scope.needed()) wait_for_go_between(0);
  return pid > 0;
}

}  // namespace

bool launch(const LaunchOptions& options) {
  if (reinterpret_cast<u64>(options.image.data()) % 4096 != 0) return false;
  forget_go_between();
  void* memory = mmap(nullptr, 4 * room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* plan = new Plan{options, {}, static_cast<u8*>(memory), nullptr};
  for (std::string& text : plan->options.arguments) plan->arguments.push_back(text.data());
  plan->arguments.push_back(nullptr);
  plan->previous = plans.exchange(plan);
  u64 every = ~u64{0}, before = 0;
  raw(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&every), address_of(&before), 8);
  bool done = start(*plan);
  raw(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&before), 0, 8);
  return done;
}

void forget_go_between() { wait_for_go_between(WNOHANG); }

bool was_go_between(int pid) { return pid > 0 && go_between.compare_exchange_strong(pid, 0); }

}  // namespace ferry::optimizer
