// Why translated code stops running. Freestanding: semantic functions name these.
#pragma once
#include "guest/types.h"

namespace ferry::translator {

enum class ExitReason : u32 {
  syscall,     // SVC #0: pc is the instruction after it
  poll,        // request_poll() was called, or the block budget ran out: pc is the next instruction to run
  undefined,   // an undecodable word at pc: SIGILL, ILL_ILLOPC
  breakpoint,  // BRK at pc: SIGTRAP, TRAP_BRKPT
  fault,       // a memory access or fetch at pc failed
  // The translator's own; run() never returns them.
  lookup,       // an indirect branch missed its cache, or a block is stale: go on at pc
  link,         // an unlinked edge was taken: exit_operand tells its thunk
  tagged,       // an access at pc went to an address that the host cannot form: the reference knows how
  region_poll,  // a region looks at the outside world: pc is exact
};

}  // namespace ferry::translator
