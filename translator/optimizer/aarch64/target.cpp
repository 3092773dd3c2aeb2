// AArch64. A guest of the same ISA needs no more order than plain loads and stores have.
#include "translator/optimizer/target.h"

#include "llvm/IR/CallingConv.h"

namespace ferry::optimizer {

#define FERRY_ACCESS(instruction)    \
  ".Laccess${:uid}:\n\t" instruction \
  "\n\t.pushsection .ferry_faults,\"a\",@progbits\n\t.long .Laccess${:uid}-., ${3:l}-., ${2:c}\n\t.popsection"

const char target_triple[] = "aarch64-unknown-linux-gnu";
const u32 keeping_convention = llvm::CallingConv::C;

AccessTemplate load_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {FERRY_ACCESS("ldrb ${0:w}, $1"), "=r,*Q,i,!i"};
    case 2:
      return {FERRY_ACCESS("ldrh ${0:w}, $1"), "=r,*Q,i,!i"};
    case 4:
      return {FERRY_ACCESS("ldr ${0:w}, $1"), "=r,*Q,i,!i"};
    case 8:
      return {FERRY_ACCESS("ldr ${0:x}, $1"), "=r,*Q,i,!i"};
    default:
      return {FERRY_ACCESS("ldr ${0:q}, $1"), "=w,*Q,i,!i"};
  }
}

AccessTemplate store_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {FERRY_ACCESS("strb ${1:w}, $0"), "=*Q,rZ,i,!i"};
    case 2:
      return {FERRY_ACCESS("strh ${1:w}, $0"), "=*Q,rZ,i,!i"};
    case 4:
      return {FERRY_ACCESS("str ${1:w}, $0"), "=*Q,rZ,i,!i"};
    case 8:
      return {FERRY_ACCESS("str ${1:x}, $0"), "=*Q,rZ,i,!i"};
    default:
      return {FERRY_ACCESS("str ${1:q}, $0"), "=*Q,w,i,!i"};
  }
}

AccessTemplate lane_load_template(u32 bytes) {
  if (bytes == 4) return {FERRY_ACCESS("ldr ${0:s}, $1"), "=w,*Q,i,!i"};
  return {FERRY_ACCESS("ldr ${0:d}, $1"), "=w,*Q,i,!i"};
}

AccessTemplate lane_store_template(u32 bytes) {
  if (bytes == 4) return {FERRY_ACCESS("str ${1:s}, $0"), "=*Q,w,i,!i"};
  return {FERRY_ACCESS("str ${1:d}, $0"), "=*Q,w,i,!i"};
}

std::span<const AccessInstruction> access_instructions() { return {}; }

// DWARF for the Arm 64-bit Architecture, 4.1.
const u32 stack_pointer_number = 31;

std::optional<u32> general_register(u32 dwarf_number) {
  return dwarf_number < 31 ? std::optional{dwarf_number} : std::nullopt;
}

std::optional<u32> vector_register(u32 dwarf_number) {
  return dwarf_number - 64 < 32 ? std::optional{dwarf_number - 64} : std::nullopt;
}

}  // namespace ferry::optimizer
