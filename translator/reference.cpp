#include "translator/reference.h"

#include <signal.h>
#include <sys/mman.h>

#include "guest/memory.h"
#include "translator/aarch64/decode.h"
#include "translator/state.h"
#include "translator/stencil/host.h"

namespace ferry::translator {

namespace {

bool is_executable(u64 pc) {
  std::lock_guard guard(lock);
  return executable_ranges.allows(pc);
}

// With MS_ASYNC msync() does nothing but look; mincore() would say the same, but not where the host is emulated by qemu-user, which
// takes a page without permissions for none.
bool is_mapped(u64 address) { return msync(reinterpret_cast<void*>(address & ~u64{4095}), 4096, MS_ASYNC) == 0; }

bool fetch(const Cpu& cpu, u32& word) {
  return (cpu.pc & 3) == 0 && is_executable(cpu.pc) && copy_from_guest(&word, GuestAddr{cpu.pc}, sizeof word);
}

}  // namespace

Exit fetch_fault(const Cpu& cpu) {
  Exit exit{.reason = ExitReason::fault, .signal = SIGSEGV, .code = SEGV_MAPERR, .address = cpu.pc, .fetch = true};
  if ((cpu.pc & 3) != 0) {
    exit.signal = SIGBUS;
    exit.code = BUS_ADRALN;
  } else if (is_mapped(cpu.pc)) {
    // What may be executed can be read, except beyond the end of a mapped file.
    u32 word;
    bool beyond_file = is_executable(cpu.pc) && !copy_from_guest(&word, GuestAddr{cpu.pc}, sizeof word);
    exit.signal = beyond_file ? SIGBUS : SIGSEGV;
    exit.code = beyond_file ? int{BUS_ADRERR} : int{SEGV_ACCERR};
  }
  return exit;
}

Exit exit_of(const Cpu& cpu) {
  auto reason = static_cast<ExitReason>(cpu.exit_reason);
  switch (reason) {
    case ExitReason::fault:
      return {.reason = reason,
              .signal = cpu.fault_signal,
              .code = cpu.fault_code,
              .address = cpu.fault_address,
              .write = cpu.fault_write != 0};
    case ExitReason::undefined:
      return {.reason = reason, .address = cpu.exit_operand};
    default:
      return {.reason = reason};
  }
}

bool step_reference(Cpu& cpu, Exit& exit, semantic::Control& control) {
  u32 word;
  aarch64::Instruction instruction;
  if (!fetch(cpu, word)) return exit = fetch_fault(cpu), true;
  semantic::ReferenceFunction function = nullptr;
  if (aarch64::decode(word, GuestAddr{cpu.pc}, instruction)) function = aarch64::reference(instruction);
  if (function == nullptr) {
    cpu.exit_reason = static_cast<u64>(ExitReason::undefined);
    cpu.exit_operand = word;
    return exit = exit_of(cpu), true;
  }
  u64 pc = cpu.pc;
  semantic::Outcome outcome = stencil::call_reference(cpu, function, instruction.operands);
  if (cpu.exit_reason == static_cast<u64>(ExitReason::fault)) return exit = exit_of(cpu), true;
  control = outcome.control;
  switch (control) {
    case semantic::Control::next:
      cpu.pc = pc + 4;
      return false;
    case semantic::Control::branch:
      cpu.pc = outcome.taken ? raw(instruction.target()) : pc + 4;
      return false;
    case semantic::Control::jump:
    case semantic::Control::call:
      cpu.pc = raw(instruction.target());
      return false;
    case semantic::Control::indirect_jump:
    case semantic::Control::indirect_call:
    case semantic::Control::function_return:
      cpu.pc = outcome.target;
      return false;
    case semantic::Control::leave:
      break;
  }
  cpu.exit_reason = outcome.reason;
  return exit = exit_of(cpu), true;
}

Exit run_reference(Cpu& cpu) {
  Exit exit{ExitReason::poll};
  semantic::Control control;
  for (;;) {
    cpu.exit_reason = static_cast<u64>(ExitReason::poll);
    if (step_reference(cpu, exit, control)) return exit;
    if (__atomic_sub_fetch(&cpu.budget, 1, __ATOMIC_RELAXED) < 0 && poll_wanted(cpu)) return {ExitReason::poll};
  }
}

Exit step(Cpu& cpu) {
  Exit exit{ExitReason::poll};
  cpu.exit_reason = static_cast<u64>(ExitReason::poll);
  semantic::Control control;
  step_reference(cpu, exit, control);
  return exit;
}

}  // namespace ferry::translator
