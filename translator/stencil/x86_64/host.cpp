// x86-64: entering and leaving translated code, cross-modifying code (SDM 9.1.3).
#include "translator/stencil/host.h"

#include <cpuid.h>
#include <ucontext.h>

#include <atomic>
#include <cstddef>
#include <cstring>

#include "guest/check.h"
#include "translator/exit_reason.h"
#include "translator/stencil/cpu_bias.h"

using ferry::aarch64::Cpu;

// Frame made by ferry_enter at Cpu::host_sp: the cpu, then the callee-saved registers.
extern "C" [[gnu::naked]] void ferry_enter(Cpu*, const void*) {
  asm(R"(
    push %%rbp
    mov %%rsp, %%rbp
    push %%rbx
    push %%r12
    push %%r13
    push %%r14
    push %%r15
    push %%rdi
    mov %%rsp, %c[host_sp](%%rdi)
    stmxcsr %c[host_fp](%%rdi)
    ldmxcsr %c[guest_fp](%%rdi)
    lea %c[bias](%%rdi), %%r13
    mov %c[return_sp](%%rdi), %%rsp
    jmp *%%rsi
    .globl ferry_leave, ferry_leave_on_host_stack
    .hidden ferry_leave, ferry_leave_on_host_stack
ferry_leave:
    mov %%rsp, %c[return_sp]-%c[bias](%%r13)
    mov %c[host_sp]-%c[bias](%%r13), %%rsp
ferry_leave_on_host_stack:
    pop %%rdi
    stmxcsr %c[guest_fp](%%rdi)
    ldmxcsr %c[host_fp](%%rdi)
    movq $0, %c[host_sp](%%rdi)
    pop %%r15
    pop %%r14
    pop %%r13
    pop %%r12
    pop %%rbx
    pop %%rbp
    ret
)"
      :
      : [host_sp] "i"(offsetof(Cpu, host_sp)), [host_fp] "i"(offsetof(Cpu, host_fp_control)),
        [guest_fp] "i"(offsetof(Cpu, guest_fp_control)), [return_sp] "i"(offsetof(Cpu, return_sp)),
        [bias] "i"(ferry::stencil::cpu_bias));
}
extern "C" const char ferry_leave_on_host_stack[];

// Called by a thunk, with the biased Cpu in r13 as in every stencil.
#define FERRY_STUB(name, why)                                                        \
  extern "C" [[gnu::naked, gnu::used]] void name##_code() {                          \
    asm(".globl " #name ", " #name "_end\n.hidden " #name ", " #name "_end\n" #name  \
        ":\n\t"                                                                      \
        "pop %%rax\n\t"                                                              \
        "mov %%rax, %c[operand](%%r13)\n\t"                                          \
        "movq %[reason_value], %c[reason](%%r13)\n\t"                                \
        "jmp *%c[leave_code](%%r13)\n" #name "_end:"                                 \
        :                                                                            \
        : [operand] "i"(offsetof(Cpu, exit_operand) - ferry::stencil::cpu_bias),     \
          [reason] "i"(offsetof(Cpu, exit_reason) - ferry::stencil::cpu_bias),       \
          [leave_code] "i"(offsetof(Cpu, leave_code) - ferry::stencil::cpu_bias),    \
          [reason_value] "i"(static_cast<int>(ferry::translator::ExitReason::why))); \
  }                                                                                  \
  extern "C" const char name[], name##_end[];
FERRY_STUB(ferry_stub_link, link)
FERRY_STUB(ferry_stub_poll, poll)
#undef FERRY_STUB

// Where a landing goes that the return is not to, as registers are then. The stack is at the frame's guest address: the host's has been
// taken. In rbx: the landing's code for an exact Cpu. r12 is the register of `last`, r9 that of X30 where it is carried.
extern "C" [[gnu::naked, gnu::used]] void ferry_other_landing_code() {
  asm(R"(
    .globl ferry_other_landing, ferry_unknown_return, ferry_carried_lookup, ferry_other_landing_end
    .hidden ferry_other_landing, ferry_unknown_return, ferry_carried_lookup, ferry_other_landing_end
ferry_other_landing:
    mov (%%rsp), %%rax
    test %%r12, %%r12
    jne 1f
    cmp $1, %%r9
    je 1f
    cmp %%r9, %%rax
    jne ferry_unknown_return
    pop %%rax
    mov %%rbx, %%r12
    jmp ferry_other_landing_end
1:  cmp %%r12, %%rax
    jne ferry_unknown_return
    pop %%rax
    jmp *%%rbx
ferry_unknown_return:
    mov %%r12, %%r10
    test %%r12, %%r12
    jne 2f
    cmp $1, %%r9
    cmovne %%r9, %%r10
2:  sub $8, %%rsp
    mov %%rsp, %%rbx
    mov %[searched], %%ebp
3:  cmpq %[no_return], 8(%%rbx)
    je 4f
    add $16, %%rbx
    cmp %%r10, 8(%%rbx)
    je 6f
    dec %%ebp
    jne 3b
4:  mov %%r10, %c[pc](%%r13)
    test %%r12, %%r12
    jne 5f
    cmp $1, %%r9
    je 5f
    lea ferry_other_landing_end+8(%%rip), %%r12
    jmp ferry_other_landing_end
5:  jmp ferry_other_landing_end+8
6:  mov %%rbx, %%rsp
    ret
ferry_carried_lookup:
    mov %%r12, %c[pc](%%r13)
    lea ferry_other_landing_end+8(%%rip), %%r12
    jmp ferry_other_landing_end
    .p2align 3
ferry_other_landing_end:
)"
      :
      : [pc] "i"(offsetof(Cpu, pc) - ferry::stencil::cpu_bias), [searched] "i"(32),
        [no_return] "i"(ferry::stencil::no_return_pc));
}
extern "C" const char ferry_other_landing[], ferry_unknown_return[], ferry_carried_lookup[], ferry_other_landing_end[];

