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
      return {FERRY_ACCESS("movzbl $1, $0"), "=r,*m,i,!i"};
    case 2:
      return {FERRY_ACCESS("movzwl $1, $0"), "=r,*m,i,!i"};
    case 4:
      return {FERRY_ACCESS("movl $1, $0"), "=r,*m,i,!i"};
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

}  // namespace ferry::optimizer
