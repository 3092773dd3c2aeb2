// The encodings table as data: one Row per line of encodings.def, and the numbering of stencils.
// A row has one stencil per variant; stencil ids are consecutive over the whole table.
#pragma once
#include "translator/aarch64/pattern.h"

namespace ferry::aarch64 {

enum class RowId : u16 {
#define A64(name, ...) name,
#include "translator/aarch64/encodings.def"
#undef A64
  count
};

inline constexpr int row_count = static_cast<int>(RowId::count);

enum class Flags : u8 { _ = 0, r = 1, w = 2, rw = 3 };

struct Row {
  char name[32];  // in place, like the fields' names
  Pattern pattern;
  Flags flags;

  constexpr bool reads_flags() const { return (static_cast<u8>(flags) & 1) != 0; }
  constexpr bool writes_flags() const { return (static_cast<u8>(flags) & 2) != 0; }
  constexpr int variant_count() const { return 1 << (pattern.variant_bits + writes_flags()); }
  // Template arguments of the semantic function: the variant fields, then "compute flags" for writers.
  constexpr int argument_count() const { return pattern.variant_field_count() + writes_flags(); }
  constexpr int argument(u32 variant, int n) const {
    if (writes_flags()) {
      if (n == pattern.variant_field_count()) return static_cast<int>(variant & 1);
      variant >>= 1;
    }
    return pattern.variant_field(variant, n);
  }
  constexpr bool variant_allowed(u32 variant) const { return pattern.variant_allowed(variant >> writes_flags()); }
};

inline constexpr Row rows[] = {
#define A64(name, pattern, flags, ...) {#name, parse_pattern(pattern), Flags::flags},
#include "translator/aarch64/encodings.def"
#undef A64
};

struct FirstStencils {
  u16 first[row_count + 1];
};
inline constexpr FirstStencils first_stencils = [] {
  FirstStencils result{};
  int next = 0;
  for (int i = 0; i < row_count; i++) {
    result.first[i] = static_cast<u16>(next);
    next += rows[i].variant_count();
  }
  if (next > 0xffff) pattern_error("too many stencils");
  result.first[row_count] = static_cast<u16>(next);
  return result;
}();

constexpr int first_stencil(RowId row) { return first_stencils.first[static_cast<int>(row)]; }
inline constexpr int instruction_stencil_count = first_stencils.first[row_count];

}  // namespace ferry::aarch64
