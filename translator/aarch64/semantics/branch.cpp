// Branches and exception generation: DDI 0487 C6.2. The return type says how control goes on.
#include "translator/aarch64/semantics/semantics.h"
#include "translator/exit_reason.h"

#define FERRY_SECTION "translator/aarch64/encodings/branch.def"
#define FERRY_SECTION_NAME branch
#define FERRY_SECTION_FLAGS_ARE_SEPARATE

namespace ferry::aarch64 {

template <int...>
SEM_AS(Jump)
b(Cpu&, Target) {
  return {};
}

template <int...>
SEM_AS(Call)
bl(Cpu&, Dst<1> link, Imm64 next_pc, Target) {
  link = next_pc;
  return {};
}

template <int sf>
SEM_AS(Branch)
cbz(Cpu&, Src<sf> rt, Target) {
  return {rt == 0};
}

template <int sf>
SEM_AS(Branch)
cbnz(Cpu&, Src<sf> rt, Target) {
  return {rt != 0};
}

// The half of the register that holds the tested bit; the mask is the bit's in that half.
template <int b5>
FERRY_INLINE u32 tested_half(Src<b5> rt) {
  if constexpr (b5)
    return static_cast<u32>(rt.get() >> 32);
  else
    return rt.get();
}

template <int b5>
SEM_AS(Branch)
tbz(Cpu&, Src<b5> rt, UImm mask, Target) {
  return {(tested_half(rt) & static_cast<u32>(mask)) == 0};
}

template <int b5>
SEM_AS(Branch)
tbnz(Cpu&, Src<b5> rt, UImm mask, Target) {
  return {(tested_half(rt) & static_cast<u32>(mask)) != 0};
}

template <int...>
SEM_AS(IndirectJump)
br(Cpu&, Src<1> rn) {
  return {rn};
}

template <int...>
SEM_AS(IndirectCall)
blr(Cpu&, Src<1> rn, Dst<1> link, Imm64 next_pc) {
  u64 target = rn;  // before the link is written: BLR X30
  link = next_pc;
  return {target};
}

template <int...>
SEM_AS(Return)
ret(Cpu&, Src<1> rn) {
  return {rn};
}

template <int...>
SEM_AS(Leave)
svc(Cpu& cpu, Imm64 next_pc) {
  cpu.pc = next_pc;
  return {static_cast<u64>(translator::ExitReason::syscall)};
}

template <int...>
SEM_AS(Leave)
brk(Cpu& cpu, Imm64 pc) {
  cpu.pc = pc;
  return {static_cast<u64>(translator::ExitReason::breakpoint)};
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
