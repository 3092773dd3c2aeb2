// x86-64. Plain moves are atomic as far as AArch64 asks (SDM volume 3, 9.1.1), and ordered more strongly.
#include "translator/optimizer/target.h"

#include "llvm/IR/CallingConv.h"

namespace ferry::optimizer {

const char target_triple[] = "x86_64-unknown-linux-gnu";
const u32 keeping_convention = llvm::CallingConv::PreserveAll;

AccessTemplate load_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {"MOVZX32rm8", "=r,*m,i,!i"};
    case 2:
      return {"MOVZX32rm16", "=r,*m,i,!i"};
    case 4:
      return {"MOV32rm", "=r,*m,i,!i"};
    case 8:
      return {"MOV64rm", "=r,*m,i,!i"};
    default:
      return {"VMOVDQUrm", "=x,*m,i,!i"};
  }
}

AccessTemplate store_template(u32 bytes) {
  switch (bytes) {
    case 1:
      return {"MOV8mr", "=*m,ri,i,!i"};
    case 2:
      return {"MOV16mr", "=*m,ri,i,!i"};
    case 4:
      return {"MOV32mr", "=*m,ri,i,!i"};
    case 8:
      return {"MOV64mr", "=*m,re,i,!i"};
    default:
      return {"VMOVDQUmr", "=*m,x,i,!i"};
  }
}

AccessTemplate lane_load_template(u32 bytes) { return {bytes == 4 ? "VMOVDI2PDIrm" : "VMOVQI2PQIrm", "=x,*m,i,!i"}; }

AccessTemplate lane_store_template(u32 bytes) { return {bytes == 4 ? "VMOVPDI2DImr" : "VMOVPQI2QImr", "=*m,x,i,!i"}; }

static constexpr AccessInstruction instructions[] = {
    {"MOVZX32rm8", nullptr, true},    {"MOVZX32rm16", nullptr, true},   {"MOV32rm", nullptr, true},
    {"MOV64rm", nullptr, false},      {"VMOVDQUrm", nullptr, false},    {"MOV8mr", "MOV8mi", false},
    {"MOV16mr", "MOV16mi", false},    {"MOV32mr", "MOV32mi", false},    {"MOV64mr", "MOV64mi32", false},
    {"VMOVDQUmr", nullptr, false},    {"VMOVDI2PDIrm", nullptr, false}, {"VMOVQI2PQIrm", nullptr, false},
    {"VMOVPDI2DImr", nullptr, false}, {"VMOVPQI2QImr", nullptr, false},
};
std::span<const AccessInstruction> access_instructions() { return instructions; }

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
