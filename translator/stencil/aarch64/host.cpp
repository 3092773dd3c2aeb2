// AArch64: relocations (ELF for the Arm 64-bit Architecture, 5.7), entering and leaving translated code.
#include "translator/stencil/host.h"

#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include <atomic>
#include <cstddef>
#include <cstring>

#include "guest/check.h"
#include "translator/exit_reason.h"

using ferry::aarch64::Cpu;

// Frame made by ferry_enter at Cpu::host_sp: callee-saved registers, then the cpu. While translated code runs the host's
// FPCR and FPSR are the guest's (aarch64/fp_control.cpp).
extern "C" [[gnu::naked]] void ferry_enter(Cpu*, const void*) {
  asm(R"(
    stp x29, x30, [sp, #-176]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x0, [sp, #160]
    mov x9, sp
    str x9, [x0, %[host_sp]]
    mrs x9, fpcr
    str w9, [x0, %[host_fp]]
    ldr w9, [x0, %[guest_fpcr]]
    msr fpcr, x9
    ldr w9, [x0, %[guest_fpsr]]
    msr fpsr, x9
    ldr x9, [x0, %[return_sp]]
    mov sp, x9
    mov x20, x0
    br x1
    .globl ferry_leave, ferry_leave_on_host_stack
    .hidden ferry_leave, ferry_leave_on_host_stack
ferry_leave:
    mov x9, sp
    str x9, [x20, %[return_sp]]
    ldr x9, [x20, %[host_sp]]
    mov sp, x9
ferry_leave_on_host_stack:
    ldr x0, [sp, #160]
    mrs x9, fpsr
    ldr w10, [x0, %[guest_fpsr]]
    orr w9, w9, w10
    str w9, [x0, %[guest_fpsr]]
    mrs x9, fpcr
    str w9, [x0, %[guest_fpcr]]
    ldr w9, [x0, %[host_fp]]
    msr fpcr, x9
    str xzr, [x0, %[host_sp]]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    ret
)"
      :
      : [host_sp] "i"(offsetof(Cpu, host_sp)), [host_fp] "i"(offsetof(Cpu, host_fp_control)),
        [guest_fpcr] "i"(offsetof(Cpu, fpcr)), [guest_fpsr] "i"(offsetof(Cpu, fpsr)),
        [return_sp] "i"(offsetof(Cpu, return_sp)));
}
extern "C" const char ferry_leave_on_host_stack[];

// Called by a thunk, with the Cpu in x20 as in every stencil.
#define FERRY_STUB(name, why)                                                                   \
  extern "C" [[gnu::naked, gnu::used]] void name##_code() {                                     \
    asm(".globl " #name ", " #name "_end\n.hidden " #name ", " #name "_end\n" #name             \
        ":\n\t"                                                                                 \
        "str x30, [x20, %[operand]]\n\t"                                                        \
        "mov w9, %[reason_value]\n\t"                                                           \
        "str x9, [x20, %[reason]]\n\t"                                                          \
        "ldr x9, [x20, %[leave_code]]\n\t"                                                      \
        "br x9\n" #name "_end:"                                                                 \
        :                                                                                       \
        : [operand] "i"(offsetof(Cpu, exit_operand)), [reason] "i"(offsetof(Cpu, exit_reason)), \
          [leave_code] "i"(offsetof(Cpu, leave_code)),                                          \
          [reason_value] "i"(static_cast<int>(ferry::translator::ExitReason::why)));            \
  }                                                                                             \
  extern "C" const char name[], name##_end[];
FERRY_STUB(ferry_stub_link, link)
FERRY_STUB(ferry_stub_poll, poll)
#undef FERRY_STUB

