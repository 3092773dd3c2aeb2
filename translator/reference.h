// The reference tier: guest code run by its semantic functions as plain calls, one instruction at a time.
#pragma once
#include "translator/stencil/reading.h"
#include "translator/translator.h"

namespace ferry::translator {

// The exit that `cpu.exit_reason` and what goes with it stand for; and that of a failed fetch at cpu.pc.
Exit exit_of(const Cpu& cpu);
Exit fetch_fault(const Cpu& cpu);

// One instruction. True: it ended in `exit`; else cpu.pc has moved on and `control` says how.
bool step_reference(Cpu& cpu, Exit& exit, semantic::Control& control);

Exit run_reference(Cpu& cpu);

}  // namespace ferry::translator
