// forge_decode: writes the decoder's table from the encodings table, and fails the build when two rows overlap.
#include <cstdio>
#include <cstdlib>
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

struct Table {
  std::vector<DecodeBucket> buckets;
  std::vector<u16> candidates;

  DecodeBucket list(const std::vector<u16>& members) {
    DecodeBucket bucket{static_cast<u16>(candidates.size()), static_cast<u16>(members.size())};
    candidates.insert(candidates.end(), members.begin(), members.end());
    return bucket;
  }
};

std::vector<u16> members(u32 mask, u32 value) {
  std::vector<u16> result;
  for (int i = 0; i < row_count; i++) {
    if (may_match(rows[i].pattern, mask, value)) result.push_back(static_cast<u16>(i));
  }
  return result;
}

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

  constexpr size_t crowded = 3;
  Table table;
  table.buckets.resize(bucket_count);
  for (u32 b = 0; b < bucket_count; b++) {
    u32 mask = ~0u << bucket_shift, value = b << bucket_shift;
    std::vector<u16> all = members(mask, value);
    if (all.size() <= crowded) {
      table.buckets[b] = table.list(all);
      continue;
    }
    u16 first = static_cast<u16>(table.buckets.size());
    table.buckets[b] = {first, split_bucket};
    table.buckets.resize(table.buckets.size() + split_size);
    for (u32 s = 0; s < split_size; s++) {
      u32 split_mask = (split_size - 1) << split_shift;
      table.buckets[first + s] = table.list(members(mask | split_mask, value | s << split_shift));
    }
  }
  if (table.candidates.size() > 0xffff || table.buckets.size() > 0xffff)
    return fputs("decode table too large\n", stderr), 1;

  FILE* out = fopen(argv[1], "w");
  if (out == nullptr) return perror(argv[1]), 1;
  fputs("// Written by forge_decode from encodings.def.\nconstexpr DecodeBucket decode_buckets[] = {\n", out);
  for (DecodeBucket b : table.buckets) fprintf(out, "{%u,%u},\n", b.first, b.count);
  fputs("};\nconstexpr u16 decode_candidates[] = {\n", out);
  for (u16 c : table.candidates) fprintf(out, "%u,\n", c);
  fputs("0};\nconstexpr DecodeMatch decode_matches[] = {\n", out);
  for (const Row& row : rows) {
    u32 excluded_mask = 0, excluded_value = 1, exclusions = 0;
    for (int i = 0; i < row.pattern.field_count; i++) {
      const Field& field = row.pattern.fields[i];
      if (!field.has_excluded || exclusions++ != 0) continue;
      excluded_mask = field.mask();
      excluded_value = field.excluded << field.low;
    }
    fprintf(out, "{%#xu,%#xu,%#xu,%#xu,%d},\n", row.pattern.mask, row.pattern.value, excluded_mask, excluded_value,
            exclusions > 1);
  }
  fputs("};\n", out);
  return fclose(out) == 0 ? 0 : 1;
}
