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

// Most holes are operands of one byte, then of four; nothing relative is further away than code memory is large.
inline void patch_holes(const Library& library, const Body& body, u8* write, u64 run, const HoleValues& values,
                        u64 constants) {
  auto value_of = [&](const Hole& hole) {
    return hole.source <= Source::operand_5 ? values.operands[static_cast<int>(hole.source)]
           : hole.source == Source::taken   ? values.taken - run
                                            : constants - run;
  };
  for (const Hole& hole : library.holes(body)) {
    u8* at = write + hole.offset;
    u64 addend = static_cast<u64>(i64{hole.addend});
    if (hole.patch == Patch::abs_8) {
      *at = static_cast<u8>(values.operands[static_cast<int>(hole.source)] + addend);
    } else if (hole.patch != Patch::abs_64) {
      u32 field = static_cast<u32>(value_of(hole) + addend);
      memcpy(at, &field, sizeof field);
    } else {
      u64 field = hole.source == Source::helper ? reinterpret_cast<u64>(library.helpers[hole.addend])
                                                : values.operands[static_cast<int>(hole.source)] + addend;
      memcpy(at, &field, sizeof field);
    }
  }
}

// In one store and in two: every block has some.
inline void write_thunk(u8* write, u64 run, u64 stub) {
  u64 distance = static_cast<u32>(displacement(run + 5, stub));
  const u64 word = 0xe8 | distance << 8 | u64{0x001f0f} << 40;  // call rel32; three bytes of nop
  memcpy(write, &word, sizeof word);
}

inline void write_argument_jump(u8* write, u64 run, u64 argument, u64 target) {
  auto distance = [](u64 from, u64 to) { return u64{static_cast<u32>(displacement(from, to))}; };
  const u64 words[] = {0x258d4c | distance(run + 7, argument) << 24 | u64{0xe9} << 56,  // lea rel32(%rip), %r12; jmp
                       distance(run + 12, target) | u64{0x00401f0f} << 32};             // rel32; four bytes of nop
  memcpy(write, words, sizeof words);
}

}  // namespace ferry::stencil
