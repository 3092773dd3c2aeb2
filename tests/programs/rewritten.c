// Loops that are written, run until they are hot, and rewritten: by two threads, each its own function in the same page, and by the main
// thread a loop in which a third one runs all the while. `rewritten FILE` does so until the file exists, `rewritten` a few times.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

typedef uint64_t Function(uint64_t x, uint64_t count);

static const char* stop_file;  // may be null
static char* page;             // two functions and a loop
enum { OTHER_FUNCTION = 256, LOOP = 2048 };

static int stopped(unsigned rounds) { return stop_file != NULL ? access(stop_file, F_OK) == 0 : rounds == 3; }

static double cpu_seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// A factor of 16 bits and a shift of 1 to 63 bits.
static void emit_function(char* at, unsigned factor, unsigned shift) {
  uint32_t code[] = {
      0xd2800002u | factor << 5,  // mov x2, #factor
      0x9b020400u,                // madd x0, x0, x2, x1
      0xca400000u | shift << 10,  // eor x0, x0, x0, lsr #shift
      0xf1000421u,                // subs x1, x1, #1
      0x54ffffa1u,                // b.ne 4
      0xd65f03c0u,                // ret
  };
  memcpy(at, code, sizeof code);
  __builtin___clear_cache(at, at + sizeof code);
}

static uint64_t expected(uint64_t x, uint64_t count, unsigned factor, unsigned shift) {
  for (; count != 0; count--) {
    x = x * factor + count;
    x ^= x >> shift;
  }
  return x;
}

static void* rewrite_own_function(void* where) {
  char* at = where;
  uint64_t x = (uintptr_t)at % 4096;
  for (unsigned version = 1; !stopped(version); version++) {
    unsigned factor = version * 7919 % 65521 + 2, shift = version % 63 + 1;
    emit_function(at, factor, shift);
    double end = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) + 0.05 * (version % 6 + 1);
    while (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) < end) {
      uint64_t next = ((Function*)at)(x, 20000);
      CHECK(next == expected(x, 20000, factor, shift));
      for (unsigned i = 0; i < 20; i++) next = ((Function*)at)(next, 20000);
      x = next;
    }
  }
  return NULL;
}

// add x0, x0, #1; b . - 4; ret. A branch may be changed into a NOP while others execute it: Arm ARM, "Concurrent modification and
// execution of instructions".
static void emit_loop(char* at) {
  uint32_t code[] = {0x91000400u, 0x17ffffffu, 0xd65f03c0u};
  memcpy(at, code, sizeof code);
  __builtin___clear_cache(at, at + sizeof code);
}

static void open_loop(char* at) {
  __atomic_store_n((uint32_t*)at + 1, 0xd503201fu, __ATOMIC_RELEASE);
  __builtin___clear_cache(at, at + 12);
}

static void* run_loop(void* at) {
  CHECK(((Function*)at)(0, 0) != 0);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc == 2) stop_file = argv[1];
  size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
  page = mmap(NULL, page_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
  pthread_t rewriters[2];
  CHECK(pthread_create(&rewriters[0], NULL, rewrite_own_function, page) == 0);
  CHECK(pthread_create(&rewriters[1], NULL, rewrite_own_function, page + OTHER_FUNCTION) == 0);
  for (unsigned round = 0; !stopped(round); round++) {
    emit_loop(page + LOOP);
    pthread_t runner;
    CHECK(pthread_create(&runner, NULL, run_loop, page + LOOP) == 0);
    usleep(50000 * (round % 6 + 1));
    open_loop(page + LOOP);
    CHECK(pthread_join(runner, NULL) == 0);
  }
  for (int i = 0; i < 2; i++) CHECK(pthread_join(rewriters[i], NULL) == 0);
  puts("done");
  return 0;
}
