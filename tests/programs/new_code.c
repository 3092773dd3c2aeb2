// Code that appears while the program runs: written, announced with __builtin___clear_cache, called, rewritten; through one
// writable and executable mapping, through protections that alternate, and through two views of one file.
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

typedef uint64_t Function(uint64_t);

// add x0, x0, #number; ret
static void emit(uint32_t* at, unsigned number) {
  at[0] = 0x91000000u | (number & 0xfff) << 10;
  at[1] = 0xd65f03c0u;
}

static void announce(void* from, size_t size) { __builtin___clear_cache((char*)from, (char*)from + size); }

static void one_view(size_t page) {
  uint32_t* code = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(code != MAP_FAILED);
  for (unsigned i = 0; i < 3000; i++) {
    uint32_t* at = code + i % 16 * 2;
    emit(at, i % 4096);
    announce(at, 8);
    CHECK(((Function*)at)(1000) == 1000 + i % 4096);
  }
  munmap(code, page);
}

static void alternating_protection(size_t page) {
  uint32_t* code = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 0; i < 300; i++) {
    CHECK(mprotect(code, page, PROT_READ | PROT_WRITE) == 0);
    emit(code, i);
    CHECK(mprotect(code, page, PROT_READ | PROT_EXEC) == 0);
    announce(code, 8);
    CHECK(((Function*)code)(7) == 7 + i);
  }
  munmap(code, page);
}

static void two_views(size_t page) {
  int fd = memfd_create("code", 0);
  CHECK(ftruncate(fd, (off_t)page) == 0);
  uint32_t* writable = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  uint32_t* executable = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  for (unsigned i = 0; i < 300; i++) {
    emit(writable, i * 3 % 4096);
    announce(writable, 8);
    announce(executable, 8);
    CHECK(((Function*)executable)(1) == 1 + i * 3 % 4096);
  }
}

// New mappings at an address where other code has run.
static void replaced_mapping(size_t page) {
  uint32_t* code = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 0; i < 200; i++) {
    CHECK(mmap(code, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
    emit(code, i);
    announce(code, 8);
    CHECK(((Function*)code)(0) == i);
  }
}

// A function that rewrites the instructions behind its own next call, in a loop that stays hot.
static void patched_in_a_loop(size_t page) {
  uint32_t* code = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  emit(code, 1);
  announce(code, 8);
  uint64_t sum = 0;
  for (unsigned i = 0; i < 200000; i++) {
    sum = ((Function*)code)(sum);
    if (i % 1000 == 999) {
      emit(code, i / 1000 % 100);
      announce(code, 8);
    }
  }
  printf("patched sum %llu\n", (unsigned long long)sum);
}

int main(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  one_view(page);
  puts("one view");
  alternating_protection(page);
  puts("alternating protection");
  two_views(page);
  puts("two views");
  replaced_mapping(page);
  puts("replaced mapping");
  patched_in_a_loop(page);
  return 0;
}
