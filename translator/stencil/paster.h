// The paster: copies a stencil into code memory and patches its holes. The only host-specific parts of the baseline are
// behind this header and host.h, one folder per host: stencil/x86_64, stencil/aarch64.
#pragma once
#include <cstring>

#include "translator/stencil/host.h"
#include "translator/stencil/library.h"

namespace ferry::stencil {

// Where to write: the writable view's position and the address at which the same byte will run.
struct Cursor {
  u8* write;
  u64 run;
};

// Copies a body to the cursor and advances it. `constants` is the run address of the library's constants, which must
// be within the host's relative addressing range of the code (2 GiB on x86-64, 4 GiB on AArch64).
inline void paste(const Library& library, const Body& body, Cursor& cursor, const HoleValues& values, u64 constants) {
  const u8* code = library.code + body.code;
  // In steps of a fixed size, which most stencils take one or two of: there is room behind both (slack).
  size_t done = 0;
  do {
    memcpy(cursor.write + done, code + done, slack);
    done += slack;
  } while (done < body.size);

  patch_holes(library, body, cursor.write, cursor.run, values, constants);
  cursor.write += body.size;
  cursor.run += body.size;
}

// The run address of the first jump to `taken` that the body makes at `run`; 0 when it has none.
inline u64 taken_site(const Library& library, const Body& body, u64 run) {
  for (const Hole& hole : library.holes(body)) {
    if (hole.source == Source::taken) return run + hole.offset;
  }
  return 0;
}

}  // namespace ferry::stencil
