// What the compiler must know of the host that it compiles for: how guest memory is accessed so that a fault is found again.
#pragma once
#include <optional>
#include <span>

#include "guest/types.h"

namespace ferry::optimizer {

// An access as inline assembly of a `callbr`. Operands: $0 the destination and $1 the source, one of which is guest memory, $2 the guest
// offset of the instruction, $3 the fault edge. The text is the name of one of access_instructions(), or assembly that emits an entry of
// the section .ferry_faults: 32-bit distances from each field to the access and to the edge, then the offset.
struct AccessTemplate {
  const char* text;
  const char* constraints;
};

// By LLVM's names.
struct AccessInstruction {
  const char* name;
  const char* of_constant;  // what stores a constant instead, or null
  bool half;                // it loads the lower half of a register and clears the upper
};
std::span<const AccessInstruction> access_instructions();

extern const char target_triple[];
// llvm::CallingConv::ID of the helpers that keep all registers (FERRY_KEEPS_REGISTERS).
extern const u32 keeping_convention;

// bytes: 1, 2, 4, 8, 16. Loads of up to 8 make a whole register, zero-extended.
AccessTemplate load_template(u32 bytes);
AccessTemplate store_template(u32 bytes);
// Of 4 or 8 bytes to the lowest lane of a vector register, clearing the rest, and from it.
AccessTemplate lane_load_template(u32 bytes);
AccessTemplate lane_store_template(u32 bytes);

// Registers in stack maps have DWARF's numbers: as stencil::interrupted_general() and interrupted_vector() count them.
extern const u32 stack_pointer_number;
std::optional<u32> general_register(u32 dwarf_number);
std::optional<u32> vector_register(u32 dwarf_number);

}  // namespace ferry::optimizer
