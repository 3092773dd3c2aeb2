// Where the kernel enters ferry, before the C library's _start.
// Each page of ferry costs a fault where it is run first, or written to when it is relocated, a hundred together and a tenth of a short
// process's time where page tables are shadowed. Two calls map them all. Older kernels refuse (MADV_POPULATE_* is of 5.14) and take the
// faults.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "syscalls/host_syscall.h"

// The linker's, and where code and written data begin.
extern "C" [[gnu::visibility("hidden")]] const char _start[], __fini_array_start[], _end[];  // NOLINT(*-identifier*)

// Nothing is relocated yet, and there is no thread-local storage: only calls within the file.
extern "C" [[gnu::used, gnu::visibility("hidden")]] void ferry_populate() {
  using ferry::u64;
  auto page_of = [](const char* symbol) { return reinterpret_cast<u64>(symbol) & ~u64{4095}; };
  u64 code = page_of(_start), data = page_of(__fini_array_start), end = reinterpret_cast<u64>(_end);
  ferry::syscalls::raw_syscall(SYS_madvise, code, data - code, MADV_POPULATE_READ);
  ferry::syscalls::raw_syscall(SYS_madvise, data, end - data, MADV_POPULATE_WRITE);
}

// The stack is as the kernel left it, aligned. What %rdx and x0 hold then is for atexit().
#if defined(__x86_64__)
asm(R"(
    .text
    .globl ferry_entry
    .hidden ferry_entry
    .type ferry_entry, @function
ferry_entry:
    .cfi_startproc
    .cfi_undefined %rip
    mov %rdx, %r12
    call ferry_populate
    mov %r12, %rdx
    jmp _start
    .cfi_endproc
    .size ferry_entry, . - ferry_entry
)");
#elif defined(__aarch64__)
asm(R"(
    .text
    .globl ferry_entry
    .hidden ferry_entry
    .type ferry_entry, %function
ferry_entry:
    .cfi_startproc
    .cfi_undefined x30
    mov x19, x0
    bl ferry_populate
    mov x0, x19
    b _start
    .cfi_endproc
    .size ferry_entry, . - ferry_entry
)");
#endif
