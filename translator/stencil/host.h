// What of running translated code differs between hosts.
#pragma once
#include <cstring>
#include <span>

#include "guest/aarch64/cpu.h"
#include "guest/types.h"
#include "translator/stencil/library.h"
#include "translator/stencil/reading.h"
#if defined(__x86_64__)
#include "translator/stencil/x86_64/patch.h"
#else
#include "translator/stencil/aarch64/patch.h"
#endif

namespace ferry::stencil {

// Patches one hole of a stencil pasted at write/run with `value`.
void patch_hole(Patch patch, u8* write, u64 run, u64 value);

// Code that can be redirected starts at addresses of this alignment.
inline constexpr u64 patchable_alignment = 8;

// Makes the code at `write` (run address `run`, aligned as above) a jump to `target`, atomically for threads that are
// executing it. The first host instruction there must be at least as long as the jump.
void redirect(u8* write, u64 run, u64 target);

// Patches a pasted jump (a hole of source `taken` at site) to another target. Not atomic: only while no other thread runs code.
void repoint_jump(u8* write_site, u64 run_site, u64 target);

// Whether the field of a pc-relative patch at `site` is a jump's target, which repoint_jump() may change, and not a mere address.
bool is_jump_site(const u8* site);

// A thunk: the shortest code that leaves with its own address as exit_operand, so that what belongs to it need not be part of
// the code. It occupies patchable_alignment bytes, calls one of the two stubs, and redirect() turns it into a jump.
enum class ThunkKind : u8 { link, poll };
void write_thunk(u8* write, u64 run, u64 stub);
// exit_operand of a thunk's exit minus the thunk's address.
extern const u64 thunk_return_offset;
// The stub's code: position-independent, to be copied to within a jump's reach of the thunks.
struct StubCode {
  const void* code;
  size_t size;
};
StubCode thunk_stub(ThunkKind kind);

// A jump to `target` with `argument` as the argument that goes with the Cpu pointer (cpu_bias.h); an entry that redirect() may change.
// It occupies argument_jump_size bytes. `argument` must be within 1 MB.
inline constexpr u64 argument_jump_size = 16;
void write_argument_jump(u8* write, u64 run, u64 argument, u64 target);

// A jump to `target`, or to `polled` while the budget is negative: somebody wants something of the thread. An entry that redirect() may
// change. It occupies polled_jump_size bytes; `polled` is within 100 bytes.
inline constexpr u64 polled_jump_size = 16;
void write_polled_jump(u8* write, u64 run, u64 polled, u64 target);

// Where translated code refers to what every generation begins with, in the code that is written here: the fields' offsets. They are
// relative to the code and 32 bits wide, as are those of stencils, where code can be moved as a whole.
#if defined(__x86_64__)
inline constexpr bool code_can_move = true;
inline constexpr u32 thunk_field = 1, argument_jump_field = 8, other_landing_field = 8;
#else
inline constexpr bool code_can_move = false;
inline constexpr u32 thunk_field = 0, argument_jump_field = 0, other_landing_field = 0;
#endif

// What redirect() overwrites, and back: as atomic.
u64 patchable_bytes(const u8* write);
void restore_patchable(u8* write, u64 run, u64 bytes);

// The return stack (return_stack.h). Where the host's address of a frame is: so far below a multiple of 16; the guest's is in the 8
// bytes above it.
#if defined(__x86_64__)
inline constexpr u64 return_address_at = 8;
#else
inline constexpr u64 return_address_at = 0;
#endif
inline constexpr u64 no_return_pc = 2;  // of the lowest frame: no return goes there
// Calls, before their landing: with Cpu exact and the link in `last`, and with carried registers and the frame's pc. The latter's target
// may be 0: then it is the argument.
#if defined(__x86_64__)
inline constexpr u64 call_size = 7, carried_call_size = 16, landing_size = 11, return_size = 7, carried_return_size = 1;
#else
inline constexpr u64 call_size = 12, carried_call_size = 28, landing_size = 8, return_size = 12,
                     carried_return_size = 8;
#endif
inline constexpr u64 call_field_size = 4;  // of a direct call, at its end: as of a jump for repoint_jump()
void write_call(u8* write, u64 run, u64 target);
void write_carried_call(u8* write, u64 run, u64 pc, u64 target);
// Goes on behind it when the return was to the frame's pc, with registers carried or not as said; else at `other`: other_landing_size
// bytes, the way to Generation::other_landing, with the code where the call comes back to when Cpu is exact.
void write_landing(u8* write, u64 run, u64 other, bool carried);
inline constexpr u64 other_landing_size = 16;
void write_other_landing(u8* write, u64 run, u64 code, u64 other_landing);
// Returns, with Cpu exact and the target in `last`, and with carried registers. The jump that is_jump_site() knows is made the latter,
// where that is possible.
void write_return(u8* write);
void write_carried_return(u8* write);
bool make_carried_return(u8* site);
// What a generation has once: position-independent code, which begins with what other landings go to and has at `unknown` what a
// return without a call goes to, at `lookup` what goes on at the guest pc that is the argument, with carried registers. Two
// jumps of patchable_alignment bytes are to follow it: to what stores carried registers and goes to the argument, and to what
// goes on at Cpu::pc.
struct ReturnCode {
  const void* code;
  size_t size, unknown, lookup;
};
ReturnCode return_code();

// Fills `size` bytes (less than patchable_alignment) with instructions that do nothing.
void fill_padding(u8* write, size_t size);

// Makes freshly written code visible to instruction fetch.
void publish(u64 run, u64 size);

// True when the host has what the stencils were compiled for; otherwise `missing` names it.
bool host_supported(const char*& missing);

// A cheap clock that ticks evenly (TSC; the virtual counter).
u64 ticks();

// Runs translated code, on the return stack, until it goes to Cpu::leave_code, which is ferry_leave. Saves and switches the
// floating-point control word.
extern "C" void ferry_enter(aarch64::Cpu* cpu, const void* code);
extern "C" const char ferry_leave[];

// The guest's floating-point control in its reset state.
void initialize_fp_control(aarch64::Cpu& cpu);

// Calls a reference function as translated code runs: under the guest's floating-point control, and such that
// leave_from_signal() ends it.
semantic::Outcome call_reference(aarch64::Cpu& cpu, semantic::ReferenceFunction function, const u64* operands);

// In a signal handler: makes the interrupted translated code leave as if by a Leave, with cpu.host_sp's frame. What the return stack
// holds is not known then: it is to be emptied.
void leave_from_signal(void* ucontext, const aarch64::Cpu& cpu);
// In a signal handler: makes the interrupted code go on at `pc`, registers as they are.
void resume_at(void* ucontext, u64 pc);
u64 interrupted_pc(const void* ucontext);
bool fault_was_write(const void* ucontext);

// In a signal handler: what the registers held. Numbers are those of the instruction set's encodings; vectors have 16 bytes.
#if defined(__x86_64__)
inline constexpr i64 general_registers = 16, vector_registers = 32;
#else
inline constexpr i64 general_registers = 31, vector_registers = 32;
#endif
u64 interrupted_general(const void* ucontext, u32 number);
u64 interrupted_stack_pointer(const void* ucontext);
void interrupted_vector(const void* ucontext, u32 number, u8* bytes);

// Whether the code begins with the trap that __builtin_trap() is.
inline bool is_fault_trap(std::span<const u8> code) {
#if defined(__x86_64__)
  return code.size() >= 2 && code[0] == 0x0f && code[1] == 0x0b;  // UD2
#else
  u32 word = 0;
  if (code.size() >= sizeof word) memcpy(&word, code.data(), sizeof word);
  return word == 0xd4200020;  // BRK #1
#endif
}

}  // namespace ferry::stencil
