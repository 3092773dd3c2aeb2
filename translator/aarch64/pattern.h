// The encodings table's notation, parsed at compile time. A pattern spells the 32 bits of a word from bit 31 down, tokens
// separated by blanks, as the encoding diagrams of the Arm ARM (DDI 0487 C4, C6, C7) do:
//   0101          fixed bits
//   imm:12        a field of 12 bits; `sh` alone is one bit
//   [size:2]      a field whose value selects the variant: a template argument of the semantic function
//   immh:4!=0     a field that must not have this (decimal) value; also [size:2!=3]
//   [immh:4.highest]  a field that is not 0 and whose highest one-bit selects the variant, by its number (0 to 3); .lowest too
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {

inline constexpr int max_fields = 12;

// What of a variant field selects the variant.
enum class Selector : u8 { value, highest_bit, lowest_bit };

struct Field {
  char name[8] = {};  // in place: pointers would have to be relocated at every start of the program
  u8 name_length = 0;
  u8 low = 0;    // position of the lowest bit
  u8 width = 0;  // bits
  bool variant = false;
  Selector selector = Selector::value;
  bool has_excluded = false;
  u32 excluded = 0;

  constexpr u32 mask() const { return static_cast<u32>((u64{1} << width) - 1) << low; }
  constexpr u32 extract(u32 word) const { return (word & mask()) >> low; }

  // Of a variant field: how many bits of the variant index it makes, and their value.
  constexpr int selected_width() const { return selector == Selector::value ? width : width > 2 ? 2 : 1; }
  constexpr u32 selected(u32 word) const {
    u32 value = extract(word);
    if (selector == Selector::highest_bit) return 31 - static_cast<u32>(__builtin_clz(value));
    if (selector == Selector::lowest_bit) return static_cast<u32>(__builtin_ctz(value));
    return value;
  }
};

struct Pattern {
  u32 mask = 0;   // of the fixed bits
  u32 value = 0;  // their values
  u8 field_count = 0;
  u8 variant_bits = 0;  // total width of the variant fields
  Field fields[max_fields];

  constexpr bool matches(u32 word) const {
    if ((word & mask) != value) return false;
    for (int i = 0; i < field_count; i++) {
      if (fields[i].has_excluded && fields[i].extract(word) == fields[i].excluded) return false;
    }
    return true;
  }

  // The variant fields' values, the first field in the highest bits.
  constexpr u32 variant(u32 word) const {
    u32 result = 0;
    for (int i = 0; i < field_count; i++) {
      if (fields[i].variant) result = result << fields[i].selected_width() | fields[i].selected(word);
    }
    return result;
  }

  // Is the variant's combination of field values excluded by a != of this pattern?
  constexpr bool variant_allowed(u32 variant_index) const {
    int remaining = variant_bits;
    for (int i = 0; i < field_count; i++) {
      if (!fields[i].variant) continue;
      remaining -= fields[i].selected_width();
      u32 field_value = variant_index >> remaining & ((1u << fields[i].selected_width()) - 1);
      if (fields[i].selector != Selector::value) {
        if (field_value >= fields[i].width) return false;  // no such bit
        continue;
      }
      if (fields[i].has_excluded && fields[i].excluded == field_value) return false;
    }
    return true;
  }

  // The value of the n-th variant field in a variant index.
  constexpr int variant_field(u32 variant_index, int n) const {
    int remaining = variant_bits;
    for (int i = 0; i < field_count; i++) {
      if (!fields[i].variant) continue;
      remaining -= fields[i].selected_width();
      if (n-- == 0) return static_cast<int>(variant_index >> remaining & ((1u << fields[i].selected_width()) - 1));
    }
    return 0;
  }

  constexpr int variant_field_count() const {
    int count = 0;
    for (int i = 0; i < field_count; i++) count += fields[i].variant;
    return count;
  }
};

// Not constexpr on purpose: reaching it in the consteval parser is the compile error.
inline void pattern_error(const char*) {}

consteval Pattern parse_pattern(const char* text) {
  Pattern pattern;
  int bit = 32;  // the next token's highest bit + 1
  const char* p = text;
  while (*p != 0) {
    if (*p == ' ') {
      p++;
    } else if (*p == '0' || *p == '1') {
      if (--bit < 0) pattern_error("more than 32 bits");
      pattern.mask |= 1u << bit;
      pattern.value |= static_cast<u32>(*p - '0') << bit;
      p++;
    } else {
      Field field;
      if (*p == '[') {
        field.variant = true;
        p++;
      }
      while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' ||
             (field.name_length != 0 && *p >= '0' && *p <= '9')) {
        if (field.name_length == sizeof field.name - 1) pattern_error("a field's name is too long");
        field.name[field.name_length++] = *p++;
      }
      if (field.name_length == 0) pattern_error("unexpected character");
      field.width = 1;
      if (*p == ':') {
        field.width = 0;
        for (p++; *p >= '0' && *p <= '9'; p++) field.width = static_cast<u8>(field.width * 10 + (*p - '0'));
      }
      if (*p == '.') {
        field.selector = p[1] == 'h' ? Selector::highest_bit : Selector::lowest_bit;
        field.has_excluded = true;
        for (const char* word = p[1] == 'h' ? ".highest" : ".lowest"; *word != 0; word++) {
          if (*p++ != *word) pattern_error("neither .highest nor .lowest");
        }
        if (!field.variant || field.width > 4)
          pattern_error(".highest and .lowest are for variant fields of up to 4 bits");
      }
      if (p[0] == '!' && p[1] == '=') {
        field.has_excluded = true;
        for (p += 2; *p >= '0' && *p <= '9'; p++) field.excluded = field.excluded * 10 + static_cast<u32>(*p - '0');
      }
      if (field.variant) {
        if (*p != ']') pattern_error("missing ]");
        p++;
        pattern.variant_bits = static_cast<u8>(pattern.variant_bits + field.selected_width());
      }
      bit -= field.width;
      if (bit < 0 || field.width == 0) pattern_error("more than 32 bits, or an empty field");
      field.low = static_cast<u8>(bit);
      if (pattern.field_count == max_fields) pattern_error("too many fields");
      pattern.fields[pattern.field_count++] = field;
    }
  }
  if (bit != 0) pattern_error("fewer than 32 bits");
  return pattern;
}

}  // namespace ferry::aarch64
