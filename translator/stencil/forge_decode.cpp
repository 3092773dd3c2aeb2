// forge_decode: writes the decoder's table from the encodings table, and fails the build when two rows overlap.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "translator/aarch64/decode_table.h"
#include "translator/aarch64/encodings.h"

using namespace ferry;
using namespace ferry::aarch64;

namespace {

// Is there a word with these fixed bits that the pattern's exclusions allow? Exact when each excluded field has
// an undetermined bit or is fixed; fields do not overlap within one pattern.
bool exclusions_allow(const Pattern& pattern, u32 mask, u32 value) {
  for (int i = 0; i < pattern.field_count; i++) {
    const Field& field = pattern.fields[i];
    if (!field.has_excluded || (field.mask() & ~mask) != 0) continue;
    if (field.extract(value) == field.excluded) return false;
  }
  return true;
}

bool may_match(const Pattern& pattern, u32 mask, u32 value) {
  if (((pattern.value ^ value) & pattern.mask & mask) != 0) return false;
  return exclusions_allow(pattern, mask | pattern.mask, value | pattern.value);
}

bool overlap(const Pattern& a, const Pattern& b) {
  if (((a.value ^ b.value) & a.mask & b.mask) != 0) return false;
  u32 mask = a.mask | b.mask, value = a.value | b.value;
  return exclusions_allow(a, mask, value) && exclusions_allow(b, mask, value);
}

using RowList = std::vector<u16>;

// Those of the rows that words with these bits may match.
RowList members(const RowList& of, u32 mask, u32 value) {
  RowList result;
  for (u16 row : of) {
    if (may_match(rows[row].pattern, mask, value)) result.push_back(row);
  }
  return result;
}

// The rows of a cell's parts, if it is split by so many bits from `shift` on.
std::vector<RowList> split(const RowList& of, u32 mask, u32 value, int shift, int bits) {
  std::vector<RowList> parts;
  u32 part_mask = (1u << bits) - 1;
  for (u32 part = 0; part <= part_mask; part++)
    parts.push_back(members(of, mask | part_mask << shift, value | part << shift));
  return parts;
}

// How far from every word's first row being its only one.
size_t crowdedness(const std::vector<RowList>& parts) {
  size_t rest = 0;
  for (const RowList& part : parts) rest += part.size() > 1 ? part.size() - 1 : 0;
  return (rest << max_split_bits) / parts.size();
}

struct Table {
  std::vector<DecodeCell> cells;
  std::vector<DecodePart> parts;
  std::vector<u16> matches;                       // rows
  std::map<RowList, u16> lists;                   // where those of these rows begin
  std::map<std::vector<DecodePart>, u16> splits;  // where these parts are

  DecodePart list(const RowList& members) {
    auto [place, is_new] = lists.try_emplace(members, static_cast<u16>(matches.size()));
    if (is_new) {
      matches.insert(matches.end(), members.begin(), members.end());
      matches.push_back(no_row);
    }
    return place->second;
  }

  void add_cell(const RowList& all, u32 mask, u32 value) {
    int best_shift = 0, best_bits = 0;
    std::vector<RowList> best = {members(all, mask, value)};
    const RowList here = best[0];
    for (int bits = 1; bits <= max_split_bits; bits++) {
      for (int shift = 0; shift + bits <= cell_shift; shift++) {
        std::vector<RowList> parts = split(here, mask, value, shift, bits);
        if (crowdedness(parts) >= crowdedness(best)) continue;
        best = parts;
        best_shift = shift;
        best_bits = bits;
      }
    }
    std::vector<DecodePart> parts_here;
    for (const RowList& part : best) parts_here.push_back(list(part));
    auto [place, is_new] = splits.try_emplace(parts_here, static_cast<u16>(parts.size()));
    if (is_new) parts.insert(parts.end(), parts_here.begin(), parts_here.end());
    cells.push_back({place->second, static_cast<u8>(best_shift), static_cast<u8>((1 << best_bits) - 1)});
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fputs("usage: forge_decode OUTPUT\n", stderr), 2;
  bool bad = false;
  for (int i = 0; i < row_count; i++) {
    for (int j = 0; j < i; j++) {
      if (!overlap(rows[i].pattern, rows[j].pattern)) continue;
      fprintf(stderr, "encodings.def: rows %s and %s overlap\n", rows[j].name, rows[i].name);
      bad = true;
    }
  }
  if (bad) return 1;

  RowList all;
  for (int i = 0; i < row_count; i++) all.push_back(static_cast<u16>(i));
  Table table;
  for (u32 c = 0; c < cell_count; c++) table.add_cell(all, ~0u << cell_shift, c << cell_shift);
  if (table.matches.size() > 0xffff || table.parts.size() > 0xffff) return fputs("decode table too large\n", stderr), 1;

  FILE* out = fopen(argv[1], "w");
  if (out == nullptr) return perror(argv[1]), 1;
  fputs("// Written by forge_decode from encodings.def.\nconstexpr DecodeCell decode_cells[] = {\n", out);
  for (DecodeCell cell : table.cells) fprintf(out, "{%u,%u,%u},\n", cell.first, cell.shift, cell.mask);
  fputs("};\nconstexpr DecodePart decode_parts[] = {\n", out);
  for (DecodePart part : table.parts) fprintf(out, "%u,\n", part);
  fputs("};\nconstexpr DecodeMatch decode_matches[] = {\n", out);
  for (u16 row : table.matches) {
    Pattern pattern;
    if (row != no_row) pattern = rows[row].pattern;
    u32 excluded_mask = 0, excluded_value = 1, exclusions = 0;
    for (int i = 0; i < pattern.field_count; i++) {
      const Field& field = pattern.fields[i];
      if (!field.has_excluded || exclusions++ != 0) continue;
      excluded_mask = field.mask();
      excluded_value = field.excluded << field.low;
    }
    fprintf(out, "{%#xu,%#xu,%#xu,%#xu,%u,%d},\n", pattern.mask, pattern.value, excluded_mask, excluded_value, row,
            exclusions > 1);
  }
  fputs("};\n", out);
  return fclose(out) == 0 ? 0 : 1;
}
