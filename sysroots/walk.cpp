#include "sysroots/walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace ferry::sysroots {

namespace {

constexpr int link_limit = 40;  // MAXSYMLINKS, include/linux/namei.h

// The place reached so far: "" is the root, otherwise "/a/b", in place in a buffer, free of links, "." and "..".
class Place {
 public:
  explicit Place(char* text) : text_(text) { *text_ = 0; }

  std::string_view view() const { return {text_, size_}; }
  // For *at() calls from the root's descriptor.
  const char* relative() const { return size_ == 0 ? "." : text_ + 1; }

  bool push(std::string_view component) {
    if (size_ + 1 + component.size() >= PATH_MAX) return false;
    text_[size_] = '/';
    memcpy(text_ + size_ + 1, component.data(), component.size());
    size_ += 1 + component.size();
    text_[size_] = 0;
    return true;
  }
  void pop() {
    while (size_ > 0 && text_[--size_] != '/') {}
    text_[size_] = 0;
  }
  void clear() { text_[size_ = 0] = 0; }

 private:
  char* text_;
  size_t size_ = 0;
};

// Takes the next component off the front; empty at the end. `last`: nothing but slashes follows, and `slash` says if any does.
std::string_view next_component(std::string_view& rest, bool& last, bool& slash) {
  while (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  size_t end = rest.find('/');
  std::string_view component = rest.substr(0, end);
  rest.remove_prefix(component.size());
  slash = !rest.empty();
  last = rest.find_first_not_of('/') == rest.npos;
  return component;
}

// Puts a link's target before what is left of the path: `pending` is filled from its end, `rest` is a part of it.
bool prepend(PathBuffer& pending, std::string_view& rest, std::string_view target) {
  if (target.size() + rest.size() >= PATH_MAX) return false;
  char* begin = pending + PATH_MAX - rest.size() - target.size();
  memmove(pending + PATH_MAX - rest.size(), rest.data(), rest.size());
  memcpy(begin, target.data(), target.size());
  rest = {begin, target.size() + rest.size()};
  return true;
}

enum class Kind : u8 { missing, directory, other, link };

Result<Kind> kind_of(int root_descriptor, const Place& place) {
  struct stat status;
  if (fstatat(root_descriptor, place.relative(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Kind::missing;
    return fail(errno);
  }
  return S_ISLNK(status.st_mode) ? Kind::link : S_ISDIR(status.st_mode) ? Kind::directory : Kind::other;
}

// Follows `path` from the root to `place`, in the guest's terms. False: does not exist.
Result<bool> follow(int root_descriptor, const char* path, LastLink last_link, Place& place) {
  PathBuffer pending;
  std::string_view rest = path;
  int links = 0;
  for (bool last = false, slash = false;;) {
    std::string_view component = next_component(rest, last, slash);
    if (component.empty()) return true;
    if (component == "." || component == "..") {
      if (component == "..") place.pop();
      continue;
    }
    if (!place.push(component)) return fail(ENAMETOOLONG);
    if (is_host_directory(place.view())) continue;  // nothing of the sysroot is below it; ".." may lead back
    Kind kind = TRY(kind_of(root_descriptor, place));
    if (kind == Kind::missing || (kind == Kind::other && (!last || slash))) return false;
    if (kind != Kind::link || (last && !slash && last_link == LastLink::keep)) continue;
    if (++links > link_limit) return fail(ELOOP);
    PathBuffer target;
    ssize_t size = readlinkat(root_descriptor, place.relative(), target, sizeof target);
    if (size < 0) return fail(errno);
    if (size == 0 || !prepend(pending, rest, {target, static_cast<size_t>(size)})) return fail(ENAMETOOLONG);
    place.pop();
    if (target[0] == '/') place.clear();
  }
}

}  // namespace

bool is_host_directory(std::string_view path) {
  for (std::string_view name : {"/proc", "/dev", "/sys", "/tmp", "/run"})
    if (path.starts_with(name) && (path.size() == name.size() || path[name.size()] == '/')) return true;
  return false;
}

Result<bool> walk(std::string_view root, int root_descriptor, const char* path, LastLink last, PathBuffer& buffer) {
  PathBuffer guest;
  Place place{guest};
  if (!TRY(follow(root_descriptor, path, last, place))) return false;
  size_t length = strlen(path);
  bool slash = length > 1 && path[length - 1] == '/' && !place.view().empty();
  Place host{buffer};
  if (!is_host_directory(place.view()) && !host.push(root.substr(1))) return fail(ENAMETOOLONG);
  if (!place.view().empty() && !host.push(place.view().substr(1))) return fail(ENAMETOOLONG);
  if (slash && !host.push("")) return fail(ENAMETOOLONG);
  return true;
}

}  // namespace ferry::sysroots
