#include "guest/log.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace ferry {

u32 log_mask = static_cast<u32>(Log::warning);
int log_fd = 2;

namespace {
struct CategoryName {
  std::string_view name;
  Log category;
};
constexpr CategoryName category_names[] = {
    {"warning", Log::warning}, {"load", Log::load},     {"translate", Log::translate}, {"exits", Log::exits},
    {"signals", Log::signals}, {"memory", Log::memory}, {"optimizer", Log::optimizer}, {"regions", Log::regions},
};
}  // namespace

void log(Log category, const char* format, ...) {
  if (!logging(category)) return;
  char line[1024];
  int length = category == Log::warning ? snprintf(line, sizeof line, "ferry: ")
                                        : snprintf(line, sizeof line, "ferry[%ld]: ", syscall(SYS_gettid));
  va_list arguments;
  va_start(arguments, format);
  length += vsnprintf(line + length, sizeof line - static_cast<size_t>(length) - 1, format, arguments);
  va_end(arguments);
  if (length > static_cast<int>(sizeof line) - 2) length = sizeof line - 2;
  line[length++] = '\n';
  if (write(log_fd, line, static_cast<size_t>(length)) < 0) return;  // nowhere left to report it
}

bool parse_log_categories(const char* text, u32& mask) {
  u32 result = static_cast<u32>(Log::warning);
  for (std::string_view rest = text; !rest.empty();) {
    size_t comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 1);
    bool known = name == "all";
    if (known) result = ~0u;
    for (const CategoryName& c : category_names) {
      if (c.name != name) continue;
      result |= static_cast<u32>(c.category);
      known = true;
    }
    if (!known) return false;
  }
  mask = result;
  return true;
}

const char* log_category_names() { return "warning, load, translate, exits, signals, memory, optimizer, regions, all"; }

}  // namespace ferry
