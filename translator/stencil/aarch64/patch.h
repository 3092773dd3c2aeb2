// AArch64: filling the holes of a pasted stencil, inline.
#pragma once
#include "translator/stencil/library.h"

namespace ferry::stencil {

void patch_hole(Patch patch, u8* write, u64 run, u64 value);

inline void patch_holes(const Library& library, const Body& body, u8* write, u64 run, const HoleValues& values,
                        u64 constants) {
  auto value_of = [&](Source source) {
    if (source <= Source::operand_5) return values.operands[static_cast<int>(source)];
    return source == Source::next ? run + body.size : source == Source::taken ? values.taken : constants;
  };
  for (const Hole& hole : library.holes(body)) {
    u64 value = hole.source == Source::helper ? reinterpret_cast<u64>(library.helpers[hole.addend])
                                              : value_of(hole.source) + static_cast<u64>(i64{hole.addend});
    patch_hole(hole.patch, write + hole.offset, run + hole.offset, value);
  }
}

}  // namespace ferry::stencil
