// The paster: copies a stencil into code memory and patches its holes. The only host-specific parts of the baseline are
// behind this header and host.h, one folder per host: stencil/x86_64, stencil/aarch64.
#pragma once
#include "translator/stencil/library.h"

namespace ferry::stencil {

// What holes are filled with. All addresses are those at which the code will run.
struct HoleValues {
  const u64* operands;  // semantic::max_operands of them may be read
  u64 taken;
};

// Where to write: the writable view's position and the address at which the same byte will run.
struct Cursor {
  u8* write;
  u64 run;
};

// Pasting may write this much beyond the end of a stencil, and read it in the library.
inline constexpr size_t slack = 32;

// Copies a body to the cursor and advances it. `constants` is the run address of the library's constants, which must
// be within the host's relative addressing range of the code (2 GiB on x86-64, 4 GiB on AArch64).
void paste(const Library& library, const Body& body, Cursor& cursor, const HoleValues& values, u64 constants);

// The run address of the first jump to `taken` that the body makes at `run`; 0 when it has none.
u64 taken_site(const Library& library, const Body& body, u64 run);

}  // namespace ferry::stencil
