// The decoder: forge-made tables narrow a word to a few candidate rows; each row's operands and variant are extracted by code
// instantiated from its pattern.
#include "translator/aarch64/decode.h"

#include "translator/aarch64/decode_table.h"
#include "translator/aarch64/operands_vector.h"

namespace ferry::aarch64 {

#define FERRY_SECTION_ROW(section) void list_controls_##section(semantic::Control* by_row);
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW

namespace {

#include "decode_table.inc"

[[gnu::always_inline]] inline u16 find(u32 word) {
  const DecodeCell& cell = decode_cells[word >> cell_shift];
  u32 part = cell.first + (word >> cell.shift & cell.mask);
  for (const DecodeMatch* match = decode_matches + decode_parts[part];; match++) {
    if ((word & match->mask) != match->value || (word & match->excluded_mask) == match->excluded_value) continue;
    if (match->has_more_exclusions && !rows[match->row].pattern.matches(word)) continue;
    return match->row;
  }
}

template <operand::Function function>
[[gnu::always_inline]] inline bool allowed(u32 word) {
  if constexpr (operand::allows<function> != nullptr)
    return operand::allows<function>(word);
  else
    return true;
}

// Pattern::variant() with every field's place known at compile time.
template <RowId row, int field = 0>
[[gnu::always_inline]] inline u32 variant_of(u32 word, u32 above = 0) {
  constexpr const Pattern& pattern = rows[static_cast<int>(row)].pattern;
  if constexpr (field == pattern.field_count) {
    return above;
  } else {
    constexpr Field f = pattern.fields[field];
    if constexpr (f.variant) above = above << f.selected_width() | f.selected(word);
    return variant_of<row, field + 1>(word, above);
  }
}

// False when an operand refuses the word.
template <RowId row, operand::Function... functions>
[[gnu::always_inline]] inline bool extract(u32 word, u64 pc, Instruction& out) {
  constexpr const Row& description = rows[static_cast<int>(row)];
  static_assert(sizeof...(functions) <= semantic::max_operands);
  if (!(allowed<functions>(word) && ...)) return false;
  u32 variant = variant_of<row>(word);
  if constexpr (description.writes_flags()) variant = variant << 1 | 1;
  out.row = row;
  out.stencil = static_cast<u16>(static_cast<u32>(first_stencil(row)) + variant);
  out.operand_count = sizeof...(functions);
  out.flags = description.flags;
  [[maybe_unused]] u64* operand = out.operands;
  ((*operand++ = functions(word, pc)), ...);
  return true;
}

// How control goes on after a stencil, by row, from its semantic function's return type. Control::next for unallocated ones.
const semantic::Control* controls() {
  struct Controls {
    semantic::Control by_row[row_count];
  };
  static const Controls controls = [] {
    Controls result{};
#define FERRY_SECTION_ROW(section) list_controls_##section(result.by_row);
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW
    return result;
  }();
  return controls.by_row;
}

[[gnu::always_inline]] inline bool decode_word(u32 encoded, u64 at, Instruction& out) {
  using namespace operand;
  switch (static_cast<RowId>(find(encoded))) {
#define A64(name, pattern, flags, ...) \
  case RowId::name:                    \
    return extract<RowId::name __VA_OPT__(, ) __VA_ARGS__>(encoded, at, out);
#include "translator/aarch64/encodings.def"
#undef A64
    default:
      return false;
  }
}

}  // namespace

u32 decode_run(const u32* words, u32 count, GuestAddr pc, Instruction* out) {
  static const semantic::Control* const by_row = controls();
  for (u32 i = 0; i < count; i++) {
    if (!decode_word(words[i], raw(pc) + 4 * i, out[i])) return i;
    out[i].control = by_row[static_cast<int>(out[i].row)];
    if (out[i].control != semantic::Control::next) return i + 1;
  }
  return count;
}

bool decode(u32 word, GuestAddr pc, Instruction& out) { return decode_run(&word, 1, pc, &out) == 1; }

semantic::Control control_of(RowId row) { return controls()[static_cast<int>(row)]; }

std::optional<RowId> find_row(u32 word) {
  u16 row = find(word);
  if (row == no_row) return std::nullopt;
  return static_cast<RowId>(row);
}

std::optional<RowId> row_named(std::string_view name) {
  for (int i = 0; i < row_count; i++) {
    if (name == rows[i].name) return static_cast<RowId>(i);
  }
  return std::nullopt;
}

namespace {
std::optional<i64> parse_number(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  u64 base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.empty()) return std::nullopt;
  u64 value = 0;
  for (char c : text) {
    u64 digit = c >= '0' && c <= '9'   ? static_cast<u64>(c - '0')
                : c >= 'a' && c <= 'f' ? static_cast<u64>(c - 'a' + 10)
                                       : 99;
    if (digit >= base || value > 0xffffffff) return std::nullopt;
    value = value * base + digit;
  }
  return negative ? -static_cast<i64>(value) : static_cast<i64>(value);
}
}  // namespace

std::optional<u32> assemble(RowId row, std::string_view text) {
  const Pattern& pattern = rows[static_cast<int>(row)].pattern;
  u32 word = pattern.value;
  while (!text.empty()) {
    size_t blank = text.find(' ');
    std::string_view token = text.substr(0, blank);
    text = blank == text.npos ? std::string_view{} : text.substr(blank + 1);
    if (token.empty()) continue;
    size_t equals = token.find('=');
    if (equals == token.npos) return std::nullopt;
    std::optional<i64> value = parse_number(token.substr(equals + 1));
    if (!value) return std::nullopt;
    bool found = false;
    for (int i = 0; i < pattern.field_count; i++) {
      const Field& field = pattern.fields[i];
      if (std::string_view(field.name, field.name_length) != token.substr(0, equals)) continue;
      i64 limit = i64{1} << field.width;
      if (*value >= limit || *value < -(limit >> 1)) return std::nullopt;
      word = (word & ~field.mask()) | (static_cast<u32>(*value) << field.low & field.mask());
      found = true;
    }
    if (!found) return std::nullopt;
  }
  if (!pattern.matches(word)) return std::nullopt;
  return word;
}

// One dispatcher per section; each is null for other sections' rows.
#define FERRY_SECTION_ROW(section) semantic::ReferenceFunction reference_##section(RowId row, u32 variant);
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW

semantic::ReferenceFunction reference(const Instruction& instruction) {
  semantic::ReferenceFunction result = nullptr;
#define FERRY_SECTION_ROW(section) \
  if (result == nullptr) result = reference_##section(instruction.row, instruction.variant());
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW
  return result;
}

}  // namespace ferry::aarch64
