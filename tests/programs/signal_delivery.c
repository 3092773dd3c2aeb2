// Handlers, masks, queues and waits: man 7 signal, one paragraph after the other.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static volatile int calls, depth, deepest, order[64], ordered;
static siginfo_t last;

static void count(int signal) {
  (void)signal;
  calls++;
}
static void note(int signal, siginfo_t* info, void* context) {
  (void)context;
  if (ordered < 64) order[ordered++] = signal;
  last = *info;
  calls++;
}

static void install(int signal, void* handler, int flags) {
  struct sigaction action = {.sa_flags = flags};
  if (flags & SA_SIGINFO)
    action.sa_sigaction = handler;
  else
    action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(signal, &action, NULL) == 0);
}

static void simple(void) {
  install(SIGUSR1, count, 0);
  calls = 0;
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  CHECK(calls == 2);
  install(SIGUSR1, note, SA_SIGINFO);
  kill(getpid(), SIGUSR1);
  CHECK(last.si_signo == SIGUSR1 && last.si_code == SI_USER && last.si_pid == getpid() && last.si_uid == getuid());
  raise(SIGUSR1);
  CHECK(last.si_code == SI_TKILL);
  signal(SIGUSR1, SIG_IGN);
  calls = 0;
  raise(SIGUSR1);
  CHECK(calls == 0);
}

static void nested_handler(int signal) {
  depth++;
  if (depth > deepest) deepest = depth;
  if (++calls < 5) raise(signal);
  depth--;
}

static void nesting(void) {
  calls = 0;
  install(SIGUSR1, nested_handler, SA_NODEFER);
  raise(SIGUSR1);
  CHECK(deepest == 5 && calls == 5);
  calls = deepest = 0;
  install(SIGUSR1, nested_handler, 0);
  raise(SIGUSR1);  // each asks for another, which waits until the handler is done
  CHECK(deepest == 1 && calls == 5);
}

static void one_shot(void) {
  install(SIGUSR2, count, SA_RESETHAND);
  calls = 0;
  raise(SIGUSR2);
  struct sigaction now;
  sigaction(SIGUSR2, NULL, &now);
  CHECK(calls == 1 && now.sa_handler == SIG_DFL);
}

static void masks(void) {
  sigset_t set, old, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGSEGV);
  sigaddset(&set, SIGKILL);
  install(SIGUSR1, count, 0);
  install(SIGSEGV, count, 0);
  calls = 0;
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  raise(SIGUSR1);
  raise(SIGUSR1);
  raise(SIGSEGV);
  CHECK(calls == 0);
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGSEGV) && !sigismember(&pending, SIGUSR2));
  CHECK(sigprocmask(SIG_SETMASK, NULL, &old) == 0);
  CHECK(sigismember(&old, SIGUSR1) && sigismember(&old, SIGSEGV) && !sigismember(&old, SIGKILL));
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(calls == 2);  // a standard signal waits once
  CHECK(sigprocmask(77, &set, NULL) == -1 && errno == EINVAL);
  CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 1, NULL, 8) == -1 && errno == EFAULT);
  CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16) == -1 && errno == EINVAL);
  signal(SIGSEGV, SIG_DFL);
}

static void mask_of_handler(void) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, NULL);
  struct sigaction read_back;
  sigaction(SIGUSR1, NULL, &read_back);
  CHECK(read_back.sa_sigaction == note && sigismember(&read_back.sa_mask, SIGUSR2) &&
        (read_back.sa_flags & SA_SIGINFO));
  CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
  CHECK(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8) == -1 && errno == EINVAL);
}

static void queues(void) {
  sigset_t all, old;
  sigfillset(&all);
  for (int i = 0; i < 3; i++) install(SIGRTMIN + i, note, SA_SIGINFO);
  sigprocmask(SIG_SETMASK, &all, &old);
  for (int i = 2; i >= 0; i--)
    for (int value = 0; value < 3; value++)
      CHECK(sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = 10 * i + value}) == 0);
  siginfo_t info;
  struct timespec none = {0, 0};
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMIN + 1);
  CHECK(sigtimedwait(&one, &info, &none) == SIGRTMIN + 1 && info.si_value.sival_int == 10 && info.si_code == SI_QUEUE);
  ordered = 0;
  calls = 0;
  sigprocmask(SIG_SETMASK, &old, NULL);
  // All frames are pushed before any handler runs, so the last one taken runs first: this order is the kernel's.
  CHECK(calls == 8);
  int counts[3] = {0};
  for (int i = 0; i < ordered; i++) counts[order[i] - SIGRTMIN]++;
  CHECK(counts[0] == 3 && counts[1] == 2 && counts[2] == 3);
}

