// The AArch64 guest's register file as translated code sees it: every guest register is a slot at a fixed
// offset, and an operand of a stencil is such an offset. Arm ARM (DDI 0487) B1.2.
// Freestanding: included by semantic functions for either host.
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {

struct alignas(16) Vector {
  u64 d[2];  // d[0] holds bits 63:0
};

// One entry of the per-thread cache from guest branch targets to host code.
struct JumpCacheEntry {
  u64 pc;
  const void* code;
};

// Two ways of so many entries, a power of two. What indirect branches look at is the first; what it had before is in the second.
inline constexpr u32 jump_cache_size = 2048, jump_cache_ways = 2;
// The only entry of a way that a target may be in: bits of a product in which all of its lower 32 bits take part. Functions that are called
// in turn lie whole pages apart, and met in one entry when that was bits of their addresses: sqlite3 missed 370,000 times.
inline constexpr u64 jump_cache_multiplier = 0x61c88647;
inline constexpr u32 jump_cache_shift = 20;
constexpr u64 jump_cache_index(u64 pc) {
  return pc * jump_cache_multiplier >> jump_cache_shift & (jump_cache_size - 1);
}

struct alignas(64) Cpu {
  u64 x[31];                       // X0..X30
  u64 sp;                          // register 31 where the encoding means SP: x + 31
  u64 zero;                        // register 31 where it means XZR and is read: always 0
  u64 sink;                        // register 31 where it means XZR and is written: never read
  u64 pc;                          // valid when translated code is not running
  u8 n, z, c, v;                   // the condition flags, 0 or 1 each
  i32 budget;                      // blocks until the next poll exit; negative: poll now
  alignas(16) Vector vectors[32];  // V0..V31
  u32 fpcr, fpsr;                  // fpsr: without what the host's sticky flags hold (read through the FP helpers)
  u64 tpidr_el0;
  // What n, z, c and v come of where translated code has left them so (translator/aarch64/lazy_flags.h): when flags_kind is not 0, they
  // are out of date. Never while translated code does not run.
  u64 flags_a, flags_b;
  u32 flags_kind;
  // The local exclusive monitor: LDXR remembers address, size and value, STXR compares and swaps.
  u64 exclusive_address;  // ~0 when open
  u64 exclusive_value[2];
  u64 exclusive_size;  // bytes

  // The rest belongs to the translator.
  u64 host_sp;      // host stack pointer inside enter(), to leave from anywhere
  u64 exit_reason;  // translator/translator.h: ExitReason
  u64 exit_operand;
  u32 guest_fp_control;        // host FP control/status word (MXCSR; FPCR on AArch64) that translated code runs under
  u32 host_fp_control;         // ferry's own, restored on leaving
  JumpCacheEntry* jump_cache;  // jump_cache_ways ways
  // The return stack (translator/stencil/return_stack.h): its mapping, and its top while translated code is not running.
  u8* return_stack;
  u64 return_sp;
  u32 return_stack_extended;  // it has overflowed
  const void* leave_code;     // where translated code goes to leave
  void* generation;           // the code memory this thread runs in
  u32 poll_requested;         // by request_poll(), until a poll exit takes it
  u32 budget_slices;  // that the budget is given out in and that are left, with the current one; 0: it is one piece
  // What handle_fault() found out about the fault that run() is going to report.
  i32 fault_signal, fault_code;
  u32 fault_write;
  u64 fault_address;
  void* thread;  // the syscall layer's Thread, opaque here
};

}  // namespace ferry::aarch64