// Where a landing goes that the return is not to, as registers are then: the frame has been taken from the stack, its guest address is in
// x9. In x10: the landing's code for an exact Cpu. x21 is the register of `last`, x0 that of X30 where it is carried.
extern "C" [[gnu::naked, gnu::used]] void ferry_other_landing_code() {
  asm(R"(
    .globl ferry_other_landing, ferry_unknown_return, ferry_carried_lookup, ferry_other_landing_end
    .hidden ferry_other_landing, ferry_unknown_return, ferry_carried_lookup, ferry_other_landing_end
ferry_other_landing:
    cbnz x21, 1f
    cmp x0, #1
    b.eq 1f
    cmp x9, x0
    b.ne ferry_unknown_return
    mov x21, x10
    b ferry_other_landing_end
1:  cmp x9, x21
    b.ne ferry_unknown_return
    br x10
ferry_unknown_return:
    mov x11, x21
    cbnz x21, 2f
    cmp x0, #1
    csel x11, x21, x0, eq
2:  sub sp, sp, #16
    mov x12, sp
    mov w13, %[searched]
3:  ldr x14, [x12, #8]
    cmp x14, %[no_return]
    b.eq 4f
    add x12, x12, #16
    ldr x14, [x12, #8]
    cmp x14, x11
    b.eq 6f
    subs w13, w13, #1
    b.ne 3b
4:  str x11, [x20, %[pc]]
    cbnz x21, 5f
    cmp x0, #1
    b.eq 5f
    adr x21, ferry_other_landing_end+8
    b ferry_other_landing_end
5:  b ferry_other_landing_end+8
6:  mov sp, x12
    ldp x16, x9, [sp], #16
    ret x16
ferry_carried_lookup:
    str x21, [x20, %[pc]]
    adr x21, ferry_other_landing_end+8
    b ferry_other_landing_end
    .p2align 3
ferry_other_landing_end:
)"
      :
      : [pc] "i"(offsetof(Cpu, pc)), [searched] "i"(32), [no_return] "i"(ferry::stencil::no_return_pc));
}
extern "C" const char ferry_other_landing[], ferry_unknown_return[], ferry_carried_lookup[], ferry_other_landing_end[];

namespace ferry::stencil {

namespace {
void edit(u8* write, u32 clear, u32 set) {
  u32 word;
  memcpy(&word, write, sizeof word);
  word = (word & ~clear) | set;
  memcpy(write, &word, sizeof word);
}

// The imm12 of a load, store or ADD, bits 21:10, in units of the access size.
void lo12(u8* write, u64 value, int scale) {
  check(value < (u64{4096} << scale) && (value & ((1u << scale) - 1)) == 0);
  edit(write, 0xfffu << 10, static_cast<u32>(value >> scale) << 10);
}

constexpr u32 nop = 0xd503201f;

void movw(u8* write, u64 value, int group) {
  edit(write, 0xffffu << 5, static_cast<u32>(value >> (16 * group) & 0xffff) << 5);
}

u32 branch_word(u64 from, u64 to) {
  i64 distance = static_cast<i64>(to - from);
  check(distance >= -(i64{1} << 27) && distance < i64{1} << 27);
  return 0x14000000 | (static_cast<u32>(distance >> 2) & 0x03ffffff);
}
}  // namespace

void patch_hole(Patch patch, u8* write, u64 run, u64 value) {
  switch (patch) {
    // Operands are offsets into Cpu; the low twelve bits of a constant's address are scaled the same way.
    case Patch::lo12_add:
      lo12(write, value & 0xfff, 0);
      return;
    case Patch::lo12_8:
      lo12(write, value & 0xfff, 0);
      return;
    case Patch::lo12_16:
      lo12(write, value & 0xfff, 1);
      return;
    case Patch::lo12_32:
      lo12(write, value & 0xfff, 2);
      return;
    case Patch::lo12_64:
      lo12(write, value & 0xfff, 3);
      return;
    case Patch::lo12_128:
      lo12(write, value & 0xfff, 4);
      return;
    case Patch::movw_g0:
      movw(write, value, 0);
      return;
    case Patch::movw_g1:
      movw(write, value, 1);
      return;
    case Patch::movw_g2:
      movw(write, value, 2);
      return;
    case Patch::movw_g3:
      movw(write, value, 3);
      return;
    case Patch::jump_26:
      edit(write, 0x03ffffff, branch_word(run, value) & 0x03ffffff);
      return;
    case Patch::adr_page: {
      i64 pages = static_cast<i64>(value >> 12) - static_cast<i64>(run >> 12);
      check(pages >= -(1 << 20) && pages < 1 << 20);
      edit(write, 3u << 29 | 0x7ffffu << 5,
           (static_cast<u32>(pages) & 3) << 29 | (static_cast<u32>(pages >> 2) & 0x7ffff) << 5);
      return;
    }
    default:
      check(!"an AArch64 patch");
  }
}

void redirect(u8* write, u64 run, u64 target) {
  std::atomic_ref<u32>(*reinterpret_cast<u32*>(write)).store(branch_word(run, target), std::memory_order_release);
  publish(run, 4);
}

u64 patchable_bytes(const u8* write) {
  u32 word;
  memcpy(&word, write, sizeof word);
  return word;
}

void restore_patchable(u8* write, u64 run, u64 bytes) {
  std::atomic_ref<u32>(*reinterpret_cast<u32*>(write)).store(static_cast<u32>(bytes), std::memory_order_release);
  publish(run, 4);
}

void repoint_jump(u8* write_site, u64 run_site, u64 target) {
  edit(write_site, 0x03ffffff, branch_word(run_site, target) & 0x03ffffff);
  publish(run_site, 4);
}

bool is_jump_site(const u8* site) {
  u32 word;
  memcpy(&word, site, sizeof word);
  return (word & 0xfc000000) == 0x14000000;  // B
}

const u64 thunk_return_offset = 4;

void write_thunk(u8* write, u64 run, u64 stub) {
  const u32 words[] = {0x94000000 | (branch_word(run, stub) & 0x03ffffff),
                       nop};  // BL; the link register names the thunk
  memcpy(write, words, sizeof words);
}

namespace {
constexpr u32 push_frame = 0xa9bf57e9;  // STP X9, X21, [SP, #-16]!: the landing, the link
constexpr u32 pop_frame = 0xa8c127f0;   // LDP X16, X9, [SP], #16
constexpr u32 return_to_x16 = 0xd65f0200;

u32 adr(u32 number, u64 from, u64 to) {
  i64 distance = static_cast<i64>(to - from);
  check(distance >= -(i64{1} << 20) && distance < i64{1} << 20);
  u32 immediate = static_cast<u32>(distance);
  return 0x10000000 | (immediate & 3) << 29 | (immediate >> 2 & 0x7ffff) << 5 | number;
}
}  // namespace

void write_argument_jump(u8* write, u64 run, u64 argument, u64 target) {
  const u32 words[] = {adr(21, run, argument), branch_word(run + 4, target), nop, nop};
  memcpy(write, words, sizeof words);
}

void write_polled_jump(u8* write, u64 run, u64 polled, u64 target) {
  constexpr u32 load_x20_x16 = 0xb9400290, branch_negative_w16 = 0x37f80010;  // LDR W16, [X20, #]; TBNZ W16, #31,
  u32 distance = static_cast<u32>(polled - (run + 4));
  const u32 words[] = {load_x20_x16 | static_cast<u32>(offsetof(Cpu, budget) / 4) << 10,
                       branch_negative_w16 | (distance >> 2 & 0x3fff) << 5, branch_word(run + 8, target), nop};
  static_assert(sizeof words == polled_jump_size);
  memcpy(write, words, sizeof words);
}

void write_call(u8* write, u64 run, u64 target) {
  const u32 words[] = {adr(9, run, run + call_size), push_frame, branch_word(run + 8, target)};
  memcpy(write, words, sizeof words);
}

void write_carried_call(u8* write, u64 run, u64 pc, u64 target) {
  constexpr u32 movz_x10 = 0xd280000a, movk_x10 = 0xf280000a, push_landing_and_x10 = 0xa9bf2be9,
                branch_to_x21 = 0xd61f02a0;
  u32 words[] = {movz_x10,
                 movk_x10 | 1 << 21,
                 movk_x10 | 2 << 21,
                 movk_x10 | 3 << 21,
                 adr(9, run + 16, run + carried_call_size),
                 push_landing_and_x10,
                 target != 0 ? branch_word(run + 24, target) : branch_to_x21};
  for (int i = 0; i < 4; i++) words[i] |= static_cast<u32>(pc >> 16 * i & 0xffff) << 5;
  static_assert(sizeof words == carried_call_size);
  memcpy(write, words, sizeof words);
}

void write_landing(u8* write, u64 run, u64 other, bool carried) {
  constexpr u32 compare_x9_x0 = 0xeb00013f, compare_x9_x21 = 0xeb15013f, branch_unequal = 0x54000001;
  i64 distance = static_cast<i64>(other - (run + 4));
  check(distance >= -(i64{1} << 20) && distance < i64{1} << 20);
  const u32 words[] = {carried ? compare_x9_x0 : compare_x9_x21,
                       branch_unequal | (static_cast<u32>(distance >> 2) & 0x7ffff) << 5};
  memcpy(write, words, sizeof words);
}

void write_other_landing(u8* write, u64 run, u64 code, u64 other_landing) {
  const u32 words[] = {adr(10, run, code), branch_word(run + 4, other_landing), nop, nop};
  memcpy(write, words, sizeof words);
}

void write_return(u8* write) {
  const u32 words[] = {0xd2800020, pop_frame, return_to_x16};  // MOV X0, #1
  memcpy(write, words, sizeof words);
}

void write_carried_return(u8* write) {
  const u32 words[] = {pop_frame, return_to_x16};
  memcpy(write, words, sizeof words);
}

bool make_carried_return(u8*) { return false; }  // it takes two instructions

ReturnCode return_code() {
  return {ferry_other_landing, static_cast<size_t>(ferry_other_landing_end - ferry_other_landing),
          static_cast<size_t>(ferry_unknown_return - ferry_other_landing),
          static_cast<size_t>(ferry_carried_lookup - ferry_other_landing)};
}

StubCode thunk_stub(ThunkKind kind) {
  if (kind == ThunkKind::link) return {ferry_stub_link, static_cast<size_t>(ferry_stub_link_end - ferry_stub_link)};
  return {ferry_stub_poll, static_cast<size_t>(ferry_stub_poll_end - ferry_stub_poll)};
}

void fill_padding(u8* write, size_t size) {
  if (size == 4) memcpy(write, &nop, sizeof nop);
}

void publish(u64 run, u64 size) {
  __builtin___clear_cache(reinterpret_cast<char*>(run), reinterpret_cast<char*>(run + size));
}

bool host_supported(const char*&) { return true; }  // stencils are plain Armv8.0

void initialize_fp_control(Cpu& cpu) { cpu.fpcr = cpu.fpsr = 0; }

u64 ticks() {
  u64 count;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
}

void leave_from_signal(void* context, const Cpu& cpu) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  machine.pc = reinterpret_cast<u64>(ferry_leave_on_host_stack);
  machine.sp = cpu.host_sp;
}

void resume_at(void* context, u64 pc) { static_cast<ucontext_t*>(context)->uc_mcontext.pc = pc; }

u64 interrupted_pc(const void* context) { return static_cast<const ucontext_t*>(context)->uc_mcontext.pc; }

u64 interrupted_general(const void* context, u32 number) {
  return static_cast<const ucontext_t*>(context)->uc_mcontext.regs[number];
}

u64 interrupted_stack_pointer(const void* context) { return static_cast<const ucontext_t*>(context)->uc_mcontext.sp; }

// In a record of the frame's extensible part, which ends in an empty one.
void interrupted_vector(const void* context, u32 number, u8* bytes) {
  const unsigned char* at = static_cast<const ucontext_t*>(context)->uc_mcontext.__reserved;
  for (;;) {
    _aarch64_ctx record;
    memcpy(&record, at, sizeof record);
    if (record.magic == FPSIMD_MAGIC) {
      memcpy(bytes, at + offsetof(fpsimd_context, vregs) + 16 * number, 16);
      return;
    }
    check(record.magic != 0 && record.size != 0);
    at += record.size;
  }
}

bool fault_was_write(const void* context) {
  // The faulting instruction tells (not every kernel or emulator passes ESR): loads and stores, bit 22 or the
  // exclusive/ordered forms' L bit. DDI 0487 C4.1.94.
  u32 word;
  memcpy(&word, reinterpret_cast<const void*>(interrupted_pc(context)), sizeof word);
  if ((word & 0x3f000000) == 0x08000000) return (word & 1u << 22) == 0;  // exclusives, ordered
  if ((word & 0x3b200c00) == 0x38200000) return true;                    // atomics
  if ((word & 0x3a000000) == 0x28000000) return (word & 1u << 22) == 0;  // pairs
  return (word & 3u << 22) == 0 || ((word & 0xffc00000) == 0x3d800000) || ((word & 0xffe00c00) == 0x3c800000);
}

}  // namespace ferry::stencil
