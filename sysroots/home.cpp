#include "sysroots/home.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace ferry::sysroots {

namespace {

bool is_directory(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

std::string_view architecture_name(Isa isa) { return isa == Isa::aarch64 ? "arm64" : "amd64"; }

std::string sysroots_home() {
  const char* home = getenv("FERRY_SYSROOTS");
  if (home != nullptr && *home != 0) return home;
  // A relative XDG_DATA_HOME is to be ignored (XDG Base Directory Specification).
  home = getenv("XDG_DATA_HOME");
  if (home != nullptr && *home == '/') return std::string{home} + "/ferry/sysroots";
  home = getenv("HOME");
  if (home == nullptr || *home == 0) return {};
  return std::string{home} + "/.local/share/ferry/sysroots";
}

std::expected<std::string, Failure> find_sysroot(const std::string& name) {
  bool path = name.find('/') != name.npos;
  if (path || is_directory(name)) {
    if (is_directory(name)) return name;
    return std::unexpected(Failure{"sysroot " + name + ": there is no such directory",
                                   "a name without a slash is looked up in " + sysroots_home()});
  }
  std::string directory = sysroots_home() + "/" + name;
  if (is_directory(directory)) return directory;
  std::string others;
  for (const std::string& other : sysroot_names()) others += (others.empty() ? " (there are: " : ", ") + other;
  return std::unexpected(Failure{"sysroot " + name + ": there is none of that name in " + sysroots_home(),
                                 "make it with `ferry sysroot create " + name + " --arch arm64 --include PKG,...`" +
                                     others + (others.empty() ? "" : ")")});
}

std::string default_sysroot(Isa isa) {
  std::string home = sysroots_home();
  if (home.empty()) return {};
  std::string link = home + "/default-" + std::string{architecture_name(isa)};
  return is_directory(link) ? link : "";
}

std::vector<std::string> sysroot_names() {
  std::vector<std::string> names;
  std::string home = sysroots_home();
  DIR* directory = opendir(home.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    std::string name = entry->d_name;
    struct stat status;
    if (name[0] == '.' || lstat((home + "/" + name).c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    names.push_back(std::move(name));
  }
  closedir(directory);
  std::ranges::sort(names);
  return names;
}

}  // namespace ferry::sysroots
