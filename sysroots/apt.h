// The machine's apt with a private state: which packages are needed for a sysroot, downloaded and their signatures checked.
// apt.conf(5). Nothing of the machine's own apt state is read or written but its Acquire settings (proxies) and its keys.
#pragma once
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "sysroots/home.h"
#include "sysroots/sources.h"

namespace ferry::sysroots {

// What a sysroot was made from, kept in its /.ferry-sysroot.
struct Recipe {
  std::string architecture, suite;
  std::vector<std::string> packages;
  std::string mirror, keyring;  // empty: the machine's
};

using Report = std::function<void(std::string_view what, int percent)>;

class Apt {
 public:
  // `cache` holds the package lists of each (sources, architecture) and the .deb files, shared between sysroots.
  // `status_file`: dpkg's list of what the sysroot has; apt adds only what is missing.
  static std::expected<Apt, Failure> prepare(const Recipe& recipe, const std::string& cache,
                                             const std::string& status_file);

  // Package lists, over the network.
  std::expected<void, Failure> update(const Report& report);
  // `packages` and all they depend on: the paths of their .deb files, downloaded and checked.
  std::expected<std::vector<std::string>, Failure> download(const std::vector<std::string>& packages,
                                                            const Report& report);

 private:
  std::expected<std::string, Failure> run(const std::vector<std::string>& arguments, std::string_view what,
                                          const Report& report);

  std::string configuration_;  // APT_CONFIG
  std::string archives_;
};

}  // namespace ferry::sysroots
