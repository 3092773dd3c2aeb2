// `ferry binfmt print|status|register|unregister`: registration with the kernel's binfmt_misc.
#pragma once
#include <span>

namespace ferry::binfmt {

// `arguments` after the word binfmt. The exit status: 0, 1 when it failed, 2 for wrong use.
int run_command(std::span<char* const> arguments);

}  // namespace ferry::binfmt
