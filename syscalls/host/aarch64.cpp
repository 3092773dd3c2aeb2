// The AArch64 host's syscall window. arch/arm64/kernel/signal.c: a restarted call finds pc back at the svc with x0 restored.
#include "syscalls/host/context.h"

#include <ucontext.h>

asm(R"(
    .text
    .globl ferry_host_syscall, ferry_window_begin, ferry_window_syscall, ferry_window_end, ferry_window_abandon
    .hidden ferry_host_syscall, ferry_window_begin, ferry_window_syscall, ferry_window_end, ferry_window_abandon
    .globl ferry_raw_syscall, ferry_host_restorer
    .hidden ferry_raw_syscall, ferry_host_restorer
    .type ferry_host_syscall, %function
ferry_host_syscall:
    .cfi_startproc
    mov x9, x0
    mov x8, x1
    mov x0, x2
    mov x1, x3
    mov x2, x4
    mov x3, x5
    mov x4, x6
    mov x5, x7
ferry_window_begin:
    ldr w10, [x9]
    cbnz w10, ferry_window_abandon
ferry_window_syscall:
    svc #0
ferry_window_end:
    ret
ferry_window_abandon:
    mov x0, #-513
    ret
    .cfi_endproc
    .size ferry_host_syscall, . - ferry_host_syscall
    .type ferry_raw_syscall, %function
ferry_raw_syscall:
    .cfi_startproc
    mov x8, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
    svc #0
    ret
    .cfi_endproc
    .size ferry_raw_syscall, . - ferry_raw_syscall
    .globl ferry_guarded_exchange, ferry_exchange_begin, ferry_exchange_end, ferry_exchange_landing
    .hidden ferry_guarded_exchange, ferry_exchange_begin, ferry_exchange_end, ferry_exchange_landing
    .type ferry_guarded_exchange, %function
ferry_guarded_exchange:
    .cfi_startproc
ferry_exchange_begin:
    ldaxr w3, [x0]
    cmp w3, w1
    b.ne 1f
    stlxr w4, w2, [x0]
    cbnz w4, ferry_exchange_begin
ferry_exchange_end:
    mov w0, #0
    ret
1:
    clrex
    mov w0, #1
    ret
ferry_exchange_landing:
    mov w0, #2
    ret
    .cfi_endproc
    .size ferry_guarded_exchange, . - ferry_guarded_exchange
ferry_host_restorer:
    mov x8, #139
    svc #0
)");

namespace ferry {

const u64 host_restorer_flag = 0;

u64& interrupted_pc(void* context) { return reinterpret_cast<u64&>(static_cast<ucontext_t*>(context)->uc_mcontext.pc); }

}  // namespace ferry