namespace ferry::stencil {

namespace {
template <class T>
void put(u8* at, T value) {
  memcpy(at, &value, sizeof value);
}
}  // namespace

void redirect(u8* write, u64 run, u64 target) {
  // One aligned 8-byte store: a jump of five bytes and the three bytes that were there.
  u64 bytes;
  memcpy(&bytes, write, sizeof bytes);
  u64 jump = 0xe9 | static_cast<u64>(static_cast<u32>(displacement(run + 5, target))) << 8;
  bytes = (bytes & 0xffffff0000000000) | jump;
  std::atomic_ref<u64>(*reinterpret_cast<u64*>(write)).store(bytes, std::memory_order_release);
}

void write_polled_jump(u8* write, u64 run, u64 polled, u64 target) {
  static constexpr u8 bytes[polled_jump_size] = {0x41, 0x83, 0xbd, 0, 0, 0, 0, 0,      // cmpl $0, budget(%r13)
                                                 0x78, 0,    0xe9, 0, 0, 0, 0, 0xcc};  // js rel8; jmp rel32
  memcpy(write, bytes, sizeof bytes);
  put(write + 3, static_cast<i32>(offsetof(Cpu, budget) - cpu_bias));
  i32 distance = displacement(run + 10, polled);
  check(distance == static_cast<i8>(distance));
  put(write + 9, static_cast<i8>(distance));
  put(write + 11, displacement(run + 15, target));
}

u64 patchable_bytes(const u8* write) {
  u64 bytes;
  memcpy(&bytes, write, sizeof bytes);
  return bytes;
}

void restore_patchable(u8* write, u64, u64 bytes) {
  std::atomic_ref<u64>(*reinterpret_cast<u64*>(write)).store(bytes, std::memory_order_release);
}

void repoint_jump(u8* write_site, u64 run_site, u64 target) { put(write_site, displacement(run_site + 4, target)); }

bool is_jump_site(const u8* site) {
  // JMP rel32, Jcc rel32. No ModRM byte of a pc-relative operand ends like them (SDM table 2-2: mod 00, r/m 101).
  return site[-1] == 0xe9 || (site[-2] == 0x0f && (site[-1] & 0xf0) == 0x80);
}

const u64 thunk_return_offset = 5;

StubCode thunk_stub(ThunkKind kind) {
  if (kind == ThunkKind::link) return {ferry_stub_link, static_cast<size_t>(ferry_stub_link_end - ferry_stub_link)};
  return {ferry_stub_poll, static_cast<size_t>(ferry_stub_poll_end - ferry_stub_poll)};
}

void write_call(u8* write, u64 run, u64 target) {
  static constexpr u8 bytes[call_size] = {0x41, 0x54, 0xe8};  // push %r12; call rel32
  memcpy(write, bytes, sizeof bytes);
  put(write + 3, displacement(run + call_size, target));
}

void write_carried_call(u8* write, u64 run, u64 pc, u64 target) {
  static constexpr u8 direct[carried_call_size] = {0x48, 0xb8, 0, 0, 0,    0,
                                                   0,    0,    0, 0, 0x50, 0xe8};  // movabs; push; call rel32
  static constexpr u8 indirect[carried_call_size] = {0x66, 0x90, 0x48, 0xb8, 0,    0,
                                                     0,    0,    0,    0,                  // nop; movabs $pc, %rax;
                                                     0,    0,    0x50, 0x41, 0xff, 0xd4};  // push %rax; call *%r12
  memcpy(write, target != 0 ? direct : indirect, carried_call_size);
  put(write + (target != 0 ? 2 : 4), pc);
  if (target != 0) put(write + 12, displacement(run + carried_call_size, target));
}

void write_landing(u8* write, u64 run, u64 other, bool carried) {
  u8 compared = carried ? 0x0c : 0x24;  // cmp %r9 or %r12, (%rsp); jne other; pop %rax
  const u8 bytes[landing_size] = {0x4c, 0x39, compared, 0x24, 0x0f, 0x85, 0, 0, 0, 0, 0x58};
  memcpy(write, bytes, sizeof bytes);
  put(write + 6, displacement(run + 10, other));
}

void write_other_landing(u8* write, u64 run, u64 code, u64 other_landing) {
  static constexpr u8 bytes[other_landing_size] = {0x48, 0x8d, 0x1d, 0, 0, 0,    0,  // lea code(%rip), %rbx
                                                   0xe9, 0,    0,    0, 0, 0x0f, 0x1f, 0x40, 0};  // jmp; nop
  memcpy(write, bytes, sizeof bytes);
  put(write + 3, displacement(run + 7, code));
  put(write + 8, displacement(run + 12, other_landing));
}

void write_return(u8* write) {
  static constexpr u8 bytes[return_size] = {0x41, 0xb9, 1, 0, 0, 0, 0xc3};  // mov $1, %r9d; ret
  memcpy(write, bytes, sizeof bytes);
}

void write_carried_return(u8* write) { *write = 0xc3; }

bool make_carried_return(u8* site) {
  if (site[-1] != 0xe9) return false;
  memset(site - 1, 0xcc, 5);
  write_carried_return(site - 1);
  return true;
}

ReturnCode return_code() {
  return {ferry_other_landing, static_cast<size_t>(ferry_other_landing_end - ferry_other_landing),
          static_cast<size_t>(ferry_unknown_return - ferry_other_landing),
          static_cast<size_t>(ferry_carried_lookup - ferry_other_landing)};
}

void fill_padding(u8* write, size_t size) {
  // The multi-byte NOPs recommended by the SDM (table 4-12), by length.
  static const u8 nops[8][7] = {{},
                                {0x90},
                                {0x66, 0x90},
                                {0x0f, 0x1f, 0x00},
                                {0x0f, 0x1f, 0x40, 0x00},
                                {0x0f, 0x1f, 0x44, 0x00, 0x00},
                                {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
                                {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00}};
  memcpy(write, nops[size], size);
}

void publish(u64, u64) {}  // x86 keeps instruction fetch coherent

u64 ticks() { return __builtin_ia32_rdtsc(); }

bool host_supported(const char*& missing) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2"))
    missing = "AVX2";
  else if (!__builtin_cpu_supports("fma"))
    missing = "FMA";
  else if (!__builtin_cpu_supports("bmi2"))
    missing = "BMI2";
  else
    return true;
  return false;
}

void initialize_fp_control(Cpu& cpu) { cpu.guest_fp_control = 0x1f80; }  // all exceptions masked, round to nearest

void leave_from_signal(void* context, const Cpu& cpu) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RIP] = reinterpret_cast<greg_t>(ferry_leave_on_host_stack);
  registers[REG_RSP] = static_cast<greg_t>(cpu.host_sp);
}

