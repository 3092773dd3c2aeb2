// Host faults in translated code: which guest instruction it was, and how to leave with its state.
#include <signal.h>

#include "translator/state.h"
#include "translator/stencil/host.h"

namespace ferry::translator {

using cache::Generation;

GuestAddr locate(const Cpu& cpu, u64 host_pc) {
  auto* generation = static_cast<const Generation*>(cpu.generation);
  return GuestAddr{generation != nullptr ? generation->locate(host_pc) : 0};
}

bool handle_fault(Cpu& cpu, void* info, void* context) {
  auto* siginfo = static_cast<siginfo_t*>(info);
  // Translated code traps (UD2, or BRK on AArch64) on a misaligned atomic access, whose address it left in exit_operand.
  bool misaligned = (siginfo->si_signo == SIGILL || siginfo->si_signo == SIGTRAP) && siginfo->si_code > 0;
  if (siginfo->si_signo != SIGSEGV && siginfo->si_signo != SIGBUS && !misaligned) return false;
  if (cpu.host_sp == 0) return false;
  auto* generation = static_cast<const Generation*>(cpu.generation);
  u64 host_pc = stencil::interrupted_pc(context);
  bool translated = generation->code.contains(host_pc);
  u64 edge = generation->fault_edge(host_pc);
  if (edge == 0) {
    // A block's access. Elsewhere cpu.pc has been set before guest memory was touched: by a helper, by a reference function, by a
    // region for an access that it lists no edge of.
    if (u64 pc = generation->block_pc(host_pc)) cpu.pc = pc;
  }
  cpu.exit_reason = static_cast<u64>(ExitReason::fault);
  if (misaligned) {
    cpu.fault_signal = SIGBUS;
    cpu.fault_code = BUS_ADRALN;
    cpu.fault_address = cpu.exit_operand;
    cpu.fault_write = false;
  } else if (siginfo->si_code == SI_KERNEL && translated) {
    // An address that x86 cannot even form raises #GP, without an address: a tagged one, when translated code uses it.
    cpu.exit_reason = static_cast<u64>(ExitReason::tagged);
  } else {
    cpu.fault_signal = siginfo->si_signo;
    cpu.fault_code = siginfo->si_code == SI_KERNEL ? SEGV_MAPERR : siginfo->si_code;
    cpu.fault_address = reinterpret_cast<u64>(siginfo->si_addr);
    cpu.fault_write = stencil::fault_was_write(context);
  }
  if (edge != 0)
    stencil::resume_at(context, edge);
  else
    stencil::leave_from_signal(context, cpu);
  return true;
}

}  // namespace ferry::translator
