// The glue stencils' code; compiled for stencils only.
#include "translator/baseline/glue.h"
#include "translator/exit_reason.h"
#include "translator/stencil/reading.h"

namespace ferry::baseline {

using namespace semantic;
using translator::ExitReason;

FERRY_INLINE Branch block_entry(Cpu& cpu, Target) { return {--cpu.budget < 0}; }

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
