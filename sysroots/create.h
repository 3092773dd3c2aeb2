// Makes, extends, lists and removes sysroots in the home. Each change is whole or not there: a tree is built beside its place and
// renamed into it, and what an interrupted run left is removed by the next.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "sysroots/apt.h"
#include "sysroots/home.h"

namespace ferry::sysroots {

struct CreateRequest {
  std::string name;
  Recipe recipe;
  bool replace = false;  // --force
};

struct Summary {
  std::string name, directory;
  Recipe recipe;
  size_t packages = 0;  // all, with what was asked for and what it needs
  uint64_t bytes = 0;   // on disk
  bool is_default = false;
};

std::expected<Summary, Failure> create_sysroot(const CreateRequest& request);
// More packages into an existing one.
std::expected<Summary, Failure> add_packages(const std::string& name, const std::vector<std::string>& packages);
std::expected<std::vector<Summary>, Failure> list_sysroots();
std::expected<void, Failure> remove_sysroot(const std::string& name);
// Makes it the one used without --sysroot.
std::expected<void, Failure> set_default_sysroot(const std::string& name);

}  // namespace ferry::sysroots
