#include "sysroots/sources.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

namespace ferry::sysroots {

namespace {

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == text.npos) return words;
    text.remove_prefix(begin);
    size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// The value of signed-by= in "[arch=amd64 signed-by=/file]", when it is a file.
std::string signed_by(std::string_view options) {
  size_t at = options.find("signed-by=");
  if (at == options.npos) return {};
  std::string_view value = options.substr(at + 10);
  value = value.substr(0, value.find_first_of(" \t,]"));
  return value.starts_with('/') ? std::string{value} : "";
}

using Fields = std::map<std::string, std::string, std::less<>>;

void add_paragraph(std::vector<Source>& sources, Fields& fields) {
  std::vector<std::string> types = split_words(fields["types"]), keys = split_words(fields["signed-by"]);
  if (std::ranges::find(types, "deb") != types.end() && fields["enabled"] != "no") {
    for (const std::string& uri : split_words(fields["uris"]))
      for (const std::string& suite : split_words(fields["suites"]))
        sources.push_back(
            {uri, suite, split_words(fields["components"]), keys.size() == 1 && keys[0][0] == '/' ? keys[0] : ""});
  }
  fields.clear();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<Source> parse_one_line_sources(std::string_view text) {
  std::vector<Source> sources;
  for_each_line(text, [&](std::string_view line) {
    line = line.substr(0, line.find('#'));
    Source source;
    std::string plain{line};
    if (size_t open = line.find('['), close = line.find(']'); open != line.npos && close != line.npos && open < close) {
      source.keyring = signed_by(line.substr(open, close - open + 1));
      plain.erase(open, close - open + 1);
    }
    std::vector<std::string> words = split_words(plain);
    if (words.size() < 4 || words[0] != "deb") return;
    source.uri = words[1], source.suite = words[2];
    source.components.assign(words.begin() + 3, words.end());
    sources.push_back(std::move(source));
  });
  return sources;
}

std::vector<Source> parse_deb822_sources(std::string_view text) {
  std::vector<Source> sources;
  Fields fields;
  std::string field;
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with('#')) return;
    if (line.find_first_not_of(" \t\r") == line.npos) return add_paragraph(sources, fields);
    if (line[0] == ' ' || line[0] == '\t') {
      (fields[field] += ' ') += line;
      return;
    }
    size_t colon = line.find(':');
    if (colon == line.npos) return;
    field = line.substr(0, colon);
    std::ranges::transform(field, field.begin(),
                           [](unsigned char letter) { return static_cast<char>(tolower(letter)); });
    std::string_view value = line.substr(colon + 1);
    size_t begin = value.find_first_not_of(" \t");
    fields[field] = begin == value.npos ? "" : value.substr(begin, value.find_last_not_of(" \t\r") + 1 - begin);
  });
  add_paragraph(sources, fields);
  return sources;
}

std::vector<Source> machine_sources(const std::string& etc_apt, std::string_view suite) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files{etc_apt + "/sources.list"};
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(etc_apt + "/sources.list.d", ignored))
    files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<Source> result;
  for (const fs::path& file : files) {
    bool deb822 = file.extension() == ".sources";
    if (!deb822 && file.extension() != ".list") continue;
    for (Source& source : deb822 ? parse_deb822_sources(read_file(file)) : parse_one_line_sources(read_file(file))) {
      std::string_view tail = source.suite;
      // Other vendors' repositories use Debian's suite names, too.
      if (!tail.starts_with(suite) || source.uri.find("debian") == std::string::npos) continue;
      tail.remove_prefix(suite.size());
      if (tail.empty() || tail == "-updates" || tail == "-security") result.push_back(std::move(source));
    }
  }
  return result;
}

}  // namespace ferry::sysroots
