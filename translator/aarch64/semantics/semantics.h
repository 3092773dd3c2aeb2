// What every semantics file of the AArch64 guest includes: operand types, control types, and the pieces of the Arm ARM's
// pseudocode (DDI 0487, J1) that several sections share.
#pragma once
#include "translator/aarch64/fused_pairs.h"
#include "translator/aarch64/helpers.h"
#include "translator/aarch64/lazy_flags.h"
#include "translator/stencil/library.h"
#include "translator/stencil/reading.h"

namespace ferry::aarch64 {

using namespace semantic;

// ConditionHolds(): cond is the 4-bit condition field.
template <int cond>
FERRY_INLINE bool condition_holds(const Cpu& cpu) {
  bool result;
  switch (cond >> 1) {
    case 0:
      result = cpu.z;
      break;
    case 1:
      result = cpu.c;
      break;
    case 2:
      result = cpu.n;
      break;
    case 3:
      result = cpu.v;
      break;
    case 4:
      result = cpu.c && !cpu.z;
      break;
    case 5:
      result = cpu.n == cpu.v;
      break;
    case 6:
      result = cpu.n == cpu.v && !cpu.z;
      break;
    default:
      return true;
  }
  return (cond & 1) ? !result : result;
}

#if defined(FERRY_BITCODE)
// The optimiser makes it the three fields of Cpu (lazy_flags.h); it changes no flag.
extern "C" void ferry_lazy_flags(u32 kind, u64 a, u64 b);
#endif

template <class W>
FERRY_INLINE void set_nz(Cpu& cpu, W result) {
  cpu.n = result >> (sizeof(W) * 8 - 1);
  cpu.z = result == 0;
}

// Here and not in branch.cpp, because fused pairs end in it.
template <int cond>
SEM_AS(Branch)
b_cond(Cpu& cpu, Target) {
  return {condition_holds<cond>(cpu)};
}

}  // namespace ferry::aarch64
