// Where sysroots are kept, and which one a name means. The home is $FERRY_SYSROOTS, else ${XDG_DATA_HOME:-~/.local/share}/ferry/sysroots;
// each folder in it is a sysroot, `default-ARCH` is a symbolic link to the default one of an architecture.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "guest/types.h"

namespace ferry::sysroots {

struct Failure {
  std::string what, remedy;  // as fatal() takes them
};

// Debian's name of an instruction set: arm64, amd64.
std::string_view architecture_name(Isa isa);

// Empty when neither $FERRY_SYSROOTS nor a home directory is known.
std::string sysroots_home();

// A tree when it has a slash or is a directory here, else a sysroot of that name in the home.
std::expected<std::string, Failure> find_sysroot(const std::string& name_or_directory);

// The default one's directory; empty: there is none.
std::string default_sysroot(Isa isa);

// The names in the home, sorted.
std::vector<std::string> sysroot_names();

}  // namespace ferry::sysroots
