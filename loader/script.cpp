#include "loader/script.h"

#include <algorithm>
#include <string_view>

namespace ferry::loader {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view name_ends{" \t\0", 3};

// The text after "#!" up to the end of the line, or as much of it as fits the limit. A line that does not fit is only good
// when something ends the interpreter's name: a cut name would be another file's.
std::optional<std::string_view> first_line(std::string_view start) {
  size_t newline = start.find('\n');
  if (newline != start.npos) return start.substr(2, newline - 2);
  size_t name = start.find_first_not_of(blanks, 2);
  if (name == start.npos) return std::nullopt;
  if (start.find_first_of(name_ends, name) == start.npos) return std::nullopt;
  return start.substr(2, script_line_limit - 1 - 2);
}

}  // namespace

std::optional<ScriptLine> parse_script_line(std::span<const u8> start) {
  // A short file is read into a zeroed buffer by the kernel, so its end is a NUL.
  char buffer[script_line_limit] = {};
  std::copy_n(start.begin(), std::min(start.size(), sizeof buffer), buffer);
  std::string_view text(buffer, sizeof buffer);
  if (!text.starts_with("#!")) return std::nullopt;

  std::optional<std::string_view> line = first_line(text);
  if (!line) return std::nullopt;
  line = line->substr(0, line->find_last_not_of(blanks) + 1);
  size_t name = line->find_first_not_of(blanks);
  if (name == line->npos) return std::nullopt;
  line = line->substr(name);

  size_t name_end = std::min(line->find_first_of(name_ends), line->size());
  ScriptLine result{.interpreter = std::string(line->substr(0, name_end)), .argument = std::nullopt};
  if (result.interpreter.empty()) return std::nullopt;
  if (name_end == line->size() || (*line)[name_end] == '\0') return result;
  line = line->substr(line->find_first_not_of(blanks, name_end));
  result.argument = std::string(line->substr(0, line->find('\0')));
  return result;
}

}  // namespace ferry::loader
