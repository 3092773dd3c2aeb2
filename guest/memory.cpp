// Fault-safe copies: the instructions that touch guest memory stand between two labels per host, and a fault
// between them is turned into an EFAULT return by moving the interrupted pc to the landing label.
#include "guest/memory.h"

#include <ucontext.h>

extern "C" {
// Returns the number of bytes not copied: 0, or what was left when a fault hit.
size_t ferry_guarded_copy(void* destination, const void* source, size_t size);
extern const char ferry_guarded_begin[], ferry_guarded_end[], ferry_guarded_landing[];
}

#if defined(__x86_64__)
asm(R"(
    .text
    .globl ferry_guarded_copy, ferry_guarded_begin, ferry_guarded_end, ferry_guarded_landing
    .hidden ferry_guarded_copy, ferry_guarded_begin, ferry_guarded_end, ferry_guarded_landing
    .type ferry_guarded_copy, @function
ferry_guarded_copy:
    mov %rdx, %rcx
    cmp $1024, %rcx
    ja 2f
ferry_guarded_begin:
    jmp 1f
0:  movups (%rsi), %xmm0
    movups %xmm0, (%rdi)
    add $16, %rsi
    add $16, %rdi
    sub $16, %rcx
1:  cmp $16, %rcx
    jae 0b
    test %rcx, %rcx
    jz ferry_guarded_landing
2:  rep movsb
ferry_guarded_end:
ferry_guarded_landing:
    mov %rcx, %rax
    ret
    .size ferry_guarded_copy, . - ferry_guarded_copy
)");
#else
asm(R"(
    .text
    .globl ferry_guarded_copy, ferry_guarded_begin, ferry_guarded_end, ferry_guarded_landing
    .hidden ferry_guarded_copy, ferry_guarded_begin, ferry_guarded_end, ferry_guarded_landing
    .type ferry_guarded_copy, %function
ferry_guarded_copy:
    cmp x2, #8
    b.lo 2f
1:
ferry_guarded_begin:
    ldr x3, [x1]
    str x3, [x0]
    add x1, x1, #8
    add x0, x0, #8
    sub x2, x2, #8
    cmp x2, #8
    b.hs 1b
2:  cbz x2, 3f
    ldrb w3, [x1], #1
    strb w3, [x0], #1
    sub x2, x2, #1
    b 2b
ferry_guarded_end:
3:
ferry_guarded_landing:
    mov x0, x2
    ret
    .size ferry_guarded_copy, . - ferry_guarded_copy
)");
#endif

namespace ferry {

namespace {
// Addresses with the top bit pair set are never the guest's; x86 would raise #GP without an address for them.
// An AArch64 kernel hands out 48 bits and more only to who asks for them.
constexpr u64 address_limit = u64{1} << (host_isa == Isa::aarch64 ? 48 : 47);

bool plausible(GuestAddr address, size_t size) {
  return raw(address) < address_limit && size <= address_limit - raw(address);
}
}  // namespace

Result<void> copy_from_guest(void* destination, GuestAddr source, size_t size) {
  if (!plausible(source, size)) return fail(EFAULT);
  if (ferry_guarded_copy(destination, reinterpret_cast<const void*>(raw(source)), size) != 0) return fail(EFAULT);
  return {};
}

Result<void> copy_to_guest(GuestAddr destination, const void* source, size_t size) {
  if (!plausible(destination, size)) return fail(EFAULT);
  if (ferry_guarded_copy(reinterpret_cast<void*>(raw(destination)), source, size) != 0) return fail(EFAULT);
  return {};
}

Result<std::string> read_guest_string(GuestAddr source, size_t limit) {
  std::string text;
  char chunk[256];
  while (text.size() < limit) {
    // Never across a page boundary at once: the string may end just before an unmapped page.
    u64 in_page = 4096 - (raw(source) & 4095);
    size_t size = sizeof chunk < in_page ? sizeof chunk : in_page;
    if (size > limit - text.size()) size = limit - text.size();
    TRY_VOID(copy_from_guest(chunk, source, size));
    if (const void* nul = __builtin_memchr(chunk, 0, size)) {
      text.append(chunk, static_cast<const char*>(nul) - chunk);
      return text;
    }
    text.append(chunk, size);
    source += size;
  }
  return fail(ENAMETOOLONG);
}

bool fix_up_guest_access(void* context) {
  auto* uc = static_cast<ucontext_t*>(context);
#if defined(__x86_64__)
  auto& pc = uc->uc_mcontext.gregs[REG_RIP];
#else
  auto& pc = uc->uc_mcontext.pc;
#endif
  auto at = reinterpret_cast<const char*>(pc);
  if (at < ferry_guarded_begin || at >= ferry_guarded_end) return false;
  pc = reinterpret_cast<u64>(ferry_guarded_landing);
  return true;
}

}  // namespace ferry
