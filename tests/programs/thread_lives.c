// Threads as the kernel sees them: their own masks, signals sent to one of them, dying with locks held, cancellation, forks in
// their midst, processes that share memory without being threads.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static void nap(long milliseconds) { nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL); }

static int status_of(void (*body)(void)) {
  pid_t child = fork();
  if (child == 0) {
    body();
    _exit(99);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

// A lock whose owner dies says so to the next.
static pthread_mutex_t robust;
static void* die_with_lock(void* unused) {
  CHECK(pthread_mutex_lock(&robust) == 0);
  return unused;
}
__attribute__((unused)) static void robust_mutex(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    pthread_mutex_init(&robust, &attributes);
    CHECK(pthread_create(&thread, NULL, die_with_lock, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_mutex_trylock(&robust) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&robust) == 0);
    CHECK(pthread_mutex_unlock(&robust) == 0 && pthread_mutex_lock(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
  }
}

static int cleaned;
static void clean(void* unused) { (void)unused, cleaned++; }
static void* read_forever(void* argument) {
  char byte;
  pthread_cleanup_push(clean, NULL);
  CHECK(read(*(int*)argument, &byte, 1) != 1);
  pthread_cleanup_pop(0);
  return NULL;
}
static void cancellation(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  for (int i = 0; i < 10; i++) {
    pthread_t thread;
    void* result;
    CHECK(pthread_create(&thread, NULL, read_forever, &fds[0]) == 0);
    if (i % 2) nap(5);  // cancelled while blocked, or on the way there
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  }
  CHECK(cleaned == 10);
  close(fds[0]);
  close(fds[1]);
}

// setgid() must change every thread: the C library does it with a signal to each.
static sem_t go, done;
static void* wait_for_go(void* unused) {
  while (sem_wait(&go) != 0) {}
  sem_post(&done);
  return unused;
}
static void change_identity(void) {
  pthread_t threads[4];
  sem_init(&go, 0, 0);
  sem_init(&done, 0, 0);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, wait_for_go, NULL);
  CHECK(setgid(getgid()) == 0);
  for (int i = 0; i < 4; i++) sem_post(&go);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

static volatile pid_t taken_by;
static void take(int signal) { (void)signal, taken_by = (pid_t)syscall(SYS_gettid); }
static pid_t waiter_tid;
static void* open_to_signals(void* unused) {
  waiter_tid = (pid_t)syscall(SYS_gettid);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sem_post(&done);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  while (!taken_by) sched_yield();
  return unused;
}
static void masks_of_threads(void) {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  struct sigaction action = {.sa_handler = take};
  sigaction(SIGUSR1, &action, NULL);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  pthread_t thread;
  pthread_create(&thread, NULL, open_to_signals, NULL);  // is born with SIGUSR1 blocked
  while (sem_wait(&done) != 0) {}
  kill(getpid(), SIGUSR1);  // to the process: the only thread that does not block it takes it
  pthread_join(thread, NULL);
  CHECK(taken_by == waiter_tid);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  taken_by = 0;
  pthread_kill(pthread_self(), SIGUSR1);
  CHECK(taken_by == getpid());
}

// Eight threads count while signals rain on them.
static volatile int rain_stops;
static _Thread_local volatile int drops;
static void drop(int signal) { (void)signal, drops++; }
static long long counted;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static void* count_in_rain(void* argument) {
  int fell = 0;
  for (int i = 0; i < 3000; i++) {
    pthread_mutex_lock(&counting);
    counted++;
    pthread_mutex_unlock(&counting);
  }
  while (!__atomic_load_n(&rain_stops, __ATOMIC_ACQUIRE) || drops == 0) sched_yield();
  fell = drops;
  CHECK(fell > 0);
  return argument;
}
static void rain(void) {
  struct sigaction action = {.sa_handler = drop, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN, &action, NULL);
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, count_in_rain, NULL);
  for (int i = 0; i < 100; i++)
    for (int j = 0; j < 8; j++) CHECK(pthread_kill(threads[j], SIGRTMIN) == 0);
  __atomic_store_n(&rain_stops, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  CHECK(counted == 8 * 3000);
}

static void* return_square(void* argument) { return (void*)((uintptr_t)argument * (uintptr_t)argument); }
static void many(void) {
  for (uintptr_t i = 0; i < 300; i++) {
    pthread_t thread;
    void* result;
    CHECK(pthread_create(&thread, NULL, return_square, (void*)i) == 0);
    CHECK(pthread_join(thread, &result) == 0 && (uintptr_t)result == i * i);
  }
}

// fork() in one thread while others allocate: the child has one thread and a whole heap.
static volatile int forks_done;
static void* allocate(void* unused) {
  while (!forks_done) {
    void* block = malloc(100 + next_random() % 5000);
    memset(block, 1, 100);
    free(block);
  }
  return unused;
}
static void* fork_and_wait(void* unused) {
  for (int i = 0; i < 10; i++) {
    pid_t child = fork();
    if (child == 0) {
      free(malloc(1 << 20));
      _exit(syscall(SYS_gettid) == getpid() ? 6 : 1);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
  }
  return unused;
}
static void forks(void) {
  pthread_t threads[3], forking;
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, allocate, NULL);
  pthread_create(&forking, NULL, fork_and_wait, NULL);
  pthread_join(forking, NULL);
  forks_done = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static void* exit_later(void* unused) {
  nap(20);
  exit(3);
  return unused;
}
static void main_leaves_first(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, exit_later, NULL);
  pthread_exit(NULL);
}
static void* fault(void* unused) {
  *(volatile int*)16 = 1;
  return unused;
}
static void thread_faults(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, fault, NULL);
  pthread_join(thread, NULL);
}
static void deaths(void) {
  int status = status_of(main_leaves_first);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
  status = status_of(thread_faults);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

// A process in the same memory that is neither a thread nor a vfork child.
static int shared_value, handler_seen_by_parent;
static int sharer(void* argument) {
  struct sigaction action = {.sa_handler = SIG_IGN};
  sigaction(SIGUSR2, &action, NULL);  // its own dispositions
  __atomic_store_n(&shared_value, *(int*)argument + getppid(), __ATOMIC_RELEASE);
  return 17;
}
static void shared_memory_process(void) {
  size_t size = 64 * 1024;
  char* stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int one = 1, status;
  pid_t child = clone(sharer, stack + size, CLONE_VM | SIGCHLD, &one);
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 17 && shared_value == 1 + getpid());
  struct sigaction action;
  sigaction(SIGUSR2, NULL, &action);
  CHECK(action.sa_handler == SIG_DFL);
  (void)handler_seen_by_parent;
  munmap(stack, size);
}

static void clone3_checks(void) {
  struct {
    struct clone_args known;
    unsigned long more;
  } arguments = {.known = {.exit_signal = SIGCHLD}};
  CHECK(syscall(SYS_clone3, &arguments, 32) == -1 && errno == EINVAL);
  CHECK(syscall(SYS_clone3, 8, sizeof arguments.known) == -1 && errno == EFAULT);
  arguments.more = 1;
  CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == E2BIG);
  arguments.more = 0;
  arguments.known.stack = 4096;
  CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == EINVAL);
  arguments.known.stack = 0;
  arguments.known.flags = CLONE_THREAD;
  CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == EINVAL);
  int pidfd = -1;
  arguments.known.flags = CLONE_PIDFD;
  arguments.known.pidfd = (uintptr_t)&pidfd;
  pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child == 0) _exit(8);
  siginfo_t info;
  CHECK(child > 0 && pidfd >= 0 && waitid(P_PIDFD, pidfd, &info, WEXITED) == 0);
  CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 8);
  close(pidfd);
}

static volatile int timer_runs;
static void on_timer(union sigval value) {
  CHECK(value.sival_int == 5);
  __atomic_fetch_add(&timer_runs, 1, __ATOMIC_SEQ_CST);
}
static void timer_threads(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer, .sigev_value.sival_int = 5};
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  timer_settime(timer, 0, &(struct itimerspec){{0, 2000000}, {0, 2000000}}, NULL);
  while (timer_runs < 3) nap(1);
  timer_delete(timer);
}

int main(void) {
#ifndef EMULATED_HOST  // qemu-user has no robust lists
  robust_mutex();
#endif
  cancellation();
  change_identity();
  masks_of_threads();
  rain();
  many();
  forks();
  deaths();
  shared_memory_process();
  clone3_checks();
  timer_threads();
  return 0;
}
