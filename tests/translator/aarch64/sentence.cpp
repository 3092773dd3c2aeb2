#include "tests/translator/aarch64/sentence.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "translator/aarch64/decode.h"

namespace ferry::test {

OracleState default_state(u64 pc) {
  OracleState state{};
  for (u64 i = 0; i < 31; i++) state.x[i] = 0xa5a5000000000000 + i * 0x0101010101;
  for (u64 i = 0; i < 32; i++) {
    state.v[i][0] = 0x5a5a000000000000 + i * 0x01010101;
    state.v[i][1] = 0xc3c3000000000000 + i * 0x01010101;
  }
  state.sp = ORACLE_WINDOW + ORACLE_WINDOW_SIZE / 2;
  state.pc = pc;
  return state;
}

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    size_t at = text.find(separator);
    std::string_view part = text.substr(0, at);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty() || separator == '|') parts.emplace_back(part);
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool parse_value(const std::string& text, u64 pc, u64& value) {
  u64 base = 0;
  std::string rest = text;
  if (rest.starts_with("mem"))
    base = ORACLE_WINDOW, rest = rest.substr(3);
  else if (rest.starts_with("pc"))
    base = pc, rest = rest.substr(2);
  if (rest.empty()) return value = base, true;
  if (base != 0 && rest[0] != '+' && rest[0] != '-') return false;
  bool negative = rest[0] == '-';
  if (rest[0] == '+' || rest[0] == '-') rest = rest.substr(1);
  char* end;
  u64 magnitude = strtoull(rest.c_str(), &end, 0);
  if (rest.empty() || *end != 0) return false;
  value = base + (negative ? -magnitude : magnitude);
  return true;
}

bool parse_index(const std::string& name, u64 limit, u64& index) {
  char* end;
  index = strtoull(name.c_str() + 1, &end, 10);
  return name.size() > 1 && *end == 0 && index < limit;
}

// One `name=value` of the state before or after.
bool assign(const std::string& text, u64 pc, OracleState& state, std::vector<MemoryWord>& memory, u64* signal) {
  size_t equals = text.find('=');
  if (equals == text.npos) return false;
  std::string name = text.substr(0, equals), value_text = text.substr(equals + 1);
  u64 value = 0, index = 0;
  if (name[0] == 'v') {
    if (!parse_index(name, 32, index)) return false;
    size_t colon = value_text.find(':');
    if (colon == value_text.npos) return state.v[index][1] = 0, parse_value(value_text, pc, state.v[index][0]);
    return parse_value(value_text.substr(0, colon), pc, state.v[index][1]) &&
           parse_value(value_text.substr(colon + 1), pc, state.v[index][0]);
  }
  if (name == "nzcv") {
    if (value_text.size() != 4) return false;
    for (char c : value_text) value = value << 1 | static_cast<u64>(c == '1');
    return state.nzcv = value << 28, true;
  }
  if (!parse_value(value_text, pc, value)) return false;
  if (name == "sp") return state.sp = value, true;
  if (name == "fpcr") return state.fpcr = value, true;
  if (name == "fpsr") return state.fpsr = value, true;
  if (name == "pc" && signal != nullptr) return state.pc = pc + value, true;
  if (name == "signal" && signal != nullptr) return *signal = value, true;
  if (name[0] == 'x') return parse_index(name, 31, index) && (state.x[index] = value, true);
  if (name.starts_with("mem")) {
    u64 address = 0;
    if (!parse_value(name, pc, address)) return false;
    return memory.push_back({address - ORACLE_WINDOW, value}),
           (address - ORACLE_WINDOW) % 8 == 0 && address - ORACLE_WINDOW < ORACLE_WINDOW_SIZE;
  }
  return false;
}

}  // namespace

