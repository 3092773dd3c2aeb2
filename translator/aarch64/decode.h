// Decoding and assembling AArch64 words through the encodings table, and the reference reading of an instruction.
#pragma once
#include <optional>
#include <string_view>

#include "translator/aarch64/encodings.h"
#include "translator/stencil/reading.h"

namespace ferry::aarch64 {

// A decoded instruction: which stencil it is and with which operands.
struct Instruction {
  RowId row;
  u16 stencil;  // id in the stencil library, with flags computed; `stencil - 1` leaves dead flags alone
  u8 operand_count;
  Flags flags;
  semantic::Control control;             // how control goes on after it; Control::next for unallocated ones
  u64 operands[semantic::max_operands];  // Cpu offsets and immediates, in the semantic function's order

  const Row& description() const { return rows[static_cast<int>(row)]; }
  u32 variant() const { return static_cast<u32>(stencil - first_stencil(row)); }
  bool reads_flags() const { return (static_cast<u8>(flags) & 1) != 0; }
  bool writes_flags() const { return (static_cast<u8>(flags) & 2) != 0; }
  // Direct branches: where to.
  GuestAddr target() const { return GuestAddr{operands[operand_count - 1]}; }
};

// Decodes the word at pc. False when no row matches; a match may still be unallocated (its variant has no semantic function:
// reference() is null and the stencil library has no code for it). Tens of nanoseconds; no allocation; any thread.
bool decode(u32 word, GuestAddr pc, Instruction& out);

// Decodes consecutive words, the first of them at pc, up to and with the first instruction that control does not simply go on after.
// Returns how many; fewer than `count` after another instruction means that the next word is undefined.
u32 decode_run(const u32* words, u32 count, GuestAddr pc, Instruction* out);

// The row that matches a word, if any.
std::optional<RowId> find_row(u32 word);

// Assembles a row from field values, "sf=1 imm12=5 rn=1 rd=0"; fields not named are 0. Values are decimal, 0x hexadecimal, or
// negative (cut to the field). nullopt when a name is unknown, a value does not fit, or it is excluded. For tests and tools.
std::optional<u32> assemble(RowId row, std::string_view fields);

// The row of a name ("add_imm").
std::optional<RowId> row_named(std::string_view name);

// Instruction::control of a row.
semantic::Control control_of(RowId row);

// Whether the word is in the group of branches, exceptions and system instructions (DDI 0487 C4.1, op0 of 101x): behind an instruction
// of another the next follows.
constexpr bool may_lead_away(u32 word) { return (word & 0x1c000000) == 0x14000000; }

// The semantic function as a plain call; nullptr when unallocated.
semantic::ReferenceFunction reference(const Instruction& instruction);

}  // namespace ferry::aarch64
