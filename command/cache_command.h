// `ferry cache status|clear|verify|warm ...`: the persistent store of optimised code.
#pragma once
#include <span>

namespace ferry::command {

// `arguments` after the word cache. The exit status: 0, 1 when it failed or something was damaged, 2 for wrong use.
int run_cache_command(std::span<char* const> arguments);

}  // namespace ferry::command
