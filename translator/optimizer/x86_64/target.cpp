// x86-64. Plain moves are atomic as far as AArch64 asks (SDM volume 3, 9.1.1), and ordered more strongly.
#include "translator/optimizer/target.h"

namespace ferry::optimizer {

#define FERRY_ACCESS(instruction)    \
  ".Laccess${:uid}:\n\t" instruction \
  "\n\t.pushsection .ferry_faults,\"a\",@progbits\n\t.long .Laccess${:uid}-., ${3:l}-., ${2:c}\n\t.popsection"

const char target_triple[] = "x86_64-unknown-linux-gnu";

AccessTemplate load_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {FERRY_ACCESS("movzbl $1, ${0:k}"), "=r,*m,i,!i"};
    case 2:
      return {FERRY_ACCESS("movzwl $1, ${0:k}"), "=r,*m,i,!i"};
    case 4:
      return {FERRY_ACCESS("movl $1, ${0:k}"), "=r,*m,i,!i"};
    case 8:
      return {FERRY_ACCESS("movq $1, $0"), "=r,*m,i,!i"};
    default:
      return {FERRY_ACCESS("vmovdqu $1, $0"), "=x,*m,i,!i"};
  }
}

AccessTemplate store_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {FERRY_ACCESS("movb $1, $0"), "=*m,ri,i,!i"};
    case 2:
      return {FERRY_ACCESS("movw $1, $0"), "=*m,ri,i,!i"};
    case 4:
      return {FERRY_ACCESS("movl $1, $0"), "=*m,ri,i,!i"};
    case 8:
      return {FERRY_ACCESS("movq $1, $0"), "=*m,re,i,!i"};
    default:
      return {FERRY_ACCESS("vmovdqu $1, $0"), "=*m,x,i,!i"};
  }
}

AccessTemplate lane_load_template(u32 bytes) {
  if (bytes == 4) return {FERRY_ACCESS("vmovd $1, $0"), "=x,*m,i,!i"};
  return {FERRY_ACCESS("vmovq $1, $0"), "=x,*m,i,!i"};
}

AccessTemplate lane_store_template(u32 bytes) {
  if (bytes == 4) return {FERRY_ACCESS("vmovd $1, $0"), "=*m,x,i,!i"};
  return {FERRY_ACCESS("vmovq $1, $0"), "=*m,x,i,!i"};
}

// System V ABI, AMD64 supplement, figure 3.36.
const u32 stack_pointer_number = 7;

std::optional<u32> general_register(u32 dwarf_number) {
  static constexpr u32 numbers[] = {0, 2, 1, 3, 6, 7, 5, 4};  // RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP
  if (dwarf_number < 8) return numbers[dwarf_number];
  return dwarf_number < 16 ? std::optional{dwarf_number} : std::nullopt;
}

std::optional<u32> vector_register(u32 dwarf_number) {
  if (dwarf_number - 17 < 16) return dwarf_number - 17;
  if (dwarf_number - 67 < 16) return dwarf_number - 67 + 16;
  return std::nullopt;
}

}  // namespace ferry::optimizer
