#include "translator/stencil/paster.h"

#include <cstring>

#include "translator/stencil/host.h"

namespace ferry::stencil {

namespace {
// In steps of a fixed size, which most stencils take one or two of: there is room behind both (slack).
void copy(u8* to, const u8* from, size_t size) {
  size_t done = 0;
  do {
    memcpy(to + done, from + done, slack);
    done += slack;
  } while (done < size);
}
}  // namespace

void paste(const Library& library, u32 id, Cursor& cursor, const HoleValues& values, u64 constants) {
  const Stencil& stencil = library.stencils[id];
  copy(cursor.write, library.code + stencil.code, stencil.size);
  u64 sources[static_cast<int>(Source::helper) + 1];
  memcpy(sources, values.operands, sizeof(u64) * semantic::max_operands);
  sources[static_cast<int>(Source::next)] = cursor.run + stencil.size;
  sources[static_cast<int>(Source::taken)] = values.taken;
  sources[static_cast<int>(Source::return_code)] = values.return_code;
  sources[static_cast<int>(Source::constant)] = constants;
  const Hole* hole = library.holes + stencil.first_hole;
  for (const Hole* end = hole + stencil.hole_count; hole != end; hole++) {
    u64 value = sources[static_cast<int>(hole->source)];
    if (hole->source == Source::helper) value = reinterpret_cast<u64>(library.helpers[hole->helper]);
    patch_hole(hole->patch, cursor.write + hole->offset, cursor.run + hole->offset,
               value + static_cast<u64>(i64{hole->addend}));
  }
  cursor.write += stencil.size;
  cursor.run += stencil.size;
}

u64 taken_site(const Library& library, u32 id, u64 run) {
  const Stencil& stencil = library.stencils[id];
  const Hole* hole = library.holes + stencil.first_hole;
  for (const Hole* end = hole + stencil.hole_count; hole != end; hole++) {
    if (hole->source == Source::taken) return run + hole->offset;
  }
  return 0;
}

}  // namespace ferry::stencil
