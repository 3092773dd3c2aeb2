// Where packages come from: the Debian mirrors that this machine's apt is configured for, with the keys it trusts them by.
// sources.list(5): one line a source, or the deb822 form of *.sources.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ferry::sysroots {

struct Source {
  std::string uri, suite;
  std::vector<std::string> components;
  std::string keyring;  // Signed-By, when it names a file; empty: apt's own choice
};

std::vector<Source> parse_one_line_sources(std::string_view text);
std::vector<Source> parse_deb822_sources(std::string_view text);

// Those of the machine's sources in `etc_apt` that are for `suite`, its updates and its security fixes; none is no error.
std::vector<Source> machine_sources(const std::string& etc_apt, std::string_view suite);

}  // namespace ferry::sysroots
