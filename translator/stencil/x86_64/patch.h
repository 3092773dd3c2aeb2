// x86-64 relocations (psABI 4.4), inline: patching is most of what pasting does.
#pragma once
#include <cstring>

#include "guest/check.h"
#include "translator/stencil/library.h"

namespace ferry::stencil {

inline i32 displacement(u64 from, u64 to) {
  i64 distance = static_cast<i64>(to - from);
  check(distance == static_cast<i32>(distance));
  return static_cast<i32>(distance);
}

inline void patch_hole(Patch patch, u8* write, u64 run, u64 value) {
  if (patch == Patch::abs_64) {
    memcpy(write, &value, sizeof value);
    return;
  }
  if (patch == Patch::abs_8) {
    *write = static_cast<u8>(value);
    return;
  }
  u32 field = patch == Patch::pc_32 ? static_cast<u32>(displacement(run, value)) : static_cast<u32>(value);
  memcpy(write, &field, sizeof field);
}

}  // namespace ferry::stencil
