#include "syscalls/paths.h"

#include <cstring>

#include "guest/memory.h"
#include "syscalls/proc_files.h"
#include "sysroots/resolve.h"

namespace ferry::syscalls {

Result<void> read_path(GuestAddr path, PathBuffer& buffer) {
  for (u64 size = 0; size < sizeof buffer.text;) {
    // Short pieces: most paths are short, and a piece must not cross into a page that may not be there.
    u64 in_page = 4096 - (raw(path + size) & 4095);
    u64 piece = in_page < 128 ? in_page : 128;
    if (piece > sizeof buffer.text - size) piece = sizeof buffer.text - size;
    TRY_VOID(copy_from_guest(buffer.text + size, path + size, piece));
    if (memchr(buffer.text + size, 0, piece) != nullptr) return {};
    size += piece;
  }
  return fail(ENAMETOOLONG);
}

Result<const char*> host_path(int directory, const char* path, bool follow_last, PathBuffer& buffer) {
  if (follow_last) {
    if (const char* target = proc_link_target(path)) path = target;
  }
  return sysroots::resolve_at(directory, path, follow_last ? sysroots::LastLink::follow : sysroots::LastLink::keep,
                              buffer.text);
}

Result<u64> host_path(int directory, GuestAddr path, bool follow_last, PathBuffer& buffer) {
  if (raw(path) == 0) return 0;
  PathBuffer guest;
  // What cannot be read is for the kernel to refuse, in its own order of errors.
  if (!read_path(path, guest)) return raw(path);
  const char* host = TRY(host_path(directory, static_cast<const char*>(guest.text), follow_last, buffer));
  // Unchanged: the guest's own bytes go to the kernel. Another path may lie anywhere; the kernel gets it from the buffer.
  if (host == guest.text) return raw(path);
  if (host != buffer.text) {
    size_t length = strlen(host);
    if (length >= sizeof buffer.text) return fail(ENAMETOOLONG);
    memcpy(buffer.text, host, length + 1);
  }
  return reinterpret_cast<u64>(buffer.text);
}

}  // namespace ferry::syscalls
