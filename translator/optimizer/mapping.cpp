#include "translator/optimizer/mapping.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace ferry::optimizer {

namespace {
constexpr u64 end_of_user_memory = u64{1} << 47;
}  // namespace

Mappings::Mappings() {
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char chunk[16384];
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) text_.append(chunk, static_cast<size_t>(n));
  close(fd);
}

// "begin-end rwxp offset device inode          name"
Mapping Mappings::find(u64 address) const {
  if (text_.empty()) return {.begin = 0, .end = end_of_user_memory, .file = {}};
  for (const char* line = text_.c_str(); *line != 0;) {
    const char* end_of_line = strchrnul(line, '\n');
    char* at;
    Mapping mapping;
    mapping.begin = strtoull(line, &at, 16);
    mapping.end = strtoull(at + 1, &at, 16);
    if (address >= mapping.begin && address < mapping.end) {
      bool writable = at[2] == 'w', is_private = at[4] == 'p';
      mapping.offset = strtoull(at + 5, &at, 16);
      const char* name = static_cast<const char*>(memchr(at, '/', static_cast<size_t>(end_of_line - at)));
      if (name == nullptr) return mapping;
      mapping.file.assign(name, end_of_line);
      mapping.unchanging = is_private && !writable;
      return mapping;
    }
    line = *end_of_line != 0 ? end_of_line + 1 : end_of_line;
  }
  return {};
}

}  // namespace ferry::optimizer
