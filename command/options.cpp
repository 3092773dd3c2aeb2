// Boost.Program_options does the parsing, and only when there is something to parse: a plain `ferry program` skips it (it costs
// 40 to 80 us). Its objects each hold an iostream initialiser that would build eight streams and a locale in every start of ferry,
// so the link turns that constructor into the empty one below (--wrap): with it, Boost linked in costs 17 page faults, without
// it 23, and nothing here prints through a stream.
#include "command/options.h"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "guest/log.h"
#include "translator/optimizer/image.h"

extern "C" void __wrap__ZNSt8ios_base4InitC1Ev(void*) {}

namespace ferry::command {

namespace {

namespace po = boost::program_options;

struct Row {
  const char* name;      // "long,s" as Boost takes it
  const char* variable;  // the FERRY_* twin
  const char* value;     // what it is called in the help; null: a switch
  const char* text;
  // Where it goes: one of these. The names of most switches begin with what they turn off.
  bool Options::* flag = nullptr;
  std::optional<std::string> Options::* word = nullptr;
  std::vector<std::string> Options::* list = nullptr;
  u32 Options::* number = nullptr;
};

constexpr Row toggle(const char* name, const char* variable, const char* text, bool Options::* flag) {
  return {name, variable, nullptr, text, flag};
}
constexpr Row word(const char* name, const char* variable, const char* value, const char* text,
                   std::optional<std::string> Options::* to) {
  return {name, variable, value, text, nullptr, to};
}
constexpr Row list(const char* name, const char* variable, const char* value, const char* text,
                   std::vector<std::string> Options::* to) {
  return {name, variable, value, text, nullptr, nullptr, to};
}
constexpr Row number(const char* name, const char* variable, const char* value, const char* text, u32 Options::* to) {
  return {name, variable, value, text, nullptr, nullptr, nullptr, to};
}

constexpr Row rows[] = {
    word("sysroot,L", "FERRY_SYSROOT", "NAME|DIR", "look up absolute paths there first; '' for none",
         &Options::sysroot),
    list("set-env,E", "FERRY_SET_ENV", "NAME=VALUE", "set a variable for the program; may be repeated",
         &Options::set_environment),
    list("unset-env,U", "FERRY_UNSET_ENV", "NAME", "remove a variable; may be repeated, done before --set-env",
         &Options::unset_environment),
    word("argv0,0", "FERRY_ARGV0", "TEXT", "what the program sees as its own name", &Options::argv0),
    toggle("strace", "FERRY_STRACE", "print every system call on standard error", &Options::strace),
    word("strace-file", "FERRY_STRACE_FILE", "FILE", "print them there instead, appended", &Options::strace_file),
    word("log", "FERRY_LOG", "CATEGORIES", "", &Options::log),
    word("log-file", "FERRY_LOG_FILE", "FILE", "write the log there, appended", &Options::log_file),
    toggle("reference", "FERRY_REFERENCE", "run each instruction's definition, slowly: to check the translator",
           &Options::reference),
    toggle("no-chain", "FERRY_NO_CHAIN", "return to the dispatcher after every block", &Options::chain),
    toggle("stats", "FERRY_STATS", "print the translator's counters when a program ends by itself", &Options::stats),
    toggle("perf-map", "FERRY_PERF_MAP", "write /tmp/perf-PID.map, by which perf names what is translated",
           &Options::perf_map),
    toggle("jitdump", "FERRY_JITDUMP", "write jit-PID.dump for `perf record -k mono` and `perf inject --jit`",
           &Options::jitdump),
    word("dump-regions", "FERRY_DUMP_REGIONS", "DIRECTORY", "show there what is optimised: requests, LLVM IR, code",
         &Options::dump_regions),
    toggle("no-cache", "FERRY_NO_CACHE", "neither use nor keep what is optimised; see `ferry cache help`",
           &Options::cache),
    toggle("no-optimizer", "FERRY_NO_OPTIMIZER", "run without optimised code, and start no process that makes it",
           &Options::optimizer),
    number("optimizer-cores", "FERRY_OPTIMIZER_CORES", "N", "compile on so many cores; half of them without it",
           &Options::optimizer_cores),
    number("optimizer-idle", "FERRY_OPTIMIZER_IDLE", "SECONDS", "the optimiser ends after so long without work; 60",
           &Options::optimizer_idle),
    toggle("version", nullptr, "print the version", &Options::version),
    toggle("help", nullptr, "print this", &Options::help),
};

// Where the sysroots and the store are: not options, but not the guest's either.
constexpr std::string_view other_variables[] = {"FERRY_SYSROOTS", "FERRY_CACHE_DIR", "FERRY_CACHE_SIZE"};

std::string_view long_name(const Row& row) {
  std::string_view name = row.name;
  return name.substr(0, name.find(','));
}

// --no-chain makes `chain` false.
bool turns_off(const Row& row) { return long_name(row).starts_with("no-"); }

po::options_description describe() {
  po::options_description description;
  for (const Row& row : rows) {
    if (row.value == nullptr)
      description.add_options()(row.name, po::bool_switch());
    else if (row.list != nullptr)
      description.add_options()(row.name, po::value<std::vector<std::string>>());
    else
      description.add_options()(row.name, po::value<std::string>());
  }
  description.add_options()("program", po::value<std::vector<std::string>>());
  return description;
}

// From the first word that is no option on, everything is the program's: `ferry ls -l` must not see the -l.
std::vector<po::option> take_program(std::vector<std::string>& words) {
  std::vector<po::option> result;
  bool separator = words[0] == "--";
  if (!separator && words[0].size() > 1 && words[0][0] == '-') return result;
  for (size_t i = separator ? 1 : 0; i < words.size(); ++i) {
    po::option option("program", {words[i]});
    option.position_key = static_cast<int>(result.size());
    result.push_back(std::move(option));
  }
  words.clear();
  return result;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

const char* value_of(std::span<char* const> environment, std::string_view name) {
  for (const char* entry : environment)
    if (std::string_view{entry}.starts_with(name) && entry[name.size()] == '=') return entry + name.size() + 1;
  return nullptr;
}

bool is_own_variable(std::string_view entry) {
  std::string_view name = entry.substr(0, entry.find('='));
  if (!name.starts_with("FERRY_")) return false;
  for (const Row& row : rows)
    if (row.variable != nullptr && name == row.variable) return true;
  return std::ranges::find(other_variables, name) != std::end(other_variables);
}

constexpr u32 largest_number = 100'000;

std::expected<u32, std::string> number_value(const std::string& name, std::string_view text) {
  u32 value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > largest_number)
    return std::unexpected(name + " " + std::string{text} + ": a number from 1 to 100000 is meant");
  return value;
}

std::expected<void, std::string> assign(Options& options, const po::variables_map& values) {
  for (const Row& row : rows) {
    std::string name{long_name(row)};
    if (values.count(name) == 0) continue;
    const po::variable_value& given = values[name];
    if (row.flag != nullptr && given.as<bool>()) options.*row.flag = !turns_off(row);
    if (row.word != nullptr) options.*row.word = given.as<std::string>();
    if (row.list != nullptr) {
      const auto& list = given.as<std::vector<std::string>>();
      (options.*row.list).insert((options.*row.list).end(), list.begin(), list.end());
    }
    if (row.number != nullptr) {
      auto value = number_value("--" + name, given.as<std::string>());
      if (!value) return std::unexpected(value.error());
      options.*row.number = *value;
    }
  }
  if (values.count("program") != 0) options.program = values["program"].as<std::vector<std::string>>();
  return {};
}

std::expected<void, std::string> verify(const Options& options) {
  for (const std::string& entry : options.set_environment)
    if (entry.find('=') == entry.npos || entry[0] == '=')
      return std::unexpected("--set-env " + entry + ": not of the form NAME=VALUE");
  for (const std::string& name : options.unset_environment)
    if (name.empty() || name.find('=') != name.npos)
      return std::unexpected("--unset-env " + name + ": not a variable's name");
  u32 mask = 0;
  if (options.log && !parse_log_categories(options.log->c_str(), mask))
    return std::unexpected("--log (FERRY_LOG) " + *options.log + ": the categories are " + log_category_names());
  return {};
}

std::expected<bool, std::string> switch_value(const char* variable, std::string_view text) {
  if (text == "" || text == "0" || text == "no" || text == "off" || text == "false") return false;
  if (text == "1" || text == "yes" || text == "on" || text == "true") return true;
  return std::unexpected(std::string{variable} + "=" + std::string{text} + ": 1 or 0 is meant");
}

std::expected<void, std::string> assign_variable(Options& options, const Row& row, const char* text) {
  if (row.flag != nullptr) {
    auto on = switch_value(row.variable, text);
    if (!on) return std::unexpected(on.error());
    options.*row.flag = *on != turns_off(row);
  }
  if (row.word != nullptr) options.*row.word = text;
  if (row.list != nullptr) options.*row.list = split_list(text);
  if (row.number != nullptr) {
    auto value = number_value(row.variable, text);
    if (!value) return std::unexpected(value.error());
    options.*row.number = *value;
  }
  return {};
}

std::expected<Options, std::string> read_variables(std::span<char* const> environment) {
  Options options;
  if (std::ranges::none_of(environment, [](const char* entry) { return strncmp(entry, "FERRY_", 6) == 0; }))
    return options;
  for (const Row& row : rows) {
    const char* text = row.variable != nullptr ? value_of(environment, row.variable) : nullptr;
    if (text == nullptr) continue;
    if (auto done = assign_variable(options, row, text); !done) return std::unexpected(done.error());
  }
  return options;
}

}  // namespace

std::expected<Options, std::string> parse_environment(std::span<char* const> environment) {
  auto options = read_variables(environment);
  if (!options) return options;
  if (auto done = verify(*options); !done) return std::unexpected(done.error());
  return options;
}

std::expected<Options, std::string> parse_options(std::span<char* const> arguments,
                                                  std::span<char* const> environment) {
  auto options = read_variables(environment);
  if (!options) return options;
  if (arguments.empty() || arguments[0][0] != '-') {
    options->program.assign(arguments.begin(), arguments.end());
  } else {
    try {
      po::options_description description = describe();
      po::variables_map values;
      std::vector<std::string> words(arguments.begin(), arguments.end());
      using namespace po::command_line_style;
      po::store(po::command_line_parser(words)
                    .options(description)
                    .extra_style_parser(take_program)
                    .style(unix_style & ~allow_guessing)
                    .run(),
                values);
      if (auto done = assign(*options, values); !done) return std::unexpected(done.error());
    } catch (const po::error& error) {
      return std::unexpected(error.what());
    }
  }
  if (auto done = verify(*options); !done) return std::unexpected(done.error());
  return options;
}

std::vector<std::string> guest_environment(std::span<char* const> environment, const Options& options) {
  std::vector<std::string> result;
  result.reserve(environment.size() + options.set_environment.size());
  for (const char* entry : environment)
    if (!is_own_variable(entry)) result.emplace_back(entry);
  auto remove = [&](std::string_view name) {
    std::erase_if(result,
                  [&](const std::string& entry) { return std::string_view{entry}.substr(0, entry.find('=')) == name; });
  };
  for (const std::string& name : options.unset_environment) remove(name);
  for (const std::string& entry : options.set_environment) {
    remove(std::string_view{entry}.substr(0, entry.find('=')));
    result.push_back(entry);
  }
  return result;
}

void print_version() {
  printf("ferry " FERRY_VERSION "\n");
  if (optimizer::image().empty()) printf("built without LLVM: no optimiser\n");
}

void print_help() {
  printf(
      "ferry runs Linux programs of the other architecture.\n\n"
      "  ferry [options] program [arguments...]\n"
      "  ferry sysroot create|add|list|remove ...   trees of libraries and programs; `ferry sysroot help`\n"
      "  ferry cache status|clear|verify|warm ...   what has been optimised, kept for later; `ferry cache help`\n"
      "  ferry binfmt print|status|register|unregister   programs started by their name alone; `ferry binfmt help`\n\n"
      "Options end at the first word that is none, or at --. A program without a slash is looked for in PATH, in the "
      "sysroot first.\n"
      "Without --sysroot the default one of the architecture is used, when there is one.\n\n");
  for (const Row& row : rows) {
    std::string_view name = row.name, letter;
    if (size_t comma = name.find(','); comma != name.npos)
      letter = name.substr(comma + 1), name = name.substr(0, comma);
    char left[64];
    snprintf(left, sizeof left, "%s%.*s%s--%.*s %s", letter.empty() ? "    " : "-", static_cast<int>(letter.size()),
             letter.data(), letter.empty() ? "" : ", ", static_cast<int>(name.size()), name.data(),
             row.value != nullptr ? row.value : "");
    bool categories = name == "log";
    printf("  %-28s %s%s%s%s\n", left, categories ? "of: " : row.text, categories ? log_category_names() : "",
           row.variable != nullptr ? "; " : "", row.variable != nullptr ? row.variable : "");
  }
  printf(
      "\nThe FERRY_* variables say the same as the options, lists with commas between; the command line wins. The "
      "program does not see them.\n"
      "FERRY_SYSROOTS is where sysroots are kept, ~/.local/share/ferry/sysroots without it; FERRY_CACHE_DIR is where\n"
      "optimised code is kept, ~/.cache/ferry without it, and FERRY_CACHE_SIZE how much of it, 256M without it.\n\n"
      "Status: the program's own; 128 + N when signal N ended it (the signal itself is passed on); 127: not found; "
      "126: cannot be\n"
      "run; 2: wrong use of ferry; 1: a ferry command failed.\n");
}

}  // namespace ferry::command
