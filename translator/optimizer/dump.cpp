#include "translator/optimizer/dump.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "guest/log.h"

namespace ferry::optimizer {

namespace {

bool write_file(const std::string& path, std::string_view text) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = true;
  while (good && !text.empty()) {
    ssize_t n = write(fd, text.data(), text.size());
    good = n > 0;
    if (good) text.remove_prefix(static_cast<size_t>(n));
  }
  close(fd);
  return good;
}

std::string file_name(const std::string& name) {
  std::string result = name.substr(0, 100);
  auto plain = [](char c) { return isalnum(static_cast<unsigned char>(c)) || strchr("._+-", c) != nullptr; };
  std::ranges::replace_if(result, [&](char c) { return !plain(c); }, '_');
  return result;
}

}  // namespace

std::string describe(const Request& request) {
  std::string text;
  char line[160];
  auto add = [&](auto... values) { text.append(line, static_cast<size_t>(snprintf(line, sizeof line, values...))); };
  add("base %#lx\nheat %lu\n", request.base, request.heat);
  if (!request.file.empty()) {
    text += "file " + request.file;
    add(" from %#lx on%s\n", request.file_offset, request.storable ? "" : ", not to be stored");
  }
  for (u32 entry : request.entries) add("entered at %#lx\n", request.base + entry);
  for (const IndirectTarget& target : request.indirect_targets)
    add("%#lx was seen to go to %#lx\n", request.base + target.site, request.base + target.target);
  for (const Stretch& stretch : request.stretches) {
    add("%#lx:", request.base + stretch.offset);
    for (u32 word : stretch.words) add(" %08x", word);
    text += "\n";
  }
  return text;
}

void dump(const std::string& directory, const std::string& name, const Request& request, const Listing& listing) {
  static u32 number = 0;
  static bool said = false;
  std::string path =
      directory + "/" + std::to_string(getpid()) + "-" + std::to_string(++number) + "-" + file_name(name);
  mkdir(directory.c_str(), 0700);
  bool good = write_file(path + ".request", describe(request)) && write_file(path + ".before.ll", listing.before) &&
              write_file(path + ".after.ll", listing.after) && write_file(path + ".code", listing.code);
  if (good || said) return;
  said = true;
  log(Log::warning, "--dump-regions: %s: %s", path.c_str(), strerror(errno));
}

}  // namespace ferry::optimizer
