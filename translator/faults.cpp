// Host faults in translated code: which guest instruction it was, and how to leave with its state.
#include <signal.h>

#include <cstring>
#include <utility>

#include "translator/state.h"
#include "translator/stencil/host.h"
#include "translator/stencil/return_stack.h"

namespace ferry::translator {

using cache::Generation;
using optimizer::FaultSource;
using optimizer::FaultValue;

GuestAddr locate(const Cpu& cpu, u64 host_pc) {
  auto* generation = static_cast<const Generation*>(cpu.generation);
  return GuestAddr{generation != nullptr ? generation->locate(host_pc) : 0};
}

namespace {

u64 low_bits(u64 value, u64 bits) { return bits >= 64 ? value : value & ((u64{1} << bits) - 1); }
i64 with_sign(u64 value, u64 bits) { return static_cast<i64>(value << (64 - bits)) >> (64 - bits); }

// A step of an expression; which of the operands there are, region.h says.
u64 apply(const FaultValue& step, const u64* operands) {
  auto [a, b] = std::pair{operands[0], operands[1]};
  u64 bits = static_cast<u64>(step.value);
  switch (step.source) {
    case FaultSource::add:
      return a + b;
    case FaultSource::subtract:
      return a - b;
    case FaultSource::multiply:
      return a * b;
    case FaultSource::bit_and:
      return a & b;
    case FaultSource::bit_or:
      return a | b;
    case FaultSource::bit_xor:
      return a ^ b;
    case FaultSource::shift_left:
      return b < 64 ? a << b : 0;
    case FaultSource::shift_right:
      return b < 64 ? a >> b : 0;
    case FaultSource::shift_right_signed:
      return b < 64 ? static_cast<u64>(with_sign(a, step.size) >> b) : 0;
    case FaultSource::extend_sign:
      return static_cast<u64>(with_sign(a, bits));
    case FaultSource::equal:
      return a == b;
    case FaultSource::less:
      return a < b;
    case FaultSource::less_signed:
      return with_sign(a, bits) < with_sign(b, bits);
    case FaultSource::select:
      return a != 0 ? b : operands[2];
    default:
      return a;
  }
}

// What a fault edge's values are read from.
struct Interrupted {
  const cache::RegionTable& regions;
  const cache::RegionFaultState& state;
  const void* context;

  void read(const FaultValue& value, u8* bytes) const {
    u64 word = static_cast<u64>(value.value);
    switch (value.source) {
      case FaultSource::vector:
        return stencil::interrupted_vector(context, static_cast<u32>(value.value), bytes);
      case FaultSource::stack:
        memcpy(bytes, reinterpret_cast<const u8*>(stencil::interrupted_stack_pointer(context)) + value.value,
               value.size);
        return;
      case FaultSource::general:
        word = stencil::interrupted_general(context, static_cast<u32>(value.value));
        break;
      case FaultSource::base:
        word += state.base;
        break;
      case FaultSource::expression:
        word = evaluate(static_cast<u32>(word), static_cast<u32>(word >> 32));
        break;
      default:
        break;
    }
    memcpy(bytes, &word, sizeof word);
  }

  u64 evaluate(u32 first, u32 count) const {
    u64 stack[optimizer::max_fault_depth + 3] = {};
    u32 depth = 0;
    for (u32 i = 0; i < count; i++) {
      const FaultValue& step = regions.fault_value(state.first_value, state.first_list + first + i);
      if (optimizer::is_step(step.source)) {
        depth -= optimizer::operands_of(step.source);
        stack[depth] = low_bits(apply(step, stack + depth), step.size);
      } else {
        u8 bytes[16];
        read(step, bytes);
        memcpy(&stack[depth], bytes, sizeof stack[depth]);
        stack[depth] = low_bits(stack[depth], u64{8} * step.size);
      }
      depth++;
    }
    return stack[0];
  }
};

void leave(Cpu& cpu, const Generation& generation, void* context) {
  stencil::leave_from_signal(context, cpu);
  stencil::reset_return_stack(cpu, generation.unknown_return);
}

// The trap of a region's fault edge, after an access that faulted: what handle_fault() said of it then stands. Or of a poll.
bool make_state_exact(Cpu& cpu, const Generation& generation, const void* context) {
  const cache::RegionFaultState* state = generation.fault_state(stencil::interrupted_pc(context));
  if (state == nullptr) return false;
  const cache::RegionTable& regions = generation.regions;
  Interrupted interrupted{regions, *state, context};
  for (u32 i = 0; i < state->count; i++) {
    const FaultValue& value = regions.fault_value(state->first_value, state->first_list + state->first + i);
    u8 bytes[16];
    interrupted.read(value, bytes);
    memcpy(reinterpret_cast<u8*>(&cpu) + value.field, bytes, value.size);
  }
  cpu.pc = state->base + state->offset;
  if (state->is_poll) cpu.exit_reason = static_cast<u64>(ExitReason::region_poll);
  return true;
}

}  // namespace

bool handle_fault(Cpu& cpu, void* info, void* context) {
  auto* siginfo = static_cast<siginfo_t*>(info);
  // Translated code traps (UD2, or BRK on AArch64) at the end of a fault edge, and on a misaligned atomic access, whose address it left in
  // exit_operand.
  bool trapped = (siginfo->si_signo == SIGILL || siginfo->si_signo == SIGTRAP) && siginfo->si_code > 0;
  if (siginfo->si_signo != SIGSEGV && siginfo->si_signo != SIGBUS && !trapped) return false;
  if (cpu.host_sp == 0) return false;
  if (!trapped && stencil::extend_return_stack(cpu, reinterpret_cast<u64>(siginfo->si_addr))) {
    __atomic_store_n(&cpu.budget, -1, __ATOMIC_RELEASE);
    return true;
  }
  auto* generation = static_cast<const Generation*>(cpu.generation);
  u64 host_pc = stencil::interrupted_pc(context);
  if (trapped && make_state_exact(cpu, *generation, context)) {
    leave(cpu, *generation, context);
    return true;
  }
  bool translated = generation->code.contains(host_pc);
  u64 edge = generation->fault_edge(host_pc);
  if (edge == 0) {
    // A block's access. Elsewhere cpu.pc has been set before guest memory was touched: by a helper, by a reference function, by a
    // region for an access that it lists no edge of.
    if (u64 pc = generation->block_pc(host_pc)) cpu.pc = pc;
  }
  cpu.exit_reason = static_cast<u64>(ExitReason::fault);
  if (trapped) {
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
    leave(cpu, *generation, context);
  return true;
}

}  // namespace ferry::translator
