// x86-64 relocations (psABI 4.4) and jumps, inline: patching is most of what pasting does.
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

// The same of a stencil that is being pasted, whose own bytes are at `original`; its holes come in ascending order. Without a branch,
// for which kind of hole comes next is hard to predict: eight bytes are written, the field and what follows it.
inline void patch_pasted(Patch patch, const u8* original, u8* write, u64 run, u64 value) {
  static constexpr u64 kept[] = {~u64{0xff}, ~u64{0xffffffff}, 0, ~u64{0xffffffff}};
  static_assert(static_cast<int>(Patch::abs_8) == 0 && static_cast<int>(Patch::abs_32) == 1 &&
                static_cast<int>(Patch::abs_64) == 2 && static_cast<int>(Patch::pc_32) == 3);
  u64 mask = kept[static_cast<int>(patch)], bytes;
  memcpy(&bytes, original, sizeof bytes);
  value -= patch == Patch::pc_32 ? run : 0;  // within reach: code and constants are in one code memory
  bytes = (bytes & mask) | (value & ~mask);
  memcpy(write, &bytes, sizeof bytes);
}

// In two stores: every block has one.
inline void write_argument_jump(u8* write, u64 run, u64 argument, u64 target) {
  auto distance = [](u64 from, u64 to) { return u64{static_cast<u32>(displacement(from, to))}; };
  const u64 words[] = {0x2d8d4c | distance(run + 7, argument) << 24 | u64{0xe9} << 56,  // lea rel32(%rip), %r13; jmp
                       distance(run + 12, target) | u64{0x00401f0f} << 32};             // rel32; four bytes of nop
  memcpy(write, words, sizeof words);
}

}  // namespace ferry::stencil
