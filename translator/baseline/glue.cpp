// The glue stencils' code; compiled for stencils only.
#include "translator/baseline/glue.h"
#include "translator/exit_reason.h"
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

struct StencilEntry {
  u64 id;
  StencilCode code;
  u64 form;
};

[[gnu::section("ferry_stencils"), gnu::used]] static constexpr StencilEntry entries[] = {
    {stencil_of(Glue::block_entry), &Reading<&block_entry>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::leave_at), &Reading<&leave_at>::stencil<-1, FlagUse{}>, 0},
    {stencil_of(Glue::leave), &Reading<&leave>::stencil<-1, FlagUse{}>, 0},
};

}  // namespace ferry::baseline
