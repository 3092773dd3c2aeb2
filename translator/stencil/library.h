// The stencil library: what the forge writes at build time and the paster reads. One binary image per host, mapped
// read-only as part of the program: Header, Stencil[stencil_count], Bodies[body_count], code and holes, constants. Translating reads
// it all over, so that what is read together lies together.
#pragma once
#include "guest/types.h"

namespace ferry::stencil {

// What a hole's value is computed from.
enum class Source : u8 {
  operand_0,
  operand_1,
  operand_2,
  operand_3,
  operand_4,
  operand_5,
  next,      // the code after the stencil
  taken,     // the branch target's code
  constant,  // `addend` bytes into the constants
  helper,    // the function of index `helper`
};

// How it is patched into the code. The names are the relocation types of the ELF ABI supplements.
enum class Patch : u8 {
  // x86-64 psABI
  abs_8,
  abs_32,
  abs_64,
  pc_32,
  // AArch64 ELF: the immediate field of the instruction at `offset`
  lo12_add,
  lo12_8,
  lo12_16,
  lo12_32,
  lo12_64,
  lo12_128,
  movw_g0,
  movw_g1,
  movw_g2,
  movw_g3,
  jump_26,
  adr_page,
};

struct Hole {
  u16 offset;  // in the stencil
  Patch patch;
  Source source;
  i32 addend;  // of a helper: its index. Of pc_32 the offset has been taken: what it is added to is relative to the stencil's begin
};

// Forms of a stencil: which values it takes from the host registers that travel between stencils (semantic.h). Form 0 takes
// everything from Cpu; 1 to 4 take operand form-1 from `last`; with flag_form added, the flags come from registers.
inline constexpr int flag_form = 5;
inline constexpr int form_count = 2 * flag_form;

// A body's code, at `code`, is followed by its holes, from the next multiple of their size on, ordered by their patches.
struct Body {
  u32 code;  // byte offset into the code
  u16 size;  // bytes, without a final jump to `next`
  u8 hole_count;
  u8 short_operands;  // of a short body; bit i: operand i, an offset into Cpu, must be less than short_limit
};

// Two bodies that do the same: the short one, in fewer bytes, is for operands that fit; its size is 0 where there is none.
struct Bodies {
  Body body, short_body;
};

struct Stencil {
  u32 first_form;  // index of the bodies of form 0, which those of its other forms follow
  u16 forms;       // bit f: there is form f
  u8 allocated;    // 0: no such instruction, and nothing else of this means anything
  u8 result;       // 0, or 1 + the operand whose new value becomes `last`
};
// Pasting may write this much beyond the end of a stencil, and read it in the library.
inline constexpr size_t slack = 32;
inline constexpr u64 short_limit = 256;  // what one signed byte reaches from a Cpu pointer in the middle (cpu_bias.h)

struct Header {
  u32 magic;
  u32 stencil_count, body_count, code_size, constants_size;
  u32 reserved[3];  // what follows is aligned
};
inline constexpr u32 library_magic = 0x6c737266;  // "frsl"

struct Holes {
  const Hole* first;
  u32 count;

  const Hole* begin() const { return first; }
  const Hole* end() const { return first + count; }
};

struct Library {
  const Stencil* stencils;
  const Bodies* bodies;
  const u8* code;
  const u8* constants;
  u32 stencil_count, constants_size, helper_count;
  const void* const* helpers;

  // The bodies of a form, which must exist.
  const Bodies& form(const Stencil& stencil, int form) const {
    return bodies[stencil.first_form + static_cast<u32>(__builtin_popcount(stencil.forms & ((1u << form) - 1)))];
  }
  const Body& body(u32 id) const { return bodies[stencils[id].first_form].body; }
  Holes holes(const Body& body) const {
    u64 first = (u64{body.code} + body.size + sizeof(Hole) - 1) & ~(sizeof(Hole) - 1);
    return {reinterpret_cast<const Hole*>(code + first), body.hole_count};
  }
};

// What a stencil's holes are filled with. All addresses are those at which the code will run.
struct HoleValues {
  const u64* operands;
  u64 taken;
};

// The library of this host, part of the program.
const Library& library();

// The address of a function that stencils call, by its name; nullptr when none of them does.
const void* find_helper(const char* name);

}  // namespace ferry::stencil
