// What a program finds when it starts: the stack as Linux lays it, the auxiliary vector, clocks through the vDSO, its own
// names in /proc.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

extern char** environ;

static void auxiliary_vector(char** argv) {
  char** end = environ;
  while (*end) end++;
  const Elf64_auxv_t* vector = (const Elf64_auxv_t*)(end + 1);
  unsigned seen = 0;
  for (; vector->a_type != AT_NULL; vector++) {
    if (vector->a_type < 32) seen |= 1u << vector->a_type;
  }
  for (int type = AT_PHDR; type <= AT_ENTRY; type++) CHECK(seen >> type & 1);
  CHECK(getauxval(AT_PAGESZ) == (unsigned long)sysconf(_SC_PAGESIZE) && getauxval(AT_PHENT) == sizeof(Elf64_Phdr) &&
        getauxval(AT_SECURE) == 0);
  CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid() && getauxval(AT_CLKTCK) == 100);
  CHECK(strcmp((char*)getauxval(AT_PLATFORM), "aarch64") == 0 && (getauxval(AT_HWCAP) & 3) == 3);
  const unsigned char* random = (const unsigned char*)getauxval(AT_RANDOM);
  int different = 0;
  for (int i = 1; i < 16; i++) different += random[i] != random[0];
  CHECK(different > 3);
  CHECK(strstr((char*)getauxval(AT_EXECFN), "start") != NULL);
  const Elf64_Ehdr* vdso = (const Elf64_Ehdr*)getauxval(AT_SYSINFO_EHDR);
  CHECK(vdso && memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0 && vdso->e_machine == EM_AARCH64);
  const Elf64_Phdr* headers = (const Elf64_Phdr*)getauxval(AT_PHDR);
  int loads = 0;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) loads += headers[i].p_type == PT_LOAD;
  CHECK(loads >= 2);
  // Arguments' strings, then the environment's, lie one after the other above the vector.
  CHECK(argv[0] + strlen(argv[0]) + 1 == argv[1] && argv[1] + strlen(argv[1]) + 1 == environ[0] &&
        ((uintptr_t)argv - 8) % 16 == 0);
  CHECK(*((long*)argv - 1) == 2);
}

static void clocks(void) {
  static const clockid_t clocks[] = {CLOCK_REALTIME,        CLOCK_MONOTONIC,          CLOCK_MONOTONIC_RAW,
                                     CLOCK_BOOTTIME,        CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                                     CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE};
  for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
    struct timespec before, after, resolution;
    CHECK(clock_gettime(clocks[i], &before) == 0 && clock_gettime(clocks[i], &after) == 0 &&
          clock_getres(clocks[i], &resolution) == 0);
    CHECK(after.tv_nsec < 1000000000 &&
          (after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec)));
  }
  struct timespec bad;
  CHECK(clock_gettime(12345, &bad) == -1 && errno == EINVAL);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  CHECK(labs(time(NULL) - now.tv_sec) <= 1);
  uint64_t first, second, frequency;
  __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tmrs %1, cntfrq_el0" : "=r"(first), "=r"(frequency));
  usleep(2000);
  __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(second));
  double elapsed = (double)(second - first) / (double)frequency;
  CHECK(elapsed > 0.0019 && elapsed < 5);
}

static void identity(char* program) {
  char path[PATH_MAX], wanted[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = 0;
  CHECK(realpath(program, wanted) && strcmp(path, wanted) == 0);
  FILE* file = fopen("/proc/self/cmdline", "r");
  char text[8192];
  size_t size = fread(text, 1, sizeof text, file);
  fclose(file);
  CHECK(size == strlen(program) + 1 + 4 && strcmp(text, program) == 0 &&
        strcmp(text + strlen(program) + 1, "one") == 0);
  struct utsname name;
  CHECK(uname(&name) == 0 && strcmp(name.sysname, "Linux") == 0 && strcmp(name.machine, "aarch64") == 0);
  file = fopen("/proc/self/maps", "r");
  int stack = 0, own = 0;
  while (fgets(text, sizeof text, file)) {
    unsigned long from, to;
    CHECK(sscanf(text, "%lx-%lx", &from, &to) == 2);
    stack += strstr(text, "[stack]") && (unsigned long)&name >= from && (unsigned long)&name < to;
    own += (unsigned long)identity >= from && (unsigned long)identity < to && strstr(text, wanted) != NULL;
  }
  fclose(file);
  CHECK(stack == 1 && own == 1);
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
}

// The kernel grows the stack far below where it starts.
__attribute__((noinline)) static int deep(int depth) {
  volatile char frame[4000];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : deep(depth - 1) + (frame[0] == (char)depth);
}

int main(int argc, char** argv) {
  CHECK(argc == 2);
  auxiliary_vector(argv);
  clocks();
  CHECK(deep(1500) == 1500);
  identity(argv[0]);
  puts("started");
  return 0;
}