// The two signals that C libraries keep for themselves are signals like others to the kernel.
static void every_signal(void) {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } action = {count, 0, 0, 0};
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
#ifdef EMULATED_HOST
    if (signal >= 63) continue;  // qemu-user uses two host signals itself, and these take their numbers
#endif
    CHECK(syscall(SYS_rt_sigaction, signal, &action, NULL, 8) == 0);
    calls = 0;
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal) == 0);
    CHECK(calls == 1);
  }
  action.handler = SIG_DFL;
  for (int signal = 1; signal <= 64; signal++)
    if (signal != SIGKILL && signal != SIGSTOP) syscall(SYS_rt_sigaction, signal, &action, NULL, 8);
}

static void waiting(void) {
  sigset_t block, old, wait;
  sigemptyset(&block);
  sigaddset(&block, SIGALRM);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, &old);
  install(SIGALRM, count, SA_RESTART);
  calls = 0;
  struct timespec soon = {0, 20000000};
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  timer_settime(timer, 0, &(struct itimerspec){.it_value = soon}, NULL);
  wait = old;
  CHECK(sigsuspend(&wait) == -1 && errno == EINTR && calls == 1);
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  CHECK(sigismember(&now, SIGALRM));
  siginfo_t info;
  timer_settime(timer, 0, &(struct itimerspec){.it_value = soon}, NULL);
  CHECK(sigwaitinfo(&block, &info) == SIGALRM && info.si_code == SI_TIMER && calls == 1);
  struct timespec short_time = {0, 5000000};
  CHECK(sigtimedwait(&block, &info, &short_time) == -1 && errno == EAGAIN);
  timer_delete(timer);
  // A fault signal that was sent is waited for like any other.
  sigemptyset(&wait);
  sigaddset(&wait, SIGSEGV);
  sigprocmask(SIG_BLOCK, &wait, NULL);
  kill(getpid(), SIGSEGV);
  CHECK(sigwaitinfo(&wait, &info) == SIGSEGV && info.si_code == SI_USER);
  sigprocmask(SIG_SETMASK, &old, NULL);
}

static int status_of(void (*body)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    _exit(99);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}
static void dereference(void) { *(volatile int*)8 = 1; }
static void abort_it(void) { abort(); }
static void terminate(void) { raise(SIGTERM); }
static void blocked_fault(void) {
  sigset_t all;
  sigfillset(&all);
  install(SIGSEGV, count, 0);
  sigprocmask(SIG_SETMASK, &all, NULL);
  dereference();
}
static void ignored_fault(void) {
  signal(SIGSEGV, SIG_IGN);
  raise(SIGSEGV);  // ignored when sent
  dereference();   // but not when raised
}
static void fault_in_handler(int signal) {
  (void)signal;
  dereference();
}
static void double_fault(void) {
  install(SIGSEGV, fault_in_handler, 0);
  dereference();
}
static void realtime(void) { raise(SIGRTMIN + 3); }
static void undefined(void) { __asm__ volatile("udf #1"); }
static void ignored_child(void) {
  raise(SIGCHLD);
  raise(SIGWINCH);
  raise(SIGURG);
  raise(SIGCONT);
  _exit(7);
}

static void deaths(void) {
  CHECK(WTERMSIG(status_of(dereference)) == SIGSEGV);
  CHECK(WTERMSIG(status_of(abort_it)) == SIGABRT);
  CHECK(WTERMSIG(status_of(terminate)) == SIGTERM);
  CHECK(WTERMSIG(status_of(blocked_fault)) == SIGSEGV);
  CHECK(WTERMSIG(status_of(ignored_fault)) == SIGSEGV);
  CHECK(WTERMSIG(status_of(double_fault)) == SIGSEGV);
  CHECK(WTERMSIG(status_of(realtime)) == SIGRTMIN + 3);
  CHECK(WTERMSIG(status_of(undefined)) == SIGILL);
  int status = status_of(ignored_child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void) {
  simple();
  nesting();
  one_shot();
  masks();
  mask_of_handler();
  queues();
  every_signal();
  waiting();
  deaths();
  return 0;
}
