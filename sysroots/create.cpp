#include "sysroots/create.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "sysroots/progress.h"
#include "sysroots/subprocess.h"
#include "sysroots/unpack.h"

namespace ferry::sysroots {

namespace {

namespace fs = std::filesystem;

constexpr const char* recipe_name = "/.ferry-sysroot";
constexpr const char* unfinished = ".unfinished-";
// What every program may expect and no package depends on by name: /etc/passwd, /tmp, /bin/sh, C.UTF-8.
const std::vector<std::string> base_packages{"base-files", "base-passwd", "dash", "libc-bin"};

Failure system_failure(const std::string& what) { return {what + ": " + strerror(errno), ""}; }

// One ferry at a time works in the home; held for as long as the object lives.
class HomeLock {
 public:
  static std::expected<HomeLock, Failure> take(const std::string& home) {
    std::error_code error;
    fs::create_directories(home + "/.cache", error);
    if (error)
      return std::unexpected(
          Failure{home + ": " + error.message(), "FERRY_SYSROOTS may name a folder that can be written"});
    HomeLock lock;
    lock.fd_ = open((home + "/.cache/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock.fd_ < 0) return std::unexpected(system_failure(home + "/.cache/lock"));
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      dprintf(STDERR_FILENO, "ferry: waiting for another `ferry sysroot` to end\n");
      while (flock(lock.fd_, LOCK_EX) != 0)
        if (interrupted()) return std::unexpected(Failure{"interrupted", ""});
    }
    return lock;
  }
  HomeLock(HomeLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~HomeLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  HomeLock() = default;
  int fd_ = -1;
};

// Packages make directories that not even their owner may write to.
void remove_tree(const std::string& tree) {
  std::error_code error;
  fs::remove_all(tree, error);
  if (!error) return;
  for (auto entry = fs::recursive_directory_iterator(tree, fs::directory_options::skip_permission_denied, error);
       entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (error) break;
    if (entry->is_directory(error) && !entry->is_symlink(error))
      fs::permissions(entry->path(), fs::perms::owner_all, fs::perm_options::add, error);
  }
  fs::remove_all(tree, error);
}

// A tree in the making; gone with the object unless it was published.
class UnfinishedTree {
 public:
  explicit UnfinishedTree(const std::string& home, const std::string& name) : path_(home + "/" + unfinished + name) {}
  ~UnfinishedTree() { remove_tree(path_); }
  UnfinishedTree(const UnfinishedTree&) = delete;
  UnfinishedTree& operator=(const UnfinishedTree&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void remove_leftovers(const std::string& home) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(home, error))
    if (entry.path().filename().string().starts_with(unfinished)) remove_tree(entry.path());
}

void write_recipe(const std::string& tree, const Recipe& recipe) {
  std::ofstream out(tree + recipe_name);
  out << "architecture " << recipe.architecture << "\nsuite " << recipe.suite << "\npackages";
  for (const std::string& package : recipe.packages) out << ' ' << package;
  out << "\nmirror " << recipe.mirror << "\nkeyring " << recipe.keyring << "\n";
}

std::expected<Recipe, Failure> read_recipe(const std::string& name, const std::string& tree) {
  std::ifstream in(tree + recipe_name);
  if (!in)
    return std::unexpected(
        Failure{"sysroot " + name + ": was not made by ferry", "its folder has no " + std::string{recipe_name + 1}});
  Recipe recipe;
  for (std::string line; std::getline(in, line);) {
    size_t space = std::min(line.find(' '), line.size());
    std::string field = line.substr(0, space), value = space < line.size() ? line.substr(space + 1) : "";
    if (field == "architecture")
      recipe.architecture = value;
    else if (field == "suite")
      recipe.suite = value;
    else if (field == "mirror")
      recipe.mirror = value;
    else if (field == "keyring")
      recipe.keyring = value;
    else if (field == "packages")
      for (size_t begin = 0; begin < value.size();) {
        size_t end = std::min(value.find(' ', begin), value.size());
        recipe.packages.push_back(value.substr(begin, end - begin));
        begin = end + 1;
      }
  }
  return recipe;
}

uint64_t size_on_disk(const std::string& tree) {
  uint64_t bytes = 0;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(tree, fs::directory_options::skip_permission_denied, error);
       entry != fs::recursive_directory_iterator() && !error; entry.increment(error)) {
    struct stat status;
    if (lstat(entry->path().c_str(), &status) == 0)
      bytes += static_cast<uint64_t>(status.st_blocks) * 512 / std::max<nlink_t>(status.st_nlink, 1);
  }
  return bytes;
}

size_t count_packages(const std::string& tree) {
  std::ifstream in(tree + "/var/lib/dpkg/status");
  size_t count = 0;
  for (std::string line; std::getline(in, line);) count += line.starts_with("Package: ");
  return count;
}

std::string default_link(const std::string& architecture) { return sysroots_home() + "/default-" + architecture; }

bool is_default(const std::string& name, const std::string& architecture) {
  std::error_code error;
  return fs::read_symlink(default_link(architecture), error) == name;
}

std::expected<Summary, Failure> summarize(const std::string& name) {
  Summary summary;
  summary.name = name;
  summary.directory = sysroots_home() + "/" + name;
  auto recipe = read_recipe(name, summary.directory);
  if (!recipe) return std::unexpected(recipe.error());
  summary.recipe = *recipe;
  summary.packages = count_packages(summary.directory);
  summary.bytes = size_on_disk(summary.directory);
  summary.is_default = is_default(name, recipe->architecture);
  return summary;
}

bool is_good_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name[0] != '-' && !name.starts_with("default-") &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") == name.npos;
}

// The words reach apt-get's command line and its sources.
std::expected<void, Failure> verify(const Recipe& recipe) {
  auto wrong = [](const std::string& what, const std::string& value, const std::string& remedy) {
    return std::unexpected(Failure{what + " " + value + ": not usable", remedy});
  };
  if (recipe.architecture != "arm64" && recipe.architecture != "amd64")
    return wrong("--arch", recipe.architecture, "arm64 or amd64");
  auto plain = [](const std::string& text, const char* more) {
    return !text.empty() && isalnum(static_cast<unsigned char>(text[0])) &&
           std::ranges::all_of(text, [&](unsigned char c) { return isalnum(c) || strchr(more, c) != nullptr; });
  };
  if (!plain(recipe.suite, ".-/_")) return wrong("--suite", recipe.suite, "bookworm, trixie, ...");
  for (const std::string& package : recipe.packages)
    if (!plain(package, ".+-:=~_") || package.ends_with('-'))
      return wrong("--include", package, "names of packages with commas between");
  if (recipe.mirror.find_first_of(" \t\n[]\"") != std::string::npos)
    return wrong("--mirror", recipe.mirror, "a URL, as in sources.list");
  if (recipe.keyring.find_first_of(" \t\n[]\",") != std::string::npos)
    return wrong("--keyring", recipe.keyring, "a file of public keys");
  return {};
}

std::expected<void, Failure> install(const std::string& tree, const Recipe& recipe,
                                     const std::vector<std::string>& packages) {
  Progress progress;
  Report report = [&](std::string_view what, int percent) { progress.show(what, percent); };
  auto apt = Apt::prepare(recipe, sysroots_home() + "/.cache", tree + "/var/lib/dpkg/status");
  if (!apt) return std::unexpected(apt.error());
  if (auto done = apt->update(report); !done) return done;
  auto debs = apt->download(packages, report);
  if (!debs) return std::unexpected(debs.error());
  return unpack(tree, *debs, report);
}

// The new tree takes the old one's place in one step.
std::expected<void, Failure> publish(const std::string& tree, const std::string& place, bool replace) {
  if (rename(tree.c_str(), place.c_str()) == 0) return {};
  if (!replace) return std::unexpected(system_failure(place));
  if (renameat2(AT_FDCWD, tree.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) != 0)
    return std::unexpected(system_failure(place));
  return {};
}

std::expected<std::string, Failure> known_home() {
  std::string home = sysroots_home();
  if (home.empty()) return std::unexpected(Failure{"no place for sysroots is known", "set HOME or FERRY_SYSROOTS"});
  return home;
}

void append_new(std::vector<std::string>& to, const std::vector<std::string>& more) {
  for (const std::string& package : more)
    if (std::ranges::find(to, package) == to.end()) to.push_back(package);
}

}  // namespace

std::expected<Summary, Failure> create_sysroot(const CreateRequest& request) {
  auto home = known_home();
  if (!home) return std::unexpected(home.error());
  if (!is_good_name(request.name))
    return std::unexpected(
        Failure{"sysroot " + request.name + ": not usable as a name", "letters, digits and . _ + - make a name"});
  if (auto done = verify(request.recipe); !done) return std::unexpected(done.error());
  std::string place = *home + "/" + request.name;
  std::error_code error;
  auto lock = HomeLock::take(*home);
  if (!lock) return std::unexpected(lock.error());
  bool exists = fs::exists(place, error);
  if (exists && !request.replace)
    return std::unexpected(Failure{"sysroot " + request.name + ": there is one of that name already",
                                   "--force replaces it; `ferry sysroot add` adds packages to it"});
  remove_leftovers(*home);
  UnfinishedTree tree(*home, request.name);
  if (mkdir(tree.path().c_str(), 0755) != 0) return std::unexpected(system_failure(tree.path()));
  if (auto done = lay_out(tree.path(), request.recipe.architecture); !done) return std::unexpected(done.error());
  std::vector<std::string> packages = base_packages;
  append_new(packages, request.recipe.packages);
  if (auto done = install(tree.path(), request.recipe, packages); !done) return std::unexpected(done.error());
  write_recipe(tree.path(), request.recipe);
  if (auto done = publish(tree.path(), place, request.replace); !done) return std::unexpected(done.error());
  // The first one of an architecture is its default.
  if (!fs::exists(default_link(request.recipe.architecture), error)) {
    if (auto done = set_default_sysroot(request.name); !done) return std::unexpected(done.error());
  }
  return summarize(request.name);
}

std::expected<Summary, Failure> add_packages(const std::string& name, const std::vector<std::string>& packages) {
  auto home = known_home();
  if (!home) return std::unexpected(home.error());
  auto lock = HomeLock::take(*home);
  if (!lock) return std::unexpected(lock.error());
  std::string place = *home + "/" + name;
  auto recipe =
      is_good_name(name) ? read_recipe(name, place) : std::unexpected(Failure{"sysroot " + name + ": not a name", ""});
  if (!recipe) return std::unexpected(recipe.error());
  append_new(recipe->packages, packages);
  if (auto done = verify(*recipe); !done) return std::unexpected(done.error());
  remove_leftovers(*home);
  // Into a copy, so that programs that run in the sysroot see the old tree or the new one.
  UnfinishedTree tree(*home, name);
  Outcome copied = run_tool({"cp", "-a", "--reflink=auto", place, tree.path()});
  if (copied.status != 0) return std::unexpected(Failure{copied.errors.substr(0, copied.errors.find('\n')), ""});
  if (auto done = install(tree.path(), *recipe, packages); !done) return std::unexpected(done.error());
  write_recipe(tree.path(), *recipe);
  if (auto done = publish(tree.path(), place, true); !done) return std::unexpected(done.error());
  return summarize(name);
}

std::expected<std::vector<Summary>, Failure> list_sysroots() {
  auto home = known_home();
  if (!home) return std::unexpected(home.error());
  std::vector<Summary> list;
  for (const std::string& name : sysroot_names())
    if (auto summary = summarize(name)) list.push_back(std::move(*summary));
  return list;
}

std::expected<void, Failure> remove_sysroot(const std::string& name) {
  auto home = known_home();
  if (!home) return std::unexpected(home.error());
  std::string place = *home + "/" + name;
  if (!is_good_name(name) || !fs::exists(place))
    return std::unexpected(Failure{"sysroot " + name + ": there is none of that name in " + *home,
                                   "`ferry sysroot list` shows the names"});
  auto lock = HomeLock::take(*home);
  if (!lock) return std::unexpected(lock.error());
  auto recipe = read_recipe(name, place);
  if (!recipe) return std::unexpected(recipe.error());
  if (is_default(name, recipe->architecture)) unlink(default_link(recipe->architecture).c_str());
  UnfinishedTree tree(*home, name);
  if (rename(place.c_str(), tree.path().c_str()) != 0) return std::unexpected(system_failure(place));
  return {};
}

std::expected<void, Failure> set_default_sysroot(const std::string& name) {
  auto recipe = is_good_name(name) ? read_recipe(name, sysroots_home() + "/" + name)
                                   : std::unexpected(Failure{"sysroot " + name + ": not a name", ""});
  if (!recipe) return std::unexpected(recipe.error());
  std::string link = default_link(recipe->architecture), fresh = link + ".new";
  unlink(fresh.c_str());
  if (symlink(name.c_str(), fresh.c_str()) != 0 || rename(fresh.c_str(), link.c_str()) != 0)
    return std::unexpected(system_failure(link));
  return {};
}

}  // namespace ferry::sysroots
