// Data processing on general registers: DDI 0487 C6.2.
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/integer.def"
#define FERRY_SECTION_NAME integer

namespace ferry::aarch64 {

// AddWithCarry() for a + b: the result, and NZCV when `flags`.
template <int flags, class W>
FERRY_INLINE W add_setting(Cpu& cpu, W a, W b) {
  W result = a + b;
  if constexpr (flags) {
    set_nz(cpu, result);
    cpu.c = result < a;
    cpu.v = ((a ^ result) & (b ^ result)) >> (sizeof(W) * 8 - 1);
  }
  return result;
}

// a - b; C is "no borrow".
template <int flags, class W>
FERRY_INLINE W subtract_setting(Cpu& cpu, W a, W b) {
  W result = a - b;
  if constexpr (flags) {
    set_nz(cpu, result);
    cpu.c = a >= b;
    cpu.v = ((a ^ b) & (a ^ result)) >> (sizeof(W) * 8 - 1);
  }
  return result;
}

template <int sf>
SEM add_imm(Cpu&, Dst<sf> rd, Src<sf> rn, UImm imm) { rd = rn + imm; }

template <int sf>
SEM sub_imm(Cpu&, Dst<sf> rd, Src<sf> rn, UImm imm) { rd = rn - imm; }

template <int sf, int flags>
SEM adds_imm(Cpu& cpu, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = add_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm));
}

template <int sf, int flags>
SEM subs_imm(Cpu& cpu, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = subtract_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm));
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
