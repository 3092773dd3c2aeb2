// Loads and stores of general registers: DDI 0487 C6.2. Memory first, state last.
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/memory.def"
#define FERRY_SECTION_NAME memory

namespace ferry::aarch64 {

template <int size>
SEM ldr_imm(Cpu&, Dst<size> rt, Src<1> rn, UImm offset) { rt = load<UnsignedOf<size>>(rn + offset); }

template <int size>
SEM str_imm(Cpu&, Src<size> rt, Src<1> rn, UImm offset) { store<UnsignedOf<size>>(rn + offset, rt); }

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
