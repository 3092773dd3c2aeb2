// Finds the program that a person names: as a path, or in PATH as env(1) does.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace ferry::command {

// The guest path of `name`: itself when it has a slash; otherwise of the first executable file of that name in the directories
// of PATH (of `environment`), those of the sysroot before those of the host; otherwise a file in the working directory, as
// qemu-user would take it. Empty: there is none.
std::string find_program(std::string_view name, std::span<const std::string> environment);

}  // namespace ferry::command
