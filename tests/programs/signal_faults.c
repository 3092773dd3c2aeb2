// Faults that a handler repairs, skips or jumps out of, and the machine context it sees and may change.
// arch/arm64/include/uapi/asm/sigcontext.h.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <ucontext.h>
#include <unistd.h>

#include "program.h"

static siginfo_t seen;
static ucontext_t context_seen;
static uint64_t syndrome;
static sigjmp_buf escape;
static char* page;

static struct fpsimd_context* fpsimd_of(ucontext_t* context) {
  struct fpsimd_context* found = NULL;
  syndrome = 0;
  for (char* at = (char*)context->uc_mcontext.__reserved;;) {
    struct _aarch64_ctx* head = (void*)at;
    if (head->magic == 0) return found;
    if (head->magic == FPSIMD_MAGIC) found = (void*)head;
    if (head->magic == ESR_MAGIC) syndrome = ((struct esr_context*)head)->esr;
    at += head->size;
  }
}

static void remember(siginfo_t* info, ucontext_t* context) {
  seen = *info;
  context_seen = *context;
  fpsimd_of(context);
}
static void repair(int signal, siginfo_t* info, void* context) {
  (void)signal;
  remember(info, context);
  mprotect((void*)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}
static void skip(int signal, siginfo_t* info, void* context) {
  (void)signal;
  remember(info, context);
  ((ucontext_t*)context)->uc_mcontext.pc += 4;
}
static void jump(int signal, siginfo_t* info, void* context) {
  (void)signal;
  remember(info, context);
  siglongjmp(escape, 1);
}
static void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(signal, &action, NULL);
}

static void repaired_store(void) {
  install(SIGSEGV, repair);
  mprotect(page, 4096, PROT_READ);
  volatile uint64_t* word = (uint64_t*)(page + 24);
  *word = 0x1234;
  CHECK(*word == 0x1234);
  CHECK(seen.si_signo == SIGSEGV && seen.si_code == SEGV_ACCERR && seen.si_addr == page + 24);
  CHECK(context_seen.uc_mcontext.fault_address == (uintptr_t)page + 24);
  CHECK((syndrome >> 26) == 0x24 && (syndrome & 0x40));  // data abort, a write
}

static void repaired_load_many(void) {
  // Every register must be what it was: the loop's state is in registers across a hundred faults.
  uint64_t sum = 0;
  for (int i = 0; i < 100; i++) {
    mprotect(page, 4096, PROT_NONE);
    sum = sum * 31 + *(volatile uint64_t*)(page + 24) + i;
    CHECK(seen.si_addr == page + 24 && !(syndrome & 0x40));
  }
  uint64_t expected = 0;
  for (int i = 0; i < 100; i++) expected = expected * 31 + 0x1234 + i;
  CHECK(sum == expected);
}

static void unmapped(void) {
  install(SIGSEGV, jump);
  char* gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(gone, 4096);
  for (int i = 0; i < 3; i++) {
    if (sigsetjmp(escape, 1) == 0) {
      *(volatile char*)(gone + i) = 1;
      CHECK(0);
    }
    CHECK(seen.si_code == SEGV_MAPERR && seen.si_addr == gone + i);
  }
  if (sigsetjmp(escape, 1) == 0) ((void (*)(void))gone)();
  CHECK(seen.si_addr == gone && context_seen.uc_mcontext.pc == (uintptr_t)gone && (syndrome >> 26) == 0x20);
}

static void beyond_the_file(void) {
  install(SIGBUS, jump);
  int fd = memfd_create("short", 0);
  CHECK(ftruncate(fd, 100) == 0);
  char* map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  map[50] = 1;
  if (sigsetjmp(escape, 1) == 0) {
    map[5000] = 1;
    CHECK(0);
  }
  CHECK(seen.si_signo == SIGBUS && seen.si_code == BUS_ADRERR && seen.si_addr == map + 5000);
  munmap(map, 8192);
  close(fd);
}