std::optional<Sentence> parse_sentence(std::string_view line, u64 pc, std::string& error) {
  std::vector<std::string> parts = split(line, '|');
  if (parts.size() != 3) return error = "not `instruction | before | after`", std::nullopt;
  Sentence sentence;
  size_t blank = parts[0].find(' ');
  sentence.row = parts[0].substr(0, blank);
  auto row = aarch64::row_named(sentence.row);
  if (!row) return error = "no row " + sentence.row, std::nullopt;
  auto word = aarch64::assemble(*row, blank == std::string::npos ? "" : parts[0].substr(blank + 1));
  if (!word) return error = "the fields do not fit the row", std::nullopt;
  sentence.word = *word;
  sentence.before = default_state(pc);
  for (const std::string& text : split(parts[1], ' ')) {
    if (!assign(text, pc, sentence.before, sentence.memory_before, nullptr))
      return error = "before: " + text, std::nullopt;
  }
  sentence.after = sentence.before;
  sentence.after.pc = pc + 4;
  for (const std::string& text : split(parts[2], ' ')) {
    if (!assign(text, pc, sentence.after, sentence.memory_after, &sentence.signal))
      return error = "after: " + text, std::nullopt;
  }
  if (sentence.signal != 0) sentence.after.pc = pc;
  return sentence;
}

namespace {
struct Printer {
  std::string text;
  u64 pc;

  std::string value(u64 v) const {
    char buffer[40];
    if (v - ORACLE_WINDOW < ORACLE_WINDOW_SIZE)
      snprintf(buffer, sizeof buffer, "mem+%#" PRIx64, v - ORACLE_WINDOW);
    else if (v - pc < 4096)
      snprintf(buffer, sizeof buffer, "pc+%#" PRIx64, v - pc);
    else
      snprintf(buffer, sizeof buffer, v < 10 ? "%" PRIu64 : "%#" PRIx64, v);
    return buffer;
  }
  void add(const std::string& name, const std::string& v) { text += " " + name + "=" + v; }

  void changes(const OracleState& from, const OracleState& to) {
    for (int i = 0; i < 31; i++) {
      if (from.x[i] != to.x[i]) add("x" + std::to_string(i), value(to.x[i]));
    }
    if (from.sp != to.sp) add("sp", value(to.sp));
    for (int i = 0; i < 32; i++) {
      if (from.v[i][0] == to.v[i][0] && from.v[i][1] == to.v[i][1]) continue;
      char buffer[64];
      snprintf(buffer, sizeof buffer, "0x%016" PRIx64 ":0x%016" PRIx64, to.v[i][1], to.v[i][0]);
      add("v" + std::to_string(i), buffer);
    }
    if (from.nzcv != to.nzcv) {
      std::string bits;
      for (int bit = 31; bit >= 28; bit--) bits += to.nzcv >> bit & 1 ? '1' : '0';
      add("nzcv", bits);
    }
    if (from.fpcr != to.fpcr) add("fpcr", value(to.fpcr));
    if (from.fpsr != to.fpsr) add("fpsr", value(to.fpsr));
  }
};
}  // namespace

std::string print_sentence(u32 word, const OracleState& before, const OracleResult& after) {
  auto row_id = aarch64::find_row(word);
  if (!row_id) return {};
  const aarch64::Row& row = aarch64::rows[static_cast<int>(*row_id)];
  Printer printer{row.name, before.pc};
  for (int i = 0; i < row.pattern.field_count; i++) {
    const aarch64::Field& field = row.pattern.fields[i];
    if (field.extract(word) != 0)
      printer.add(std::string(field.name, field.name_length), printer.value(field.extract(word)));
  }
  printer.text += " |";
  printer.changes(default_state(before.pc), before);
  printer.text += " |";
  printer.changes(before, after.state);
  if (after.memory_hash != 0) {
    char name[40], value[40];
    snprintf(name, sizeof name, "mem+%#" PRIx64, after.changed_offset);
    snprintf(value, sizeof value, "%#" PRIx64, after.changed_value);
    printer.add(name, value);
    u64 single = (1 * 0 + after.changed_offset + 1) * 0x9e3779b97f4a7c15 + after.changed_value;
    if (single != after.memory_hash) return {};
  }
  if (after.signal != 0)
    printer.add("signal", std::to_string(after.signal));
  else if (after.state.pc != before.pc + 4)
    printer.add("pc", "+" + std::to_string(after.state.pc - before.pc));
  return printer.text;
}

}  // namespace ferry::test
