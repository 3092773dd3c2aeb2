// Mappings and protections: mmap, mprotect, mremap, brk, and the faults that come of them, with their addresses and codes.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

static sigjmp_buf recovery;
static siginfo_t last;
static void on_fault(int signal, siginfo_t* info, void* context) {
  (void)context;
  (void)signal;
  last = *info;
  siglongjmp(recovery, 1);
}

// Does the statement fault, with this signal and code, at this address?
#define FAULTS(statement, signal, code, address)                                                    \
  do {                                                                                              \
    if (sigsetjmp(recovery, 1) == 0) {                                                              \
      statement;                                                                                    \
      CHECK(!"no fault");                                                                           \
    }                                                                                               \
    CHECK(last.si_signo == (signal) && last.si_code == (code) && last.si_addr == (void*)(address)); \
  } while (0)

static char* map(size_t size, int protection) {
  char* p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  return p;
}

int main(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  volatile char sink;

  char* p = map(4 * page, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < 4 * page; i += 97) CHECK(p[i] == 0);
  memset(p, 7, 4 * page);
  CHECK(mprotect(p + page, page, PROT_READ) == 0);
  sink = p[page];
  FAULTS(p[page + 5] = 1, SIGSEGV, SEGV_ACCERR, p + page + 5);
  CHECK(p[page + 5] == 7);
  CHECK(mprotect(p + page, page, PROT_NONE) == 0);
  FAULTS(sink = p[page + 9], SIGSEGV, SEGV_ACCERR, p + page + 9);
  CHECK(mprotect(p + page, page, PROT_READ | PROT_WRITE) == 0 && p[page + 5] == 7);
  CHECK(munmap(p + 2 * page, page) == 0);
  FAULTS(sink = p[2 * page], SIGSEGV, SEGV_MAPERR, p + 2 * page);
  FAULTS(p[2 * page] = 1, SIGSEGV, SEGV_MAPERR, p + 2 * page);
  FAULTS(sink = *(volatile char*)0x10, SIGSEGV, SEGV_MAPERR, 0x10);
  // A wide access that begins on a good page and ends on a bad one.
  FAULTS(*(volatile unsigned __int128*)(p + 2 * page - 8) = 5, SIGSEGV, SEGV_MAPERR, p + 2 * page);

  char* again = mmap(p + 2 * page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(again == p + 2 * page && *again == 0 && p[3 * page] == 7);
  CHECK(mmap(p, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
        errno == EEXIST);

  char* grown = mremap(p, 4 * page, 16 * page, MREMAP_MAYMOVE);
  CHECK(grown != MAP_FAILED && grown[0] == 7 && grown[3 * page] == 7 && grown[15 * page] == 0);
  CHECK(mremap(grown, 16 * page, page, 0) == grown);
  FAULTS(sink = grown[page], SIGSEGV, SEGV_MAPERR, grown + page);

  int fd = memfd_create("file", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, (off_t)page) == 0);
  char* file = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(file != MAP_FAILED);
  file[1] = 'x';
  FAULTS(sink = file[page + 1], SIGBUS, BUS_ADRERR, file + page + 1);
  char byte;
  CHECK(pread(fd, &byte, 1, 1) == 1 && byte == 'x' && msync(file, page, MS_SYNC) == 0);
  char* private = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  private[1] = 'y';
  CHECK(file[1] == 'x');

  CHECK(madvise(grown, page, MADV_DONTNEED) == 0 && grown[0] == 0);
  CHECK(mmap((void*)1, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
        errno == EINVAL);
  CHECK(mprotect((void*)(16 * page), page, PROT_READ) == -1 && errno == ENOMEM);

  char* top = sbrk(0);
  CHECK(brk(top + 10 * page) == 0 && sbrk(0) == top + 10 * page);
  memset(top, 3, 10 * page);
  CHECK(brk(top) == 0 && brk(top + page) == 0 && top[page / 2] == 0);

  enum { blocks = 400 };
  char* block[blocks] = {0};
  for (int i = 0; i < 20000; i++) {
    int n = (int)(next_random() % blocks);
    size_t size = 1 + next_random() % (i % 50 ? 3000 : 300000);
    if (block[n]) CHECK((unsigned char)block[n][0] == (unsigned char)n);
    block[n] = realloc(block[n], size);
    block[n][0] = (char)n;
    block[n][size - 1] = (char)n;
    block[n][0] = (char)n;
  }
  (void)sink;
  puts("memory behaves");
  return 0;
}
