// Failures that are not the guest's: check() for ferry's own bugs (on in release), fatal() for the user's environment.
#pragma once
#include <string_view>

namespace ferry {

// Prints "ferry: what; remedy" on standard error and exits with `status` (126: cannot be run, 127: not found).
[[noreturn]] void fatal(std::string_view what, std::string_view remedy, int status = 126);

// What check() calls: prints the failed condition, its place and what describe_state() says, then aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

// Set by the translator and thread layers: writes the current guest pc, registers and last exits to `fd`.
// Must be async-signal-safe.
extern void (*describe_state)(int fd);

}  // namespace ferry

#define check(condition) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? void() : ::ferry::check_failed(#condition, __FILE__, __LINE__))
