// `ferry sysroot create|add|list|remove|default ...`.
#pragma once
#include <span>

namespace ferry::command {

// `arguments` after the word sysroot. The exit status: 0, 1 when it failed, 2 for wrong use.
int run_sysroot_command(std::span<char* const> arguments);

}  // namespace ferry::command
