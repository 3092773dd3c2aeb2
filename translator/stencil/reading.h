// The readings of a semantic function: what its return type says of control flow, the stencil and the reference made
// from it, and how the rows of an encodings table become entries of the stencil library.
#pragma once
#include "translator/aarch64/lazy_flags.h"
#include "translator/stencil/cpu_bias.h"
#include "translator/stencil/semantic.h"

namespace ferry::semantic {

// ---- What a semantic function returns tells how control goes on; void means: with the next instruction.
enum class Control : u8 { next, branch, jump, call, indirect_jump, indirect_call, function_return, leave };

struct Branch {  // conditional: to the Target operand when taken
  static constexpr Control control = Control::branch;
  bool taken;
};
struct Jump {  // to the Target operand
  static constexpr Control control = Control::jump;
};
// Calls have written the address that they come back to into a register, their only result.
struct Call {  // to the Target operand
  static constexpr Control control = Control::call;
};
struct IndirectJump {
  static constexpr Control control = Control::indirect_jump;
  u64 target;
};
struct IndirectCall {
  static constexpr Control control = Control::indirect_call;
  u64 target;
};
struct Return {
  static constexpr Control control = Control::function_return;
  u64 target;
};
// To the dispatcher; the function has set cpu.pc. `reason` is a translator::ExitReason.
struct Leave {
  static constexpr Control control = Control::leave;
  u64 reason;
};

template <class R>
inline constexpr Control control_of = R::control;
template <>
inline constexpr Control control_of<void> = Control::next;

// What the reference reports of one instruction.
struct Outcome {
  Control control = Control::next;
  bool taken = false;  // branch
  u64 target = 0;      // indirect jumps and returns
  u64 reason = 0;      // leave
};
using ReferenceFunction = Outcome (*)(Cpu* cpu, const u64* operands);
using BitcodeFunction = u64 (*)(Cpu* cpu, u64, u64, u64, u64, u64, u64);

template <int... values>
struct Ints {};
template <class, int... values>
struct IntsHolder {
  using Type = Ints<values...>;
};
template <int count>
using IntsBelow = typename __make_integer_seq<IntsHolder, int, count>::Type;

template <class T>
concept IsSlotOperand = __is_base_of(SlotOperand, T);

template <IsSlotOperand T>
FERRY_INLINE T slot_operand(Cpu* cpu, Offset offset) {
  T operand;
  operand.cpu = cpu;
  operand.offset = offset;
  return operand;
}

template <class T>
FERRY_INLINE T operand_from_value(Cpu* cpu, u64 value) {
  if constexpr (IsSlotOperand<T>)
    return slot_operand<T>(cpu, (Offset)value);
  else
    return T::from_value(value);
}

template <class T>
concept ReadsGeneral = requires { T::general_read; };
template <class T>
concept WritesGeneral = requires { T::general_written; };

// The first operand that writes a general register: its value becomes `last`. -1: none.
template <class... A>
consteval int result_operand() {
  constexpr bool writes[] = {WritesGeneral<A>..., false};
  for (int i = 0; i < static_cast<int>(sizeof...(A)); i++) {
    if (writes[i]) return i;
  }
  return -1;
}

// What an instruction has to do with the flags, and where a form of its stencil finds them.
struct FlagUse {
  bool reads = false, writes = false;
  // The function uses nothing of its Cpu but the flags: it gets them as variables of the stencil, which no store to a slot
  // can be thought to change.
  bool separate = false;
  bool from_registers = false;
  bool lazy = false;  // leaves them lazy (lazy_flags.h) where it can

