// The x86-64 host's syscall window. arch/x86/entry/entry_64.S: the instruction clobbers rcx and r11, and a restarted call
// finds rip back at the syscall instruction.
#include "syscalls/host/context.h"

#include <ucontext.h>

asm(R"(
    .text
    .globl ferry_host_syscall, ferry_window_begin, ferry_window_syscall, ferry_window_end, ferry_window_abandon
    .hidden ferry_host_syscall, ferry_window_begin, ferry_window_syscall, ferry_window_end, ferry_window_abandon
    .globl ferry_raw_syscall, ferry_host_restorer
    .hidden ferry_raw_syscall, ferry_host_restorer
    .type ferry_host_syscall, @function
ferry_host_syscall:
    .cfi_startproc
    mov %rdi, %r11
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    mov %r8, %rdx
    mov %r9, %r10
    mov 8(%rsp), %r8
    mov 16(%rsp), %r9
ferry_window_begin:
    cmpl $0, (%r11)
    jne ferry_window_abandon
ferry_window_syscall:
    syscall
ferry_window_end:
    ret
ferry_window_abandon:
    mov $-513, %rax
    ret
    .cfi_endproc
    .size ferry_host_syscall, . - ferry_host_syscall
    .type ferry_raw_syscall, @function
ferry_raw_syscall:
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    ret
    .cfi_endproc
    .size ferry_raw_syscall, . - ferry_raw_syscall
    .globl ferry_guarded_exchange, ferry_exchange_begin, ferry_exchange_end, ferry_exchange_landing
    .hidden ferry_guarded_exchange, ferry_exchange_begin, ferry_exchange_end, ferry_exchange_landing
    .type ferry_guarded_exchange, @function
ferry_guarded_exchange:
    .cfi_startproc
    mov %esi, %eax
ferry_exchange_begin:
    lock cmpxchg %edx, (%rdi)
ferry_exchange_end:
    setne %al
    movzbl %al, %eax
    ret
ferry_exchange_landing:
    mov $2, %eax
    ret
    .cfi_endproc
    .size ferry_guarded_exchange, . - ferry_guarded_exchange
    .type ferry_host_restorer, @function
ferry_host_restorer:
    mov $15, %eax
    syscall
    .size ferry_host_restorer, . - ferry_host_restorer
)");

namespace ferry {

const u64 host_restorer_flag = 0x04000000;

u64& interrupted_pc(void* context) {
  return reinterpret_cast<u64&>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}

}  // namespace ferry
