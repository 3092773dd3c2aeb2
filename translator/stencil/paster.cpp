#include "translator/stencil/paster.h"

#include <cstring>

#include "translator/stencil/host.h"

namespace ferry::stencil {

namespace {
u64 value_of(const Library& library, const Hole& hole, const HoleValues& values, u64 next, u64 constants) {
  switch (hole.source) {
    case Source::next:
      return next;
    case Source::taken:
      return values.taken;
    case Source::return_code:
      return values.return_code;
    case Source::constant:
      return constants;
    case Source::helper:
      return reinterpret_cast<u64>(library.helpers[hole.helper]);
    default:
      return values.operands[static_cast<int>(hole.source)];
  }
}
}  // namespace

void paste(const Library& library, u32 id, Cursor& cursor, const HoleValues& values, u64 constants) {
  const Stencil& stencil = library.stencils[id];
  memcpy(cursor.write, library.code + stencil.code, stencil.size);
  const Hole* hole = library.holes + stencil.first_hole;
  for (const Hole* end = hole + stencil.hole_count; hole != end; hole++) {
    u64 value =
        value_of(library, *hole, values, cursor.run + stencil.size, constants) + static_cast<u64>(i64{hole->addend});
    patch_hole(hole->patch, cursor.write + hole->offset, cursor.run + hole->offset, value);
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
