// The AArch64 guest's signal frame: what the kernel pushes on the guest's stack before a handler runs and takes back in
// rt_sigreturn. arch/arm64/kernel/signal.c, include/uapi/asm/{sigcontext,ucontext}.h.
#pragma once
#include "guest/memory.h"
#include "syscalls/thread.h"

namespace ferry::syscalls::aarch64_abi {

struct ContextHeader {
  u32 magic;
  u32 size;
};

inline constexpr u32 fpsimd_magic = 0x46508001;
inline constexpr u32 esr_magic = 0x45535201;
inline constexpr u32 extra_magic = 0x45585401;

struct FpsimdContext {
  ContextHeader head;
  u32 fpsr, fpcr;
  ferry::aarch64::Vector vectors[32];
};

struct EsrContext {
  ContextHeader head;
  u64 esr;
};

struct SignalContext {  // struct sigcontext
  u64 fault_address;
  u64 regs[31];
  u64 sp, pc, pstate;
  alignas(16) u8 reserved[4096];  // records, each a ContextHeader, ended by one of magic and size 0
};

struct UserContext {  // struct ucontext
  u64 flags, link;
  SignalStack stack;
  u64 mask;
  u8 unused[128 - sizeof(u64)];
  SignalContext context;
};

struct SignalFrame {  // struct rt_sigframe
  Siginfo info;
  UserContext user;
};

struct FrameRecord {
  u64 fp, lr;
};

static_assert(sizeof(FpsimdContext) == 528 && sizeof(EsrContext) == 16);
static_assert(offsetof(SignalContext, regs) == 8 && offsetof(SignalContext, pstate) == 272);
static_assert(offsetof(SignalContext, reserved) == 288 && sizeof(SignalContext) == 4384);
static_assert(offsetof(UserContext, stack) == 16 && offsetof(UserContext, mask) == 40);
static_assert(offsetof(UserContext, context) == 176 && sizeof(UserContext) == 4560);
static_assert(offsetof(SignalFrame, user) == 128 && sizeof(SignalFrame) == 4688);

}  // namespace ferry::syscalls::aarch64_abi

namespace ferry::syscalls {

// Pushes the frame for `info` and points the registers at the handler. EFAULT when the stack cannot hold it: then nothing
// has changed. The mask in the frame is thread.signals.mask; setting the new one is the caller's.
Result<void> push_signal_frame(Thread& thread, const SignalAction& action, const Siginfo& info);

// Reads the frame at sp and checks all of it before any register changes. EFAULT: a bad frame.
struct RestoredFrame {
  u64 mask;
  SignalStack stack;
  aarch64_abi::SignalContext context;  // without the records
  aarch64_abi::FpsimdContext fpsimd;
};
Result<void> read_signal_frame(const translator::Cpu& cpu, RestoredFrame& frame);
void restore_registers(translator::Cpu& cpu, const RestoredFrame& frame);

// The syndrome the CPU would have reported for a fault exit (Arm ARM D19.2.37), as the kernel shows it to user space.
u64 fault_syndrome(const translator::Exit& exit);

// Whether `sp` is on the guest's alternate stack, and SS_ONSTACK / SS_DISABLE / 0 as sas_ss_flags() says it.
bool on_signal_stack(const SignalStack& stack, u64 sp);
u32 signal_stack_state(const SignalStack& stack, u64 sp);

}  // namespace ferry::syscalls
