// The alternate signal stack: man 2 sigaltstack. An overflow of the normal stack is caught and survived, repeatedly.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "program.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static char* alternate;
static const size_t size = 64 * 1024;
static sigjmp_buf escape;
static volatile int on_alternate, flags_inside, change_refused, handled;

static void look(int signal) {
  (void)signal;
  char here;
  on_alternate = &here >= alternate && &here < alternate + size;
  stack_t now, other = {.ss_sp = alternate, .ss_size = size};
  sigaltstack(NULL, &now);
  flags_inside = now.ss_flags;
  change_refused = sigaltstack(&other, NULL) == -1 && errno == EPERM;
  handled++;
}
static void nested(int signal) {
  (void)signal;
  raise(SIGUSR1);
}
static void leave(int signal, siginfo_t* info, void* context) {
  (void)info, (void)context;
  look(signal);
  siglongjmp(escape, 1);
}

static void install(int signal, void* handler, int flags) {
  struct sigaction action = {.sa_flags = flags};
  action.sa_sigaction = handler;
  sigaction(signal, &action, NULL);
}

static int recurse(volatile char* above, int depth) {
  volatile char frame[4096];
  frame[0] = *above;
  if (depth == 0) return 0;
  return recurse(frame, depth + 1) + frame[0];
}

static void overflow(void) {
  for (int i = 0; i < 3; i++) {
    volatile char top = 1;
    handled = 0;
    if (sigsetjmp(escape, 1) == 0) CHECK(recurse(&top, 1) == -1);
    CHECK(handled == 1 && on_alternate && flags_inside == SS_ONSTACK);
  }
}

static void* in_thread(void* argument) {
  (void)argument;
  stack_t now;
  sigaltstack(NULL, &now);
  CHECK(now.ss_flags == SS_DISABLE);  // a new thread has none
  look(0);
  CHECK(!on_alternate);
  return NULL;
}

int main(void) {
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  getrlimit(RLIMIT_STACK, &limit);
  alternate = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t stack = {.ss_sp = alternate, .ss_size = size}, old;
  CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
  CHECK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 1024}, NULL) == -1 && errno == ENOMEM);
  CHECK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = size, .ss_flags = 4}, NULL) == -1 && errno == EINVAL);
  CHECK(sigaltstack(&stack, NULL) == 0);
  CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0 && old.ss_sp == alternate && old.ss_size == size);

  install(SIGUSR1, look, 0);
  raise(SIGUSR1);
  CHECK(!on_alternate && flags_inside == 0);
  sigaltstack(&stack, NULL);
  install(SIGUSR1, look, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(on_alternate && flags_inside == SS_ONSTACK && change_refused);
  install(SIGUSR2, nested, SA_ONSTACK);
  raise(SIGUSR2);  // the inner frame goes below the outer one, not on top of it
  CHECK(on_alternate && flags_inside == SS_ONSTACK);

  install(SIGSEGV, leave, SA_ONSTACK | SA_SIGINFO);
  overflow();

  stack.ss_flags = (int)SS_AUTODISARM;
  CHECK(sigaltstack(&stack, NULL) == 0);
  raise(SIGUSR1);
  CHECK(on_alternate && flags_inside == SS_DISABLE && !change_refused);
  stack_t after;
  sigaltstack(NULL, &after);
  CHECK(after.ss_sp == alternate);  // put back by the return

  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, NULL);
  pthread_join(thread, NULL);
  CHECK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == 0);
  raise(SIGUSR1);
  CHECK(!on_alternate);
  return 0;
}
