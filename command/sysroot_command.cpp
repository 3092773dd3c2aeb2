#include "command/sysroot_command.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "command/words.h"
#include "guest/check.h"
#include "sysroots/create.h"
#include "sysroots/subprocess.h"

namespace ferry::command {

namespace {

namespace po = boost::program_options;

constexpr const char* usage =
    "ferry sysroot makes trees of Debian programs and libraries for guests, without root.\n\n"
    "  ferry sysroot create NAME [--arch arm64] [--suite bookworm] [--include PKG,...] [--mirror URL] [--keyring FILE] "
    "[--force]\n"
    "  ferry sysroot add NAME --include PKG,...      more packages into it\n"
    "  ferry sysroot list\n"
    "  ferry sysroot remove NAME\n"
    "  ferry sysroot default NAME                    the one used without --sysroot\n\n"
    "Packages come with what they depend on, from the Debian mirror this machine's apt is configured for (or "
    "--mirror), and their\n"
    "signatures are checked against its keys (or --keyring). Their scripts do not run. The first sysroot of an "
    "architecture is its\n"
    "default. Sysroots and downloads are kept in $FERRY_SYSROOTS, else ~/.local/share/ferry/sysroots.\n";

int report(const sysroots::Failure& failure) {
  fprintf(stderr, "ferry: %s%s%s\n", failure.what.c_str(), failure.remedy.empty() ? "" : "; ", failure.remedy.c_str());
  return sysroots::interrupted() ? 130 : 1;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : ",") += word;
  return text;
}

std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> words;
  for (const std::string& list : lists)
    for (size_t begin = 0; begin <= list.size();) {
      size_t end = std::min(list.find(',', begin), list.size());
      if (end > begin) words.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  return words;
}

void print(const sysroots::Summary& summary) {
  printf("%-16s %-6s %-10s %5zu packages %6llu MB%s  %s\n", summary.name.c_str(), summary.recipe.architecture.c_str(),
         summary.recipe.suite.c_str(), summary.packages,
         static_cast<unsigned long long>((summary.bytes + 500'000) / 1'000'000),
         summary.is_default ? "  default" : "         ", join(summary.recipe.packages).c_str());
}

po::variables_map parse(std::span<char* const> arguments, bool all) {
  po::options_description description;
  description.add_options()("name", po::value<std::string>())("include", po::value<std::vector<std::string>>());
  if (all) {
    description.add_options()("arch", po::value<std::string>()->default_value("arm64"))(
        "suite", po::value<std::string>()->default_value("bookworm"))(
        "mirror", po::value<std::string>()->default_value(""))("keyring", po::value<std::string>()->default_value(""))(
        "force", po::bool_switch());
  }
  po::variables_map values = read_words(arguments, description, "name", 1);
  if (values.count("name") == 0) throw po::error("the sysroot's name is missing");
  return values;
}

std::vector<std::string> included(const po::variables_map& values) {
  return values.count("include") == 0 ? std::vector<std::string>{}
                                      : split(values["include"].as<std::vector<std::string>>());
}

int create(std::span<char* const> arguments) {
  po::variables_map values = parse(arguments, true);
  sysroots::CreateRequest request;
  request.name = values["name"].as<std::string>();
  std::string keyring = values["keyring"].as<std::string>();
  if (!keyring.empty()) keyring = std::filesystem::absolute(keyring);
  request.recipe = {values["arch"].as<std::string>(), values["suite"].as<std::string>(), included(values),
                    values["mirror"].as<std::string>(), keyring};
  request.replace = values["force"].as<bool>();
  sysroots::watch_interrupts();
  auto summary = sysroots::create_sysroot(request);
  if (!summary) return report(summary.error());
  print(*summary);
  return 0;
}

int add(std::span<char* const> arguments) {
  po::variables_map values = parse(arguments, false);
  std::vector<std::string> packages = included(values);
  if (packages.empty()) throw po::error("--include PKG,... is missing");
  sysroots::watch_interrupts();
  auto summary = sysroots::add_packages(values["name"].as<std::string>(), packages);
  if (!summary) return report(summary.error());
  print(*summary);
  return 0;
}

int list() {
  auto summaries = sysroots::list_sysroots();
  if (!summaries) return report(summaries.error());
  for (const sysroots::Summary& summary : *summaries) print(summary);
  return 0;
}

int dispatch(std::string_view verb, std::span<char* const> rest) {
  if (verb == "create") return create(rest);
  if (verb == "add") return add(rest);
  if (verb == "list" && rest.empty()) return list();
  if ((verb == "remove" || verb == "default") && rest.size() == 1) {
    auto done = verb == "remove" ? sysroots::remove_sysroot(rest[0]) : sysroots::set_default_sysroot(rest[0]);
    return done ? 0 : report(done.error());
  }
  throw po::error(verb.empty() ? "`ferry sysroot` needs a verb"
                               : "`ferry sysroot " + std::string{verb} + "` is not understood");
}

}  // namespace

int run_sysroot_command(std::span<char* const> arguments) {
  std::string_view verb = arguments.empty() ? "" : arguments[0];
  if (verb == "help" || verb == "--help") return fputs(usage, stdout), 0;
  try {
    return dispatch(verb, arguments.empty() ? arguments : arguments.subspan(1));
  } catch (const po::error& error) {
    fatal(error.what(), "`ferry sysroot help` shows how", 2);
  } catch (const std::exception& error) {
    return report({error.what(), ""});
  }
}

}  // namespace ferry::command