  consteval FlagUse with(bool flags_from_registers) const {
    FlagUse result = *this;
    result.from_registers = flags_from_registers;
    return result;
  }
};

#if defined(FERRY_STENCIL)
FERRY_INLINE void copy_flags(Cpu& to, const Cpu& from) {
  to.n = from.n;
  to.z = from.z;
  to.c = from.c;
  to.v = from.v;
}

// From a stencil's own Cpu, whose kind is known when that is compiled, to the thread's.
FERRY_INLINE void leave_flags(Cpu& to, const Cpu& from) {
  if ((from.flags_kind & aarch64::compared) != 0) {
    to.flags_a = from.flags_a;
    if ((from.flags_kind & aarch64::b_in_kind) == 0) to.flags_b = from.flags_b;
    to.flags_kind = from.flags_kind;
  } else {
    copy_flags(to, from);
    to.flags_kind = static_cast<u32>(aarch64::LazyFlags::settled);
  }
}

using StencilCode = PRESERVE_NONE void (*)(FERRY_TRAVELLERS);

FERRY_INLINE Cpu* unbiased(BiasedCpu* cpu) {
  return reinterpret_cast<Cpu*>(reinterpret_cast<char*>(cpu) - stencil::cpu_bias);
}

// What of an operand's hole depends on the form: whether it is taken from `last`, whether it is the result.
template <class T, int index, bool forwarded, bool is_result>
FERRY_INLINE T operand_from_hole(Cpu* cpu, const u64* last, u64* result) {
  if constexpr (IsSlotOperand<T>) {
    T operand = slot_operand<T>(cpu, hole<index>());
    if constexpr (forwarded) operand.forwarded = last;
    if constexpr (is_result) operand.result = result;
    return operand;
  } else {
    return T::template from_hole<index>();
  }
}

// Goes on at cpu->pc: by the first way of the per-thread cache of targets, else by `taken`.
// The target travels in cpu->pc because a guaranteed tail call keeps the caller's signature.
[[gnu::always_inline]] PRESERVE_NONE static inline void go_to_pc(FERRY_TRAVELLERS) {
  Cpu* cpu = unbiased(biased);
  const aarch64::JumpCacheEntry& entry = cpu->jump_cache[aarch64::jump_cache_index(cpu->pc)];
  if (__builtin_expect(entry.pc == cpu->pc, 1)) {
    [[clang::musttail]] return reinterpret_cast<StencilCode>(const_cast<void*>(entry.code))(FERRY_PASS_ON);
  }
  [[clang::musttail]] return taken(FERRY_PASS_ON);
}
#endif

template <auto function>
struct Reading;

template <class R, class... A, R (*function)(Cpu&, A...)>
struct Reading<function> {
  static constexpr Control control = control_of<R>;
  static constexpr int operand_count = sizeof...(A);
  static_assert(operand_count <= max_operands);

  template <int... i>
  FERRY_INLINE R with_values(Cpu* cpu, [[maybe_unused]] const u64* operands, Ints<i...>) {
    return function(*cpu, operand_from_value<A>(cpu, operands[i])...);
  }

  static Outcome reference(Cpu* cpu, const u64* operands) {
    Outcome outcome{.control = control};
    if constexpr (control == Control::next) {
      with_values(cpu, operands, IntsBelow<operand_count>{});
    } else {
      auto result = with_values(cpu, operands, IntsBelow<operand_count>{});
      if constexpr (control == Control::branch) outcome.taken = result.taken;
      if constexpr (requires { result.target; }) outcome.target = result.target;
      if constexpr (requires { result.reason; }) outcome.reason = result.reason;
    }
    return outcome;
  }

#if defined(FERRY_BITCODE)
  // The operands as arguments, so that inlining with constants leaves nothing of them. Returns what a branch, an indirect
  // jump or a Leave says: taken, target, reason.
  static u64 bitcode(Cpu* cpu, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
    static_assert(max_operands == 6);
    const u64 operands[] = {a, b, c, d, e, f};
    if constexpr (control == Control::next) {
      with_values(cpu, operands, IntsBelow<operand_count>{});
      return 0;
    } else {
      auto result = with_values(cpu, operands, IntsBelow<operand_count>{});
      if constexpr (control == Control::branch)
        return result.taken;
      else if constexpr (requires { result.target; })
        return result.target;
      else if constexpr (requires { result.reason; })
        return result.reason;
      else
        return 0;
    }
  }
#endif

#if defined(FERRY_STENCIL)
  static constexpr int result = result_operand<A...>();

  // `forwarded` is the operand that this form takes from `last`, or -1. Leaves the new `last` in it.
  template <int forwarded, int... i>
  FERRY_INLINE R with_holes(Cpu* cpu, Cpu& flag_cpu, u64& last, Ints<i...>) {
    u64 before = last;
    return function(flag_cpu, operand_from_hole < A, i, i == forwarded, i == result > (cpu, &before, &last)...);
  }