void resume_at(void* context, u64 pc) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(pc);
}

u64 interrupted_pc(const void* context) {
  return static_cast<u64>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}

u64 interrupted_general(const void* context, u32 number) {
  static constexpr int places[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<u64>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[places[number]]);
}

u64 interrupted_stack_pointer(const void* context) { return interrupted_general(context, 4); }

// The frame has what XSAVE stores, in its standard format: XMM0 to XMM15 with the legacy state, XMM16 on in a component of their
// own, ZMM registers one after another. SDM volume 1, 13.4; the kernel's asm/sigcontext.h.
void interrupted_vector(const void* context, u32 number, u8* bytes) {
  constexpr size_t legacy_vectors = 160, software_part = 464, header = 512;
  constexpr u32 magic = 0x46505853, upper_vectors = 7;
  auto* state = reinterpret_cast<const u8*>(static_cast<const ucontext_t*>(context)->uc_mcontext.fpregs);
  if (number < 16) {
    memcpy(bytes, state + legacy_vectors + 16 * number, 16);
    return;
  }
  memset(bytes, 0, 16);
  u32 found, size, offset, flags, also;
  u64 present;
  memcpy(&found, state + software_part, sizeof found);
  memcpy(&present, state + header, sizeof present);
  if (found != magic || (present >> upper_vectors & 1) == 0) return;  // as they were reset: zero
  if (__get_cpuid_count(0xd, upper_vectors, &size, &offset, &flags, &also) == 0) return;
  memcpy(bytes, state + offset + 64 * (number - 16), 16);
}

bool fault_was_write(const void* context) {
  return (static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2) != 0;  // page fault error code, W/R
}

}  // namespace ferry::stencil
