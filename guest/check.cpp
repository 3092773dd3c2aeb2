#include "guest/check.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace ferry {

void (*describe_state)(int fd) = nullptr;

void fatal(std::string_view what, std::string_view remedy, int status) {
  dprintf(2, "ferry: %.*s%s%.*s\n", static_cast<int>(what.size()), what.data(), remedy.empty() ? "" : "; ",
          static_cast<int>(remedy.size()), remedy.data());
  _exit(status);
}

void check_failed(const char* condition, const char* file, int line) {
  dprintf(2, "ferry: internal error: %s at %s:%d\n", condition, file, line);
  if (describe_state != nullptr) describe_state(2);
  abort();
}

}  // namespace ferry
