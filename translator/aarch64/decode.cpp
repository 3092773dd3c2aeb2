// The decoder: forge-made tables narrow a word to a few candidate rows; each row's operands and variant are extracted by code
// instantiated from its pattern.
#include "translator/aarch64/decode.h"

#include "translator/aarch64/decode_table.h"
#include "translator/aarch64/operands_vector.h"

namespace ferry::aarch64 {

namespace {

#include "decode_table.inc"

constexpr u16 no_row = 0xffff;

u16 find(u32 word) {
  DecodeBucket bucket = decode_buckets[word >> bucket_shift];
  if (bucket.count == split_bucket) bucket = decode_buckets[bucket.first + (word >> split_shift & (split_size - 1))];
  for (const u16 *row = decode_candidates + bucket.first, *end = row + bucket.count; row != end; row++) {
    const DecodeMatch& match = decode_matches[*row];
    if ((word & match.mask) != match.value || (word & match.excluded_mask) == match.excluded_value) continue;
    if (match.has_more_exclusions && !rows[*row].pattern.matches(word)) continue;
    return *row;
  }
  return no_row;
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

}  // namespace

bool decode(u32 encoded, GuestAddr at, Instruction& out) {
  using namespace operand;
  u16 row = find(encoded);
  switch (static_cast<RowId>(row)) {
#define A64(name, pattern, flags, ...) \
  case RowId::name:                    \
    return extract<RowId::name __VA_OPT__(, ) __VA_ARGS__>(encoded, raw(at), out);
#include "translator/aarch64/encodings.def"
#undef A64
    default:
      return false;
  }
}

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

#define FERRY_SECTION_ROW(section) void list_controls_##section(semantic::Control* by_row);
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW

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

semantic::Control control_of(const Instruction& instruction) { return controls()[static_cast<int>(instruction.row)]; }

semantic::ReferenceFunction reference(const Instruction& instruction) {
  semantic::ReferenceFunction result = nullptr;
#define FERRY_SECTION_ROW(section) \
  if (result == nullptr) result = reference_##section(instruction.row, instruction.variant());
#include "translator/aarch64/sections.def"
#undef FERRY_SECTION_ROW
  return result;
}

}  // namespace ferry::aarch64