  // Has the stencil a form that takes this operand from `last`?
  static constexpr bool has_form(int operand) {
    constexpr bool reads[] = {ReadsGeneral<A>..., false};
    return operand < operand_count && reads[operand];
  }

  // A form of the stencil; `forwarded` as above.
  template <int forwarded, FlagUse flags>
  PRESERVE_NONE static void stencil(FERRY_TRAVELLERS) {
    Cpu* cpu = unbiased(biased);
    Cpu separate;
    Cpu* flag_cpu = cpu;
    if constexpr (flags.separate) {
      flag_cpu = &separate;
      separate.flags_kind = static_cast<u32>(flags.lazy ? aarch64::LazyFlags::wanted : aarch64::LazyFlags::settled);
      if constexpr (flags.from_registers) {
        separate.n = static_cast<u8>(n);
        separate.z = static_cast<u8>(z);
        separate.c = static_cast<u8>(c);
        separate.v = static_cast<u8>(v);
      } else if constexpr (flags.reads) {
        copy_flags(separate, *cpu);
      }
    }
    if constexpr (control == Control::next) {
      with_holes<forwarded>(cpu, *flag_cpu, last, IntsBelow<operand_count>{});
      if constexpr (flags.writes) {
        if constexpr (flags.separate) copy_flags(*cpu, separate);
        n = flag_cpu->n;
        z = flag_cpu->z;
        c = flag_cpu->c;
        v = flag_cpu->v;
      }
      [[clang::musttail]] return next(FERRY_PASS_ON);
    } else {
      auto result = with_holes<forwarded>(cpu, *flag_cpu, last, IntsBelow<operand_count>{});
      // After a branch hardly anything reads the flags again: they do not travel on from there.
      if constexpr (flags.lazy)
        leave_flags(*cpu, separate);
      else if constexpr (flags.writes && flags.separate)
        copy_flags(*cpu, separate);
      if constexpr (control == Control::branch) {
        // What travels is the same on both ways: clang would rather load what the condition tells of it on each way anew. Not
        // where the host's flags decide, which the assembly would destroy.
        if constexpr (!flags.writes && operand_count > 1) asm("" : "+r"(last));
        // Unlikely, so that going on is falling through: blocks extend past conditional branches.
        if (__builtin_expect(result.taken, 0)) [[clang::musttail]]
          return taken(FERRY_PASS_ON);
        [[clang::musttail]] return next(FERRY_PASS_ON);
      } else if constexpr (control == Control::jump) {
        [[clang::musttail]] return taken(FERRY_PASS_ON);
      } else if constexpr (control == Control::call) {
        // The baseline makes the call itself (return_stack.h), with the link, which has become `last`.
        [[clang::musttail]] return next(FERRY_PASS_ON);
      } else if constexpr (control == Control::indirect_jump) {
        cpu->pc = result.target;
        [[clang::musttail]] return go_to_pc(FERRY_PASS_ON);
      } else if constexpr (control == Control::indirect_call) {
        cpu->pc = result.target;
        [[clang::musttail]] return next(FERRY_PASS_ON);
      } else if constexpr (control == Control::function_return) {
        // The baseline returns, to the target in `last`.
        last = result.target;
        [[clang::musttail]] return next(FERRY_PASS_ON);
      } else {
        static_assert(control == Control::leave);
        cpu->exit_reason = result.reason;
        [[clang::musttail]] return reinterpret_cast<StencilCode>(const_cast<void*>(cpu->leave_code))(FERRY_PASS_ON);
      }
    }
  }
#endif
};

// Two instructions in one stencil, the first of which goes on and the second of which ends in a direct branch: what the
// first leaves in the flags need not be read back.
template <auto first, auto second>
struct Pair;
template <class... A, void (*first)(Cpu&, A...), Branch (*second)(Cpu&, Target)>
struct Pair<first, second> {
  FERRY_INLINE Branch both(Cpu& cpu, A... operands, Target target) {
    first(cpu, operands...);
    return second(cpu, target);
  }
};

}  // namespace ferry::semantic
