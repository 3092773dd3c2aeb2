// The return stack: on which translated code runs, so that the guest's calls and returns are the host's, and the host's processor
// predicts where they go. A call leaves a frame there: the guest's return address and, below it, the host's, which leads to a landing.
// A return goes to the landing of the topmost frame, whatever it is, and the landing compares the guest's address with the frame's.
// How a return passes the address on tells whether it comes with Cpu exact, from a block, or with carried registers (carried.h):
//   exact    the address in the register of `last` (semantic.h), 1 in that of the carried X30
//   carried  the address is X30, carried; 0 in the register of the argument, which is that of `last`
// What does not match, Generation::other_landing looks up among the frames below, as longjmp() leaves them; else it is an indirect
// branch. A frame is only ever a prediction: any of them may be lost, and all are when the stack overflows or the thread moves to
// another generation.
// Below the stack's proper part lies a page that faults, and below that some more for whoever is the first to meet it.
#pragma once
#include "guest/aarch64/cpu.h"

namespace ferry::stencil {

// Every thread has its own. Before its first reset_return_stack() and after the last use.
void make_return_stack(aarch64::Cpu& cpu);
void drop_return_stack(aarch64::Cpu& cpu);

// Empties it while translated code is not running: a return then goes to `unknown_return` (Generation).
void reset_return_stack(aarch64::Cpu& cpu, u64 unknown_return);

// In a signal handler: whether an access to the address faulted because the stack has overflowed. Then there is room now, until
// renew_return_stack() makes an end of it, which the caller must see to soon.
bool extend_return_stack(aarch64::Cpu& cpu, u64 address);
// While translated code is not running.
void renew_return_stack(aarch64::Cpu& cpu, u64 unknown_return);

}  // namespace ferry::stencil
