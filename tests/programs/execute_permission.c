// Code runs where PROT_EXEC says so and nowhere else: jumps into data are SIGSEGV with SEGV_ACCERR at the address jumped to,
// also where the same code has run before. mm/memory.c, arch/arm64/mm/fault.c.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

typedef uint64_t Function(uint64_t);

static sigjmp_buf recovery;
static siginfo_t last;
static void on_fault(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  last = *info;
  siglongjmp(recovery, 1);
}

// Calls it; 0 and what it returned, or the signal.
static int call(const void* code, uint64_t* result) {
  if (sigsetjmp(recovery, 1) != 0) return last.si_signo;
  *result = ((Function*)code)(1);
  return 0;
}
static int runs(const void* code, uint64_t expected) {
  uint64_t result;
  return call(code, &result) == 0 && result == expected;
}
static int faults(const void* code, int signal, int reason) {
  uint64_t result;
  return call(code, &result) == signal && last.si_code == reason && last.si_addr == code;
}
#define RUNS(code, expected) CHECK(runs(code, expected))
#define DENIED(code) CHECK(faults(code, SIGSEGV, SEGV_ACCERR))

// add x0, x0, #number; ret
static void emit(void* to, unsigned number) {
  uint32_t words[] = {0x91000000u | number << 10, 0xd65f03c0u};
  memcpy(to, words, sizeof words);
  __builtin___clear_cache((char*)to, (char*)to + sizeof words);
}

static char* map(size_t size, int protection) {
  char* p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  return p;
}

static void through_mprotect(size_t page) {
  char* code = map(3 * page, PROT_READ | PROT_WRITE);
  for (unsigned i = 0; i < 3; i++) emit(code + i * page, i);
  for (unsigned round = 0; round < 3; round++) {
    DENIED(code + page);
    CHECK(mprotect(code + page, page, PROT_READ | PROT_EXEC) == 0);
    RUNS(code + page, 2);
    DENIED(code);
    DENIED(code + 2 * page);
    CHECK(mprotect(code + page, page, PROT_READ | PROT_WRITE) == 0);
  }
  CHECK(mprotect(code, 3 * page, PROT_EXEC) == 0);
  for (unsigned i = 0; i < 3; i++) RUNS(code + i * page, 1 + i);
  CHECK(mprotect(code, 3 * page, PROT_NONE) == 0);
  DENIED(code);
  munmap(code, 3 * page);
  CHECK(faults(code, SIGSEGV, SEGV_MAPERR));
}

// Execution that runs off the end of a page it may execute.
static void into_the_next_page(size_t page) {
  char* code = map(2 * page, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint32_t nop = 0xd503201f;
  memcpy(code + page - 4, &nop, 4);
  emit(code + page, 5);
  RUNS(code + page - 4, 6);
  CHECK(mprotect(code + page, page, PROT_READ) == 0);
  uint64_t result;
  CHECK(call(code + page - 4, &result) == SIGSEGV && last.si_code == SEGV_ACCERR && last.si_addr == code + page);
  munmap(code, 2 * page);
}

static void replaced_moved_and_shared(size_t page) {
  char* code = map(page, PROT_READ | PROT_WRITE | PROT_EXEC);
  emit(code, 1);
  RUNS(code, 2);
  char* moved = mremap(code, page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, map(2 * page, PROT_NONE));
  CHECK(moved != MAP_FAILED);
  RUNS(moved, 2);
  CHECK(faults(code, SIGSEGV, SEGV_MAPERR));
  CHECK(mmap(moved, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == moved);
  emit(moved, 3);
  DENIED(moved);
  munmap(moved, 2 * page);

  int id = shmget(IPC_PRIVATE, page, 0700);
  CHECK(id >= 0);
  char* writable = shmat(id, NULL, 0);
  char* executable = shmat(id, NULL, SHM_RDONLY | SHM_EXEC);
  shmctl(id, IPC_RMID, NULL);
  emit(writable, 8);
  DENIED(writable);
  RUNS(executable, 9);
  shmdt(writable);
  shmdt(executable);
}

static void beyond_the_file(size_t page) {
  int fd = memfd_create("code", 0);
  CHECK(ftruncate(fd, 100) == 0);
  char* code = mmap(NULL, 2 * page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  CHECK(faults(code + page, SIGBUS, BUS_ADRERR));
  munmap(code, 2 * page);
  close(fd);
}

static char in_data[64] = {1};
static void data_stack_and_heap(void) {
  char on_stack[64] __attribute__((aligned(16)));
  char* heap = malloc(64);
  emit(in_data, 1);
  emit(on_stack, 1);
  emit(heap, 1);
  DENIED(in_data);
  DENIED(on_stack);
  DENIED(heap);
  free(heap);
}

// As the C library makes the stack executable when a library it loads asks for that.
static void stack_made_executable(size_t page) {
  char on_stack[64] __attribute__((aligned(16)));
  emit(on_stack, 1);
  DENIED(on_stack);
  char* top = (char*)((uintptr_t)on_stack & -page);
  CHECK(mprotect(top, page, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN) == 0);
  RUNS(on_stack, 2);
  emit(top - page, 2);
  RUNS(top - page, 3);
  CHECK(mprotect(top, page, PROT_READ | PROT_WRITE | PROT_GROWSDOWN) == 0);
  DENIED(on_stack);
  DENIED(top - page);
  char* elsewhere = map(page, PROT_READ);
  CHECK(mprotect(elsewhere, page, PROT_READ | PROT_GROWSDOWN) == -1 && errno == EINVAL);
}

static void in_a_child(size_t page) {
  char* code = map(2 * page, PROT_READ | PROT_WRITE);
  emit(code, 1);
  emit(code + page, 2);
  CHECK(mprotect(code, page, PROT_READ | PROT_EXEC) == 0);
  pid_t child = fork();
  if (child == 0) {
    RUNS(code, 2);
    DENIED(code + page);
    CHECK(mprotect(code, page, PROT_READ) == 0);
    DENIED(code);
    _exit(7);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  RUNS(code, 2);
}

// The personality makes everything readable executable, from the next mapping on.
static void read_implies_exec(size_t page) {
  char* before = map(page, PROT_READ | PROT_WRITE);
  emit(before, 1);
  int old = personality(0xffffffff);
  CHECK(personality((unsigned long)old | READ_IMPLIES_EXEC) == old);
  DENIED(before);
  char* code = map(page, PROT_READ | PROT_WRITE);
  emit(code, 3);
  RUNS(code, 4);
  CHECK(mprotect(before, page, PROT_READ) == 0);
  RUNS(before, 2);
  CHECK(personality((unsigned long)old) == (old | READ_IMPLIES_EXEC));
  CHECK(mprotect(before, page, PROT_READ) == 0);
  DENIED(before);
}

int main(int argc, char** argv) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  if (argc > 1 && strcmp(argv[1], "executable_stack") == 0) {
    char on_stack[64] __attribute__((aligned(16)));
    emit(on_stack, 1);
    RUNS(on_stack, 2);
    DENIED(in_data);
    return 0;
  }
  through_mprotect(page);
  into_the_next_page(page);
  replaced_moved_and_shared(page);
  beyond_the_file(page);
  data_stack_and_heap();
  stack_made_executable(page);
  in_a_child(page);
  read_implies_exec(page);
  return 0;
}
