// System calls that a handler interrupts: which start again and which say EINTR. man 7 signal, "Interruption of system calls".
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static volatile int calls;
static int to_write = -1;
static void tick(int signal) {
  (void)signal;
  calls++;
  if (to_write >= 0 && calls == 3) CHECK(write(to_write, "x", 1) == 1);  // the restarted read finds this
}

static void install(int flags) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
  sigaction(SIGALRM, &action, NULL);
}
static void alarm_in(int first_ms, int then_ms) {
  setitimer(ITIMER_REAL, &(struct itimerval){{0, then_ms * 1000}, {0, first_ms * 1000}}, NULL);
}
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static void reading(void) {
  int fds[2];
  char byte = 0;
  CHECK(pipe(fds) == 0);
  install(0);
  calls = 0;
  alarm_in(20, 0);
  CHECK(read(fds[0], &byte, 1) == -1 && errno == EINTR && calls == 1);
  install(SA_RESTART);
  calls = 0;
  to_write = fds[1];
  alarm_in(10, 10);
  CHECK(read(fds[0], &byte, 1) == 1 && byte == 'x' && calls >= 3);
  alarm_in(0, 0);
  to_write = -1;
  close(fds[0]);
  close(fds[1]);
}

static void sleeping(void) {
  install(SA_RESTART);  // never restarted by a handler
  struct timespec left = {0, 0};
  calls = 0;
  alarm_in(20, 0);
  CHECK(nanosleep(&(struct timespec){1, 0}, &left) == -1 && errno == EINTR && calls == 1);
  CHECK(left.tv_sec == 0 && left.tv_nsec > 500000000);
  alarm_in(20, 0);
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){1, 0}, &left) == EINTR);
}

static void polling(void) {
  install(SA_RESTART);
  struct pollfd none = {.fd = -1};
  alarm_in(20, 0);
  CHECK(poll(&none, 1, 1000) == -1 && errno == EINTR);
  alarm_in(20, 0);
  CHECK(select(0, NULL, NULL, NULL, &(struct timeval){1, 0}) == -1 && errno == EINTR);
  int epoll = epoll_create1(0);
  struct epoll_event event;
  alarm_in(20, 0);
  CHECK(epoll_wait(epoll, &event, 1, 1000) == -1 && errno == EINTR);
  close(epoll);
  alarm_in(20, 0);
  calls = 0;
  CHECK(pause() == -1 && errno == EINTR && calls == 1);
  // ppoll opens the mask for its own time only.
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGALRM);
  sigprocmask(SIG_BLOCK, &block, &old);
  calls = 0;
  raise(SIGALRM);
  CHECK(calls == 0);
  CHECK(ppoll(&none, 1, &(struct timespec){1, 0}, &old) == -1 && errno == EINTR && calls == 1);
  sigset_t now;
  sigprocmask(SIG_SETMASK, &old, &now);
  CHECK(sigismember(&now, SIGALRM));
}

static void child_waiting(void) {
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    install(flags);
    calls = 0;
    pid_t child = fork();
    if (child == 0) {
      nanosleep(&(struct timespec){0, 150000000}, NULL);
      _exit(5);
    }
    alarm_in(30, 0);
    int status = 0;
    pid_t found = waitpid(child, &status, 0);
    if (flags == 0) {
      CHECK(found == -1 && errno == EINTR);
      found = waitpid(child, &status, 0);
    }
    CHECK(found == child && WEXITSTATUS(status) == 5 && calls == 1);
  }
}

static void* unlock_later(void* mutex) {
  nanosleep(&(struct timespec){0, 100000000}, NULL);
  pthread_mutex_unlock(mutex);
  return NULL;
}

// Timer signals at a high rate must neither be lost for good nor change what a computation finds.
static void hot_loop(void) {
  install(SA_RESTART);
  calls = 0;
  alarm_in(1, 1);
  double end = seconds() + 0.5;
  unsigned long sum = 0, expected = 0, rounds = 0;
  while (seconds() < end) {
    for (unsigned long i = 0; i < 20000; i++) {
      sum = sum * 3 + (i ^ rounds);
      __asm__ volatile("" : "+r"(sum));
    }
    rounds++;
  }
  alarm_in(0, 0);
  for (unsigned long round = 0; round < rounds; round++)
    for (unsigned long i = 0; i < 20000; i++) {
      expected = expected * 3 + (i ^ round);
    }
  CHECK(sum == expected);
  CHECK(calls > 50);
}

// A loop without a system call or a function call in it is interrupted all the same.
static volatile sig_atomic_t stop;
static void stop_it(int signal) {
  (void)signal;
  stop = 1;
}
static void endless_loop(void) {
  signal(SIGALRM, stop_it);
  for (int i = 0; i < 20; i++) {
    stop = 0;
    alarm_in(2, 0);
    while (!stop) {}
  }
}

// Signals against quick system calls: each arrives at another instant around the kernel's entry, and none may be slept over.
static void storm(void) {
  install(SA_RESTART);
  int fds[2];
  CHECK(pipe(fds) == 0);
  calls = 0;
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 0; i < 2000; i++) {
      CHECK(write(fds[1], "y", 1) == 1);
      kill(parent, SIGALRM);
    }
    _exit(0);
  }
  int got = 0;
  char byte;
  while (got < 2000) {
    CHECK(read(fds[0], &byte, 1) == 1);
    got++;
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(calls > 0);
  close(fds[0]);
  close(fds[1]);
}

static void mutexes(void) {
  install(0);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_t thread;
  calls = 0;
  pthread_mutex_lock(&mutex);
  alarm_in(20, 0);
  pthread_create(&thread, NULL, unlock_later, &mutex);
  CHECK(pthread_mutex_lock(&mutex) == 0);
  pthread_join(thread, NULL);
  CHECK(calls == 1);
}

int main(void) {
  reading();
  sleeping();
  polling();
  child_waiting();
  mutexes();
  hot_loop();
  endless_loop();
  storm();
  return 0;
}
