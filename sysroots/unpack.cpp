#include "sysroots/unpack.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>

#include "sysroots/subprocess.h"

namespace ferry::sysroots {

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool present(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

void link_if_missing(const std::string& target, const fs::path& link) {
  std::error_code ignored;
  if (present(link)) return;
  fs::create_directories(link.parent_path(), ignored);
  fs::create_symlink(target, link, ignored);
}

void copy_if_missing(const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  if (present(to) || !fs::exists(from, ignored)) return;
  fs::create_directories(to.parent_path(), ignored);
  fs::copy_file(from, to, ignored);
}

// The words of a shell line up to what ends a command; quotes are taken off.
std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words(1);
  for (char letter : line) {
    if (letter == ';' || letter == '|' || letter == '&' || letter == '#' || letter == '>') break;
    if (letter == ' ' || letter == '\t')
      words.emplace_back();
    else if (letter != '"' && letter != '\'')
      words.back() += letter;
  }
  std::erase(words, "");
  return words;
}

bool add_alternative(const std::vector<std::string>& words, std::vector<Alternative>& found) {
  auto install = std::ranges::find(words, "--install");
  if (std::ranges::find(words, "update-alternatives") == words.end() || words.end() - install < 5) return false;
  Alternative alternative{install[1], install[2], install[3], 0};
  auto [end, error] = std::from_chars(install[4].data(), install[4].data() + install[4].size(), alternative.priority);
  auto literal = [](const std::string& path) {
    return path.starts_with('/') && path.find_first_of("$`*") == path.npos;
  };
  if (error != std::errc{} || !literal(alternative.link) || !literal(alternative.path)) return false;
  if (alternative.name.find_first_of("$`*/") != std::string::npos) return false;
  found.push_back(std::move(alternative));
  return true;
}

// dpkg's status: the control file's paragraph with a Status field.
void add_status(const std::string& tree, const std::string& control) {
  size_t line = control.find('\n');
  if (line == control.npos) return;
  std::ofstream status(tree + "/var/lib/dpkg/status", std::ios::app);
  status << control.substr(0, line) << "\nStatus: install ok installed" << control.substr(line);
  if (!control.ends_with('\n')) status << '\n';
  status << '\n';
}

// The one of the highest priority wins, as in update-alternatives' automatic mode; /etc/alternatives names it.
void make_alternatives(const std::string& tree, const std::vector<Alternative>& alternatives) {
  std::map<std::string, const Alternative*> best;
  for (const Alternative& alternative : alternatives) {
    const Alternative*& now = best[alternative.name];
    if ((now == nullptr || now->priority < alternative.priority) && present(tree + alternative.path))
      now = &alternative;
  }
  for (const auto& [name, alternative] : best) {
    if (alternative == nullptr) continue;
    link_if_missing(alternative->path, tree + "/etc/alternatives/" + name);
    link_if_missing("/etc/alternatives/" + name, tree + alternative->link);
  }
}

void make_certificate_bundle(const std::string& tree) {
  std::error_code error;
  fs::path bundle = tree + "/etc/ssl/certs/ca-certificates.crt";
  std::vector<fs::path> certificates;
  for (const fs::directory_entry& entry : fs::directory_iterator(tree + "/usr/share/ca-certificates/mozilla", error))
    certificates.push_back(entry.path());
  if (certificates.empty() || present(bundle)) return;
  std::ranges::sort(certificates);
  fs::create_directories(bundle.parent_path(), error);
  std::ofstream out(bundle);
  for (const fs::path& certificate : certificates) out << read_file(certificate);
}

void make_common_files(const std::string& tree) {
  copy_if_missing(tree + "/usr/share/base-passwd/passwd.master", tree + "/etc/passwd");
  copy_if_missing(tree + "/usr/share/base-passwd/group.master", tree + "/etc/group");
  copy_if_missing(tree + "/usr/share/libc-bin/nsswitch.conf", tree + "/etc/nsswitch.conf");
  copy_if_missing(tree + "/usr/share/base-files/profile", tree + "/etc/profile");
  for (const char* shell : {"dash", "bash"})
    if (present(tree + "/usr/bin/" + shell)) link_if_missing(shell, tree + "/usr/bin/sh");
  make_certificate_bundle(tree);
}

std::expected<void, Failure> unpack_one(const std::string& tree, const std::string& deb,
                                        std::vector<Alternative>& alternatives) {
  auto failure = [&](const Outcome& outcome) {
    return std::unexpected(interrupted() ? Failure{"interrupted", "nothing was left behind"}
                                         : Failure{fs::path(deb).filename().string() + ": " +
                                                       outcome.errors.substr(0, outcome.errors.find('\n')),
                                                   ""});
  };
  Outcome outcome = run_pipe({"dpkg-deb", "--fsys-tarfile", deb},
                             {"tar", "-x", "-C", tree, "--no-same-owner", "--no-same-permissions",
                              "--keep-directory-symlink", "--delay-directory-restore"});
  if (outcome.status != 0 || interrupted()) return failure(outcome);
  std::string control = tree + "/var/lib/dpkg/ferry-control";
  outcome = run_tool({"dpkg-deb", "-e", deb, control});
  if (outcome.status != 0 || interrupted()) return failure(outcome);
  add_status(tree, read_file(control + "/control"));
  for (Alternative& alternative : parse_alternatives(read_file(control + "/postinst")))
    alternatives.push_back(std::move(alternative));
  std::error_code ignored;
  fs::remove_all(control, ignored);
  return {};
}

}  // namespace

std::vector<Alternative> parse_alternatives(std::string_view script) {
  std::vector<Alternative> found;
  std::string line;
  while (!script.empty()) {
    size_t end = std::min(script.find('\n'), script.size());
    line += script.substr(0, end);
    script.remove_prefix(std::min(end + 1, script.size()));
    if (line.ends_with('\\') && !script.empty()) {
      line.back() = ' ';
      continue;
    }
    add_alternative(shell_words(line), found);
    line.clear();
  }
  return found;
}

std::expected<void, Failure> lay_out(const std::string& tree, const std::string& architecture) {
  std::error_code error;
  std::vector<std::string> merged{"bin", "sbin", "lib"};
  if (architecture == "amd64") merged.push_back("lib64");
  for (const std::string& name : merged) {
    fs::create_directories(tree + "/usr/" + name, error);
    if (!error) fs::create_symlink("usr/" + name, tree + "/" + name, error);
    if (error) return std::unexpected(Failure{tree + "/" + name + ": " + error.message(), ""});
  }
  fs::create_directories(tree + "/var/lib/dpkg/info", error);
  std::ofstream(tree + "/var/lib/dpkg/status", std::ios::app).flush();
  return {};
}

std::expected<void, Failure> unpack(const std::string& tree, const std::vector<std::string>& debs,
                                    const Report& report) {
  std::vector<Alternative> alternatives;
  for (size_t i = 0; i < debs.size(); ++i) {
    report("unpack", static_cast<int>(i * 100 / debs.size()));
    if (auto done = unpack_one(tree, debs[i], alternatives); !done) return done;
  }
  make_alternatives(tree, alternatives);
  make_common_files(tree);
  return {};
}

}  // namespace ferry::sysroots
