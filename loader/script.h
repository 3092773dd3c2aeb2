// The first line of a #! script, parsed as Linux does. fs/binfmt_script.c; man 2 execve, "Interpreter scripts".
#pragma once
#include <optional>
#include <span>
#include <string>

#include "guest/types.h"

namespace ferry::loader {

inline constexpr size_t script_line_limit = 256;  // BINPRM_BUF_SIZE: what the kernel reads of a file to know its format
inline constexpr int script_depth_limit = 5;      // scripts whose interpreters are scripts

struct ScriptLine {
  std::string interpreter;              // as written; may be relative
  std::optional<std::string> argument;  // everything after the interpreter, one argument
};

// From the first bytes of a file, at most script_line_limit of them. Nothing when it is not a script, names no interpreter, or
// the line is too long for the interpreter's name to be known whole.
std::optional<ScriptLine> parse_script_line(std::span<const u8> start);

}  // namespace ferry::loader
