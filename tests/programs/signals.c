// Signals as single-threaded programs use them: handlers, masks, alternate stacks, timers, interrupted calls, and the
// machine's own: faults, undefined instructions, breakpoints.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "program.h"

static volatile sig_atomic_t calls, nested, order[8], ordered;
static siginfo_t last;
static sigjmp_buf recovery;
static void* handler_stack;

static void count(int signal) { calls++, order[ordered++ & 7] = signal; }
static void remember(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  last = *info;
  handler_stack = __builtin_frame_address(0);
  calls++;
}
static void leave(int signal, siginfo_t* info, void* context) {
  remember(signal, info, context);
  siglongjmp(recovery, signal);
}
static void nest(int signal) {
  if (nested++ == 0) raise(SIGUSR2);
  (void)signal;
}
static void step_over(int signal, siginfo_t* info, void* context) {
  remember(signal, info, context);
  ((ucontext_t*)context)->uc_mcontext.pc += 4;
  ((ucontext_t*)context)->uc_mcontext.regs[5] = 0x5555;
}

static void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  CHECK(sigaction(signal, &action, NULL) == 0);
}
static void handle_info(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  CHECK(sigaction(signal, &action, NULL) == 0);
}

static void raised(void) {
  handle(SIGUSR1, count, 0);
  CHECK(raise(SIGUSR1) == 0 && calls == 1);
  handle_info(SIGUSR1, remember, 0);
  union sigval value = {.sival_int = 4711};
  CHECK(sigqueue(getpid(), SIGUSR1, value) == 0 && last.si_code == SI_QUEUE && last.si_value.sival_int == 4711 &&
        last.si_pid == getpid());
  CHECK(kill(getpid(), SIGUSR1) == 0 && last.si_code == SI_USER && calls == 3);
  handle(SIGUSR1, count, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
  handle(SIGUSR1, nest, 0);
  handle(SIGUSR2, nest, 0);
  raise(SIGUSR1);
  CHECK(nested == 2);
  puts("raised");
}

static void masked(void) {
  handle(SIGUSR1, count, 0);
  handle(SIGUSR2, count, 0);
  handle(SIGRTMIN, count, 0);
  sigset_t set, pending, previous;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGRTMIN);
  CHECK(sigprocmask(SIG_BLOCK, &set, &previous) == 0);
  calls = ordered = 0;
  raise(SIGUSR1), raise(SIGUSR1), raise(SIGUSR2), raise(SIGRTMIN), raise(SIGRTMIN);
  CHECK(calls == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2));
  sigset_t only = set;
  sigdelset(&only, SIGUSR2);
  CHECK(sigsuspend(&only) == -1 && errno == EINTR && calls == 1 && order[0] == SIGUSR2);
  siginfo_t info;
  struct timespec none = {0, 0};
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  CHECK(sigtimedwait(&one, &info, &none) == SIGUSR1 && sigtimedwait(&one, &info, &none) == -1 && errno == EAGAIN);
  CHECK(sigprocmask(SIG_SETMASK, &previous, NULL) == 0 && calls == 3);
  puts("masked");
}

static void alternate_stack(void) {
  static char space[65536];
  stack_t stack = {.ss_sp = space, .ss_size = sizeof space}, was;
  CHECK(sigaltstack(&stack, NULL) == 0);
  handle_info(SIGUSR1, remember, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK((char*)handler_stack > space && (char*)handler_stack < space + sizeof space);
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, &was) == 0 && was.ss_sp == space);
  puts("alternate stack");
}

static void machine(void) {
  handle_info(SIGILL, leave, 0);
  if (sigsetjmp(recovery, 1) == 0) __asm__ volatile(".inst 0x00000000");
  CHECK(last.si_signo == SIGILL && last.si_code == ILL_ILLOPC);
  handle_info(SIGTRAP, step_over, 0);
  register uint64_t five __asm__("x5") = 1;
  __asm__ volatile("brk #7" : "+r"(five));
  CHECK(last.si_signo == SIGTRAP && last.si_code == TRAP_BRKPT && five == 0x5555);
  handle_info(SIGSEGV, leave, 0);
  if (sigsetjmp(recovery, 1) == 0) *(volatile int*)0x1234 = 1;
  CHECK(last.si_signo == SIGSEGV && last.si_code == SEGV_MAPERR && last.si_addr == (void*)0x1234);
  if (sigsetjmp(recovery, 1) == 0) ((void (*)(void))0x4560)();
  CHECK(last.si_signo == SIGSEGV && last.si_addr == (void*)0x4560);
  handle_info(SIGBUS, leave, 0);
  if (sigsetjmp(recovery, 1) == 0) {
    static char odd[32] __attribute__((aligned(16)));
    uint64_t value;
    __asm__ volatile("ldaxr %0, [%1]" : "=r"(value) : "r"(odd + 1) : "memory");
  }
  puts("machine");
}

static void timers(void) {
  handle(SIGALRM, count, 0);
  calls = 0;
  struct itimerval every = {{0, 3000}, {0, 3000}}, off = {{0, 0}, {0, 0}};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  uint64_t spins = 0;
  while (calls < 10) spins++;  // a loop without calls must be interrupted too
  CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0 && spins > 0);
  int ends[2];
  char byte;
  CHECK(pipe(ends) == 0);
  alarm(1);
  CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
  handle(SIGALRM, count, SA_RESTART);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  pid_t child = fork();
  if (child == 0) {
    usleep(60000);
    _exit(write(ends[1], "r", 1) != 1);
  }
  CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0 && read(ends[0], &byte, 1) == 1 && byte == 'r');
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  struct timespec nap = {5, 0}, rest;
  handle(SIGALRM, count, 0);
  setitimer(ITIMER_REAL, &soon, NULL);
  CHECK(nanosleep(&nap, &rest) == -1 && errno == EINTR && rest.tv_sec == 4);
  puts("timers");
}

static void children(void) {
  handle_info(SIGCHLD, remember, SA_RESTART);
  pid_t child = fork();
  if (child == 0) _exit(33);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 33);
  CHECK(last.si_signo == SIGCHLD && last.si_pid == child && last.si_status == 33 && last.si_code == CLD_EXITED);
  static const int deaths[] = {SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGILL};
  for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
    if ((child = fork()) == 0) {
      signal(deaths[i], SIG_DFL);
      if (deaths[i] == SIGSEGV) *(volatile int*)0x40 = 0;
      if (deaths[i] == SIGILL) __asm__ volatile(".inst 0x0000dead");
      if (deaths[i] == SIGABRT) abort();
      raise(deaths[i]);
      _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == deaths[i]);
  }
  if ((child = fork()) == 0) {
    raise(SIGSTOP);
    _exit(5);
  }
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && kill(child, SIGCONT) == 0);
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
  puts("children");
}

int main(void) {
  raised();
  masked();
  alternate_stack();
  machine();
  timers();
  children();
  return 0;
}
