// ferry's options: `ferry [options] program [args...]` in the manner of qemu-user, and the FERRY_* variables that say the same.
#pragma once
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::command {

struct Options {
  std::optional<std::string> sysroot;  // a name or a directory; "": none, not even the default one
  std::vector<std::string> unset_environment, set_environment;  // NAME; NAME=VALUE. In this order
  std::optional<std::string> argv0;
  bool strace = false;
  std::optional<std::string> strace_file;  // turns strace on
  std::optional<std::string> log;          // categories
  std::optional<std::string> log_file;
  bool reference = false, chain = true, stats = false;
  bool cache = true;                             // use the persistent store
  bool perf_map = false, jitdump = false;        // for perf
  std::optional<std::string> dump_regions;       // a directory
  bool optimizer = true;                         // run optimised code
  u32 optimizer_cores = 0, optimizer_idle = 60;  // ClientOptions: 0 is half of the cores; seconds
  bool help = false, version = false;
  std::vector<std::string> program;  // what follows the options: the program and its arguments
};

// `arguments` without ferry's own name; `environment` as environ has it. The command line wins over the variables; both kinds
// of list are applied, the variables' first. The error is one line: what was wrong with which word.
std::expected<Options, std::string> parse_options(std::span<char* const> arguments, std::span<char* const> environment);

// The variables alone: for a start by the kernel (binfmt_misc), where every argument is the program's.
std::expected<Options, std::string> parse_environment(std::span<char* const> environment);

// The guest's environment: without ferry's own variables, then as the options change it.
std::vector<std::string> guest_environment(std::span<char* const> environment, const Options& options);

void print_help();
void print_version();

}  // namespace ferry::command
