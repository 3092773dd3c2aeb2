// The glue stencils' code; compiled for stencils only.
#include "translator/baseline/glue.h"

#include "translator/aarch64/lazy_flags.h"
#include "translator/exit_reason.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/reading.h"

namespace ferry::baseline {

using namespace semantic;
using translator::ExitReason;

FERRY_INLINE Branch block_entry(Cpu& cpu, Target) {
#if defined(__x86_64__)
  // In one instruction, which clang would make five of.
  bool used_up;
  asm("decl %0" : "+m"(cpu.budget), "=@ccs"(used_up));
  return {used_up};
#else
  return {--cpu.budget < 0};
#endif
}

FERRY_INLINE Leave leave_at(Cpu& cpu, Imm64 pc, UImm reason, Imm64 operand) {
  cpu.pc = pc;
  cpu.exit_operand = operand;
  return {reason};
}

FERRY_INLINE Leave leave(Cpu&, UImm reason) { return {reason}; }

SEM settle_flags(Cpu& cpu) { aarch64::settle_flags(cpu); }

SEM replace_flags(Cpu& cpu) { cpu.flags_kind = static_cast<u32>(aarch64::LazyFlags::settled); }

template <class... Values>
PRESERVE_NONE void store_carried(FERRY_CPU_AND_ARGUMENT(BiasedCpu* biased, void* code), Values... values) {
  static_assert(sizeof...(Values) == stencil::carried_count);
  auto* registers = reinterpret_cast<u64*>(unbiased(biased));
  const u32* slot = stencil::carried_registers;
  ((registers[*slot++] = values), ...);
  using Code = PRESERVE_NONE void (*)(FERRY_CPU_AND_ARGUMENT(BiasedCpu*, void*), Values...);
  [[clang::musttail]] return reinterpret_cast<Code>(code)(FERRY_CPU_AND_ARGUMENT(biased, code), values...);
}

PRESERVE_NONE void look_again(FERRY_TRAVELLERS) {
  Cpu* cpu = unbiased(biased);
  aarch64::JumpCacheEntry& first = cpu->jump_cache[aarch64::jump_cache_index(cpu->pc)];
  aarch64::JumpCacheEntry& second = (&first)[aarch64::jump_cache_size];
  if (__builtin_expect(second.pc == cpu->pc, 1)) {
    aarch64::JumpCacheEntry found = second;
    second = first;
    first = found;
    [[clang::musttail]] return reinterpret_cast<StencilCode>(const_cast<void*>(found.code))(FERRY_PASS_ON);
  }
  [[clang::musttail]] return taken(FERRY_PASS_ON);
}

template <class Code>
struct StencilEntry {
  u64 id;
  Code code;
  u64 form;
};

using CarriedCode = PRESERVE_NONE void (*)(FERRY_CPU_AND_ARGUMENT(BiasedCpu*, void*), u64, u64, u64, u64, u64, u64, u64,
                                           u64, u64);
[[gnu::section("ferry_stencils"), gnu::used]] static constexpr StencilEntry<CarriedCode> carried_entry = {
    stencil_of(Glue::store_carried), &store_carried, 0};

[[gnu::section("ferry_stencils"), gnu::used]] static constexpr StencilEntry<StencilCode> entries[] = {
    {stencil_of(Glue::block_entry), &Reading<&block_entry>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::leave_at), &Reading<&leave_at>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::go_to_pc), &go_to_pc, 0},
    {stencil_of(Glue::look_again), &look_again, 0},
    {stencil_of(Glue::leave), &Reading<&leave>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::settle_flags), &Reading<&settle_flags>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::replace_flags), &Reading<&replace_flags>::stencil<-1, FlagUse{}>, 0},
};

}  // namespace ferry::baseline
