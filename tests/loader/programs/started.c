// Run by launch: checks from inside what the loader promised. Silent and 0 when all is well.
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "started: %s is not so (line %d)\n", #condition, __LINE__); \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

extern int main(int, char**);
static char bss[3 * 65536];
static int constructed;
static _Thread_local int thread_local_value = 42;
static volatile int handled, frames_beyond_handler;
static uintptr_t raising;

__attribute__((constructor)) static void construct(void) { constructed = 1; }

static int visit(struct dl_phdr_info* info, size_t size, void* found) {
  (void)size;
  if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) *(int*)found = 1;
  return 0;
}

static _Unwind_Reason_Code step(struct _Unwind_Context* context, void* unused) {
  (void)unused;
  if (_Unwind_FindEnclosingFunction((void*)_Unwind_GetIP(context)) == (void*)raising) frames_beyond_handler = 1;
  return _URC_NO_REASON;
}

static void handler(int signal_number) {
  handled = signal_number;
  _Unwind_Backtrace(step, NULL);
}

__attribute__((noinline)) static void raise_signal(void) {
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
  __asm__ volatile("" ::: "memory");
}

// The kernel's trampoline in the vDSO: mov x8, #139; svc #0.
static uintptr_t find_trampoline(void) {
  const uint32_t* word = (const uint32_t*)getauxval(AT_SYSINFO_EHDR);
  for (int i = 0; i < 1023; ++i) {
    if (word[i] == 0xd2801168 && word[i + 1] == 0xd4000001) return (uintptr_t)(word + i);
  }
  return 0;
}

static void check_signal_frame(void) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    uintptr_t restorer;
    unsigned long mask;
  } action = {handler, 0x04000000 /* SA_RESTORER */, find_trampoline(), 0};
  REQUIRE(action.restorer != 0);
  REQUIRE(syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8) == 0);
  raising = (uintptr_t)raise_signal;
  raise_signal();
  REQUIRE(handled == SIGUSR1);
  REQUIRE(frames_beyond_handler);
}

int main(int argc, char** argv) {
  REQUIRE(argc == 3 && strcmp(argv[1], "one") == 0 && strcmp(argv[2], "") == 0 && argv[3] == NULL);
  REQUIRE(strcmp(getenv("LOADER_TEST"), "set") == 0);
  REQUIRE(strcmp((const char*)getauxval(AT_PLATFORM), "aarch64") == 0);
  REQUIRE(strcmp((const char*)getauxval(AT_EXECFN), argv[0]) == 0);
  REQUIRE(constructed == 1 && thread_local_value == 42);
  for (size_t i = 0; i < sizeof bss; ++i) REQUIRE(bss[i] == 0);
  const ElfW(Phdr)* headers = (const ElfW(Phdr)*)getauxval(AT_PHDR);
  REQUIRE(getauxval(AT_PHENT) == sizeof *headers && getauxval(AT_PHNUM) > 2);
  struct timespec now;
  REQUIRE(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && (now.tv_sec | now.tv_nsec) != 0);
#ifdef DYNAMIC
  int vdso_is_known = 0;
  dl_iterate_phdr(visit, &vdso_is_known);
  REQUIRE(vdso_is_known);
  REQUIRE(getauxval(AT_BASE) != 0);
#else
  (void)visit;
  REQUIRE(getauxval(AT_BASE) == 0);
#endif
  check_signal_frame();
  return 0;
}
