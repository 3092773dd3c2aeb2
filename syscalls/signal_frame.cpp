// Building and taking back the AArch64 signal frame, in the order of arch/arm64/kernel/signal.c so that the two can be
// read side by side.
#include "syscalls/signal_frame.h"

#include <csignal>
#include <cstring>

namespace ferry::syscalls {

namespace {
constexpr u32 ss_autodisarm = 1u << 31;
}

bool on_signal_stack(const SignalStack& stack, u64 sp) {
  if (static_cast<u32>(stack.flags) & ss_autodisarm) return false;
  return sp > stack.base && sp - stack.base <= stack.size;
}

u32 signal_stack_state(const SignalStack& stack, u64 sp) {
  if (stack.size == 0) return SS_DISABLE;
  return on_signal_stack(stack, sp) ? SS_ONSTACK : 0;
}

using namespace aarch64_abi;
using translator::Cpu;

namespace {

constexpr u64 page_fault_level3 = 0x07, permission_level3 = 0x0f, alignment_fault = 0x21, address_level0 = 0x04;
constexpr u64 first_kernel_address = u64{1} << 55;  // bit 55 selects TTBR1: the kernel hides how such an address failed

constexpr u64 pstate_forbidden = 0x1f | 0x3c0;  // any mode but EL0t, AArch32, masked DAIF: valid_user_regs()

u64 pstate_of(const Cpu& cpu) { return u64{cpu.n} << 31 | u64{cpu.z} << 30 | u64{cpu.c} << 29 | u64{cpu.v} << 28; }

template <class Record>
void append(SignalContext& context, size_t& offset, const Record& record) {
  memcpy(context.reserved + offset, &record, sizeof record);
  offset += sizeof record;
}

void save_context(const Thread& thread, SignalContext& context) {
  const Cpu& cpu = thread.cpu;
  memcpy(context.regs, cpu.x, sizeof context.regs);
  context.sp = cpu.sp;
  context.pc = cpu.pc;
  context.pstate = pstate_of(cpu);
  context.fault_address = thread.signals.fault_address;
  size_t offset = 0;
  FpsimdContext fpsimd{
      {fpsimd_magic, sizeof(FpsimdContext)}, translator::read_fpsr(cpu), translator::read_fpcr(cpu), {}};
  memcpy(fpsimd.vectors, cpu.vectors, sizeof fpsimd.vectors);
  append(context, offset, fpsimd);
  if (thread.signals.fault_syndrome != 0)
    append(context, offset, EsrContext{{esr_magic, sizeof(EsrContext)}, thread.signals.fault_syndrome});
  append(context, offset, ContextHeader{0, 0});
}

// sigsp(): the alternate stack when the action wants it and the thread is not on it already.
u64 stack_for(const Thread& thread, const SignalAction& action) {
  const SignalStack& stack = thread.signals.stack;
  if ((action.flags & SA_ONSTACK) && signal_stack_state(stack, thread.cpu.sp) == 0) return stack.base + stack.size;
  return thread.cpu.sp;
}

// parse_user_sigframe() for a machine without SVE and SME: one FPSIMD record is required, ESR is skipped, an EXTRA record
// may only be there with nothing of interest in it, and anything else is a bad frame.
Result<void> parse_records(const u8 (&reserved)[4096], FpsimdContext& fpsimd) {
  bool have_fpsimd = false;
  for (size_t offset = 0;;) {
    ContextHeader head;
    if (sizeof reserved - offset < sizeof head) return fail(EFAULT);
    memcpy(&head, reserved + offset, sizeof head);
    if (head.magic == 0) {
      if (head.size != 0 || !have_fpsimd) return fail(EFAULT);
      return {};
    }
    if (head.size < sizeof head || head.size % 16 != 0 || head.size > sizeof reserved - offset) return fail(EFAULT);
    if (head.magic == fpsimd_magic) {
      if (have_fpsimd || head.size != sizeof fpsimd) return fail(EFAULT);
      memcpy(&fpsimd, reserved + offset, sizeof fpsimd);
      have_fpsimd = true;
    } else if (head.magic != esr_magic && head.magic != extra_magic) {
      return fail(EFAULT);
    }
    offset += head.size;
  }
}

}  // namespace

Result<void> push_signal_frame(Thread& thread, const SignalAction& action, const Siginfo& info) {
  Cpu& cpu = thread.cpu;
  u64 record_at = (stack_for(thread, action) - sizeof(FrameRecord)) & ~u64{15};
  u64 frame_at = record_at - sizeof(SignalFrame);

  // Only what is used of the 4 KiB reserved area is written, as the kernel does.
  SignalFrame frame;
  memset(&frame, 0, offsetof(SignalFrame, user.context.reserved) + sizeof(FpsimdContext) + sizeof(EsrContext) + 16);
  frame.info = info;
  frame.user.stack = thread.signals.stack;
  u32 mode_flags = static_cast<u32>(thread.signals.stack.flags) & ss_autodisarm;
  frame.user.stack.flags = static_cast<i32>(signal_stack_state(thread.signals.stack, cpu.sp) | mode_flags);
  frame.user.mask = thread.signals.mask;
  save_context(thread, frame.user.context);
  size_t used = offsetof(SignalFrame, user.context.reserved) + sizeof(FpsimdContext) + sizeof(EsrContext) + 16;
  size_t begin = action.flags & SA_SIGINFO ? 0 : offsetof(SignalFrame, user);
  FrameRecord record{cpu.x[29], cpu.x[30]};
  TRY_VOID(copy_to_guest(GuestAddr{record_at}, &record, sizeof record));
  TRY_VOID(copy_to_guest(GuestAddr{frame_at + begin}, reinterpret_cast<const u8*>(&frame) + begin, used - begin));

  cpu.x[0] = static_cast<u64>(info.signal);
  if (action.flags & SA_SIGINFO) {
    cpu.x[1] = frame_at;
    cpu.x[2] = frame_at + offsetof(SignalFrame, user);
  }
  cpu.sp = frame_at;
  cpu.x[29] = record_at;
  cpu.x[30] = action.flags & sa_restorer ? action.restorer : thread.process->signal_trampoline;
  cpu.pc = action.handler;
  if (mode_flags) thread.signals.stack = SignalStack{0, SS_DISABLE, 0, 0};
  return {};
}

Result<void> read_signal_frame(const Cpu& cpu, RestoredFrame& restored) {
  if (cpu.sp & 15) return fail(EFAULT);
  SignalFrame frame;
  TRY_VOID(copy_from_guest(&frame, GuestAddr{cpu.sp}, sizeof frame));
  if (frame.user.context.pstate & pstate_forbidden) return fail(EFAULT);
  TRY_VOID(parse_records(frame.user.context.reserved, restored.fpsimd));
  restored.mask = frame.user.mask;
  restored.stack = frame.user.stack;
  memcpy(&restored.context, &frame.user.context, offsetof(SignalContext, reserved));
  return {};
}

void restore_registers(Cpu& cpu, const RestoredFrame& frame) {
  memcpy(cpu.x, frame.context.regs, sizeof cpu.x);
  cpu.sp = frame.context.sp;
  cpu.pc = frame.context.pc;
  cpu.n = frame.context.pstate >> 31 & 1;
  cpu.z = frame.context.pstate >> 30 & 1;
  cpu.c = frame.context.pstate >> 29 & 1;
  cpu.v = frame.context.pstate >> 28 & 1;
  memcpy(cpu.vectors, frame.fpsimd.vectors, sizeof cpu.vectors);
  translator::write_fpcr(cpu, frame.fpsimd.fpcr);
  translator::write_fpsr(cpu, frame.fpsimd.fpsr);
  cpu.exclusive_address = ~u64{0};  // an exception return clears the local monitor
}

u64 fault_syndrome(const translator::Exit& exit) {
  constexpr u64 instruction_abort = 0x20, data_abort = 0x24, full_length = u64{1} << 25, is_write = u64{1} << 6;
  u64 status = page_fault_level3;
  if (exit.address & first_kernel_address)
    status = address_level0;
  else if (exit.signal == SIGSEGV && exit.code == SEGV_ACCERR)
    status = permission_level3;
  else if (exit.signal == SIGBUS && exit.code == BUS_ADRALN)
    status = alignment_fault;
  u64 syndrome = (exit.fetch ? instruction_abort : data_abort) << 26 | full_length | status;
  return exit.write ? syndrome | is_write : syndrome;
}

}  // namespace ferry::syscalls