static void undefined_and_breakpoint(void) {
  install(SIGILL, skip);
  install(SIGTRAP, skip);
  uint64_t before, after;
  __asm__ volatile("adr %0, 1f\n1: udf #7\nadr %1, 1b" : "=&r"(before), "=r"(after));
  CHECK(seen.si_signo == SIGILL && seen.si_code == ILL_ILLOPC && (uintptr_t)seen.si_addr == before);
  __asm__ volatile("adr %0, 1f\n1: brk #3\n" : "=&r"(before));
  CHECK(seen.si_signo == SIGTRAP && seen.si_code == TRAP_BRKPT && (uintptr_t)seen.si_addr == before);
}

static void change_registers(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  mcontext_t* machine = &((ucontext_t*)context)->uc_mcontext;
  struct fpsimd_context* fp = fpsimd_of(context);
  machine->regs[9]++;
  machine->regs[10] = machine->sp;
  fp->vregs[8] = ((__uint128_t)0x1122334455667788 << 64) | (uint64_t)fp->vregs[8];
  machine->pstate |= 1ul << 30;  // Z
  machine->pc += 4;
  // The handler's own use of the same registers must not be seen.
  __asm__ volatile("mov x9, #0\nmovi v8.16b, #0\nmovi v31.16b, #7" ::: "x9", "v8", "v31");
}

static void registers_through_a_handler(void) {
  install(SIGILL, change_registers);
  uint64_t x9 = 41, x10, z, low, high, v31, sp;
  __asm__ volatile(
      "mov x9, %[in]\n mov x8, #55\n fmov d8, x8\n movi v31.16b, #3\n cmp x8, #1\n"
      "udf #0\n"
      "cset %[z], eq\n mov %[x9], x9\n mov %[x10], x10\n umov %[low], v8.d[0]\n umov %[high], v8.d[1]\n umov %[v31], "
      "v31.d[1]\n mov %[sp], sp"
      : [z] "=&r"(z), [x9] "=&r"(x9), [x10] "=&r"(x10), [low] "=&r"(low), [high] "=&r"(high), [v31] "=&r"(v31),
        [sp] "=&r"(sp)
      : [in] "r"(x9)
      : "x8", "x9", "x10", "v8", "v31", "cc");
  CHECK(x9 == 42 && z == 1 && low == 55 && high == 0x1122334455667788 && v31 == 0x0303030303030303 && x10 == sp);
}

static void fp_control_through_a_handler(void) {
  install(SIGILL, skip);
  uint64_t fpcr = 0x00c00000, back, status;  // round towards zero
  __asm__ volatile("msr fpcr, %0\nmsr fpsr, %1" : : "r"(fpcr), "r"(0x10ul));
  __asm__ volatile("udf #0");
  __asm__ volatile("mrs %0, fpcr\nmrs %1, fpsr" : "=r"(back), "=r"(status));
  __asm__ volatile("msr fpcr, xzr\nmsr fpsr, xzr");
  CHECK(back == fpcr && (status & 0x1f) == 0x10);
}

static void frame_layout(int signal, siginfo_t* info, void* context) {
  (void)signal;
  ucontext_t* uc = context;
  uintptr_t frame = (uintptr_t)info;
  CHECK(frame % 16 == 0 && (uintptr_t)context == frame + 128 && (uintptr_t)&uc->uc_mcontext == frame + 128 + 176);
  CHECK(fpsimd_of(uc) != NULL && (char*)fpsimd_of(uc) == (char*)uc->uc_mcontext.__reserved);
  // The frame record: x29 on entry points at the interrupted x29 and x30, above the frame.
  uint64_t* record = (uint64_t*)(frame + 4688);
  CHECK(record[0] == uc->uc_mcontext.regs[29] && record[1] == uc->uc_mcontext.regs[30]);
}

int main(void) {
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  repaired_store();
  repaired_load_many();
  unmapped();
  beyond_the_file();
  undefined_and_breakpoint();
  registers_through_a_handler();
  fp_control_through_a_handler();
  install(SIGUSR1, frame_layout);
  raise(SIGUSR1);
  return 0;
}
