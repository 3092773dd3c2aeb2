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

void paste(const Library& library, const Body& body, Cursor& cursor, const HoleValues& values, u64 constants) {
  copy(cursor.write, library.code + body.code, body.size);
  u64 sources[static_cast<int>(Source::helper) + 1];
  memcpy(sources, values.operands, sizeof(u64) * semantic::max_operands);
  sources[static_cast<int>(Source::next)] = cursor.run + body.size;
  sources[static_cast<int>(Source::taken)] = values.taken;
  sources[static_cast<int>(Source::constant)] = constants;
  const Hole* hole = library.holes + body.first_hole;
  for (const Hole* end = hole + body.hole_count; hole != end; hole++) {
    u64 value = sources[static_cast<int>(hole->source)];
    if (hole->source == Source::helper) value = reinterpret_cast<u64>(library.helpers[hole->helper]);
    patch_hole(hole->patch, cursor.write + hole->offset, cursor.run + hole->offset,
               value + static_cast<u64>(i64{hole->addend}));
  }
  cursor.write += body.size;
  cursor.run += body.size;
}

u64 taken_site(const Library& library, const Body& body, u64 run) {
  const Hole* hole = library.holes + body.first_hole;
  for (const Hole* end = hole + body.hole_count; hole != end; hole++) {
    if (hole->source == Source::taken) return run + hole->offset;
  }
  return 0;
}

}  // namespace ferry::stencil
