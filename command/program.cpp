#include "command/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysroots/resolve.h"

namespace ferry::command {

namespace {

constexpr std::string_view usual_path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

bool is_program(const char* host_path) {
  struct stat status;
  return stat(host_path, &status) == 0 && S_ISREG(status.st_mode) && access(host_path, X_OK) == 0;
}

bool is_in_sysroot(std::string_view host_path) {
  return !sysroots::sysroot().empty() && host_path.starts_with(sysroots::sysroot() + "/");
}

// In PATH's directories, only those files that are (or are not) in the sysroot.
std::string search(std::string_view name, std::string_view path, bool in_sysroot) {
  sysroots::PathBuffer buffer;
  for (;;) {
    size_t colon = path.find(':');
    std::string candidate{path.substr(0, colon)};
    if (candidate.empty()) candidate = ".";
    (candidate += '/') += name;
    auto host = sysroots::resolve_at(AT_FDCWD, candidate.c_str(), sysroots::LastLink::follow, buffer);
    if (host && is_in_sysroot(*host) == in_sysroot && is_program(*host)) return candidate;
    if (colon == path.npos) return {};
    path.remove_prefix(colon + 1);
  }
}

}  // namespace

std::string find_program(std::string_view name, std::span<const std::string> environment) {
  if (name.find('/') != name.npos) return std::string{name};
  std::string_view path = usual_path;
  for (const std::string& entry : environment)
    if (entry.starts_with("PATH=")) path = std::string_view{entry}.substr(5);
  std::string found = sysroots::sysroot().empty() ? "" : search(name, path, true);
  if (found.empty()) found = search(name, path, false);
  if (found.empty() && !name.empty() && access(std::string{name}.c_str(), F_OK) == 0) found = "./" + std::string{name};
  return found;
}

}  // namespace ferry::command
