// Calls that are not returned from in order, and returns that no call has announced: deep recursion, jumps out of it, coroutines, a return
// to elsewhere; with an argument, to nowhere and to odd addresses, where qemu-user 7.2 reports other signals. Each often enough to be
// optimised.
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include "program.h"

__attribute__((noinline)) static uint64_t dive(uint64_t depth, uint64_t value) {
  if (depth == 0) return value;
  return dive(depth - 1, value * 3 + depth) ^ depth;
}

static jmp_buf surface;
__attribute__((noinline)) static int dive_and_jump(int depth, int value) {
  if (depth == 0) longjmp(surface, value);
  return dive_and_jump(depth - 1, value) + 1;
}
__attribute__((noinline)) static int jump_from(int depth, int value) {
  int came = setjmp(surface);
  return came != 0 ? came : dive_and_jump(depth, value);
}

static ucontext_t main_context, coroutines[2];
static uint64_t exchanged;
__attribute__((noinline)) static void hand_over(int from, int depth) {
  if (depth != 0) {
    hand_over(from, depth - 1);
    exchanged = exchanged * 5 + (uint64_t)depth;
    return;
  }
  swapcontext(&coroutines[from], &coroutines[1 - from]);
}
static void coroutine(int number) {
  for (int i = 0; i < 300; i++) hand_over(number, i % 9);
  setcontext(&main_context);
}
static void run_coroutines(void) {
  static char stacks[2][65536];
  for (int i = 0; i < 2; i++) {
    getcontext(&coroutines[i]);
    coroutines[i].uc_stack.ss_sp = stacks[i];
    coroutines[i].uc_stack.ss_size = sizeof stacks[i];
    makecontext(&coroutines[i], (void (*)(void))coroutine, 1, i);
  }
  volatile int started = 0;
  getcontext(&main_context);
  if (!started++) setcontext(&coroutines[0]);
}

// Adds 1 to x0 and returns to the address in x1, by the link register or another one; called with an address of the caller's.
__asm__(
    "return_by_link: mov x30, x1\n add x0, x0, #1\n ret\n"
    "return_by_other: add x0, x0, #1\n ret x1\n"
    "call_and_land: stp x29, x30, [sp, #-16]!\n adr x1, 1f\n blr x2\n add x0, x0, #100\n"
    "1: ldp x29, x30, [sp], #16\n ret\n"
    // The link is not where the call is: three calls in a row by branches.
    "branch_calls: mov x9, x30\n adr x30, 1f\n b 3f\n 1: adr x30, 2f\n b 3f\n 2: mov x30, x9\n 3: add x0, x0, #7\n "
    "ret\n"
    "return_to_x0: mov x30, x0\n ret\n");
extern uint64_t return_by_link(uint64_t, void*), return_by_other(uint64_t, void*);
extern uint64_t call_and_land(uint64_t, void*, uint64_t (*)(uint64_t, void*)), branch_calls(uint64_t);
extern void return_to_x0(uint64_t);

static sigjmp_buf fault_over;
static volatile uint64_t fault_pc, fault_address, fault_signal, fault_register;
static void on_fault(int number, siginfo_t* info, void* context) {
  mcontext_t* machine = &((ucontext_t*)context)->uc_mcontext;
  fault_signal = (uint64_t)number;
  fault_address = (uint64_t)info->si_addr;
  fault_pc = machine->pc;
  fault_register = machine->regs[19];
  siglongjmp(fault_over, 1);
}
__attribute__((noinline)) static void return_to(uint64_t address) {
  register uint64_t kept __asm__("x19") = address * 3 + 1;
  __asm__ volatile("mov x0, %0\n bl return_to_x0" : "+r"(address) : "r"(kept) : "x0", "x30", "memory");
}
static void bad_return(uint64_t address, uint64_t number) {
  if (sigsetjmp(fault_over, 1) == 0) {
    return_to(address);
    CHECK(!"it returned");
  }
  CHECK(fault_signal == number);
  CHECK(fault_pc == address);
  CHECK(fault_address == address);
  CHECK(fault_register == address * 3 + 1);
}

static void bad_returns(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  for (int i = 0; i < 500; i++) {
    bad_return(0, SIGSEGV);
    bad_return(0x10, SIGSEGV);
    bad_return(1, SIGBUS);
    bad_return(2, SIGBUS);
    bad_return((uint64_t)&bad_return + 2, SIGBUS);
  }
}

int main(int argc, char** argv) {
  (void)argv;
  if (argc > 1) return bad_returns(), 0;
  uint64_t sum = 0;
  for (int i = 0; i < 30; i++) sum = sum * 7 + dive(40000, (uint64_t)i);  // more than are predicted
  for (int i = 0; i < 60000; i++) sum = sum * 7 + dive((uint64_t)i % 50, (uint64_t)i);
  print_hash("recursion", sum);
  for (int i = 1; i < 20000; i++) CHECK(jump_from(i % 100, i) == i);
  for (int i = 1; i < 20000; i++) CHECK(dive((uint64_t)i % 7, 1) == dive((uint64_t)i % 7, 1));
  run_coroutines();
  print_hash("coroutines", exchanged);
  for (uint64_t i = 0; i < 20000; i++) {
    CHECK(call_and_land(i, 0, return_by_link) == i + 1);
    CHECK(call_and_land(i, 0, return_by_other) == i + 1);
    CHECK(branch_calls(i) == i + 21);
  }
  return 0;
}
