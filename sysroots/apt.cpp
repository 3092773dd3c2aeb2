#include "sysroots/apt.h"

#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sysroots/subprocess.h"

namespace ferry::sysroots {

namespace {

constexpr const char* debian_mirror = "http://deb.debian.org/debian";
constexpr const char* debian_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

std::vector<Source> sources_of(const Recipe& recipe) {
  std::vector<Source> sources;
  if (recipe.mirror.empty()) sources = machine_sources("/etc/apt", recipe.suite);
  if (sources.empty())
    sources.push_back({recipe.mirror.empty() ? debian_mirror : recipe.mirror, recipe.suite, {"main"}, ""});
  for (Source& source : sources) {
    if (!recipe.keyring.empty()) source.keyring = recipe.keyring;
    if (source.keyring.empty() && access(debian_keyring, R_OK) == 0) source.keyring = debian_keyring;
  }
  return sources;
}

std::string source_lines(const std::vector<Source>& sources, const std::string& architecture) {
  std::string text;
  for (const Source& source : sources) {
    text += "deb [arch=" + architecture + (source.keyring.empty() ? "" : " signed-by=" + source.keyring) + "] " +
            source.uri + " " + source.suite;
    for (const std::string& component : source.components) text += " " + component;
    text += "\n";
  }
  return text;
}

// What tells one set of lists from another, as a folder's name (FNV-1a).
std::string state_name(const std::string& text, const std::string& architecture) {
  u64 hash = 14695981039346656037ull;
  for (unsigned char byte : text) hash = (hash ^ byte) * 1099511628211ull;
  char digits[20];
  snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return "apt-" + architecture + "-" + digits;
}

std::string configuration_text(const std::string& state, const std::string& archives, const std::string& status_file,
                               const std::string& architecture) {
  auto line = [](const std::string& name, const std::string& value) { return name + " \"" + value + "\";\n"; };
  return line("Dir::State", state) + line("Dir::State::lists", state + "/lists") +
         line("Dir::State::status", status_file) + line("Dir::State::extended_states", state + "/extended_states") +
         line("Dir::Cache", state) + line("Dir::Cache::archives", archives) + line("Dir::Etc", state + "/etc") +
         line("Dir::Etc::parts", state + "/etc/none") + line("Dir::Etc::main", "absent") +
         line("Dir::Etc::sourcelist", state + "/etc/sources.list") +
         line("Dir::Etc::sourceparts", state + "/etc/none") + line("Dir::Etc::preferences", "absent") +
         line("Dir::Etc::trustedparts", "/etc/apt/trusted.gpg.d") +
         line("Dir::Etc::preferencesparts", state + "/etc/none") + line("Dir::Log", state) +
         line("APT::Architecture", architecture) + "#clear APT::Architectures;\n" + "APT::Architectures { \"" +
         architecture + "\"; };\n" + line("APT::Install-Recommends", "false") + line("Acquire::Languages", "none") +
         line("APT::Get::AllowUnauthenticated", "false") + line("Acquire::AllowInsecureRepositories", "false") +
         line("APT::Update::Error-Mode", "any") +
         // apt as root would drop to a user who cannot enter root's home; signatures are checked either way.
         line("APT::Sandbox::User", "root") +
         // The machine's proxies: apt reads no other file of /etc/apt.
         run_tool({"apt-config", "dump", "Acquire"}).output;
}

// apt's complaints as one line: its first E: line, without the prefix and the full stop.
std::string first_error(const std::string& errors) {
  std::string line = errors.substr(0, errors.find('\n'));
  for (size_t begin = 0; begin < errors.size();) {
    size_t end = std::min(errors.find('\n', begin), errors.size());
    if (errors.compare(begin, 3, "E: ") == 0) {
      line = errors.substr(begin + 3, end - begin - 3);
      break;
    }
    begin = end + 1;
  }
  if (line.ends_with('.')) line.pop_back();
  return line;
}

// As apt names a file in archives/: a version's colon is percent-encoded.
std::string quote(const std::string& text) {
  std::string result;
  for (char letter : text) letter == ':' ? result += "%3a" : letter == '_' ? result += "%5f" : result += letter;
  return result;
}

// "Inst NAME (VERSION ORIGIN [ARCHITECTURE])", with "[OLD]" after the name for an upgrade.
std::string archive_of(std::string_view line) {
  size_t open = line.find('('), close = line.rfind(')');
  if (!line.starts_with("Inst ") || open == line.npos || close == line.npos) return {};
  std::string name{line.substr(5, line.find(' ', 5) - 5)};
  name = name.substr(0, name.find(':'));
  std::string_view inside = line.substr(open + 1, close - open - 1);
  std::string version{inside.substr(0, inside.find(' '))};
  size_t bracket = inside.rfind('['), end = inside.rfind(']');
  if (bracket == inside.npos || end == inside.npos) return {};
  return quote(name) + "_" + quote(version) + "_" + std::string{inside.substr(bracket + 1, end - bracket - 1)} + ".deb";
}

}  // namespace

std::expected<Apt, Failure> Apt::prepare(const Recipe& recipe, const std::string& cache,
                                         const std::string& status_file) {
  namespace fs = std::filesystem;
  std::string lines = source_lines(sources_of(recipe), recipe.architecture);
  std::string state = cache + "/" + state_name(lines, recipe.architecture);
  Apt apt;
  apt.archives_ = cache + "/archives";
  apt.configuration_ = state + "/apt.conf";
  std::error_code error;
  for (const std::string& directory : {state + "/lists/partial", state + "/etc/none", apt.archives_ + "/partial"}) {
    fs::create_directories(directory, error);
    if (error)
      return std::unexpected(
          Failure{directory + ": " + error.message(), "FERRY_SYSROOTS may name a folder that can be written"});
  }
  std::ofstream{state + "/etc/sources.list"} << lines;
  std::ofstream{apt.configuration_} << configuration_text(state, apt.archives_, status_file, recipe.architecture);
  return apt;
}

std::expected<std::string, Failure> Apt::run(const std::vector<std::string>& arguments, std::string_view what,
                                             const Report& report) {
  Words command{"apt-get", "-q", "-y", "-o", "APT::Status-Fd=3"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  // "dlstatus:ITEM:PERCENT:TEXT"
  auto line = [&](std::string_view text) {
    size_t first = text.find(':'), second = text.find(':', first + 1);
    if (text.starts_with("dlstatus:") && second != text.npos) report(what, atoi(text.data() + second + 1));
  };
  Outcome outcome =
      run_tool(command, {"APT_CONFIG=" + configuration_, "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}, line);
  if (interrupted()) return std::unexpected(Failure{"interrupted", "nothing was left behind"});
  if (outcome.status == 127)
    return std::unexpected(
        Failure{"apt-get cannot be started", "sysroots are made with Debian's apt: apt-get install apt"});
  if (outcome.status != 0) return std::unexpected(Failure{std::string{what} + ": " + first_error(outcome.errors), ""});
  return std::move(outcome.output);
}

std::expected<void, Failure> Apt::update(const Report& report) {
  report("package lists", 0);
  auto done = run({"update"}, "package lists", report);
  if (!done)
    return std::unexpected(Failure{done.error().what, done.error().remedy.empty()
                                                          ? "is the mirror reachable, and signed by a key of --keyring?"
                                                          : done.error().remedy});
  return {};
}

std::expected<std::vector<std::string>, Failure> Apt::download(const std::vector<std::string>& packages,
                                                               const Report& report) {
  std::vector<std::string> arguments{"install", "--no-remove"};
  arguments.insert(arguments.end(), packages.begin(), packages.end());
  arguments.push_back("-s");
  auto plan = run(arguments, "dependencies", report);
  if (!plan) return std::unexpected(plan.error());
  arguments.back() = "--download-only";
  if (auto done = run(arguments, "download", report); !done) return std::unexpected(done.error());
  std::vector<std::string> files;
  for (size_t begin = 0; begin < plan->size();) {
    size_t end = std::min(plan->find('\n', begin), plan->size());
    std::string file = archive_of(std::string_view{*plan}.substr(begin, end - begin));
    if (!file.empty()) files.push_back(archives_ + "/" + file);
    begin = end + 1;
  }
  return files;
}

}  // namespace ferry::sysroots
