// execve, and how one ferry hands over to the next: a foreign program is run by executing ferry's own file again with the
// arguments below, so that no binfmt registration is needed; a host program is executed as it is.
// The guest's environment is handed on untouched: options travel in the arguments only, and FERRY_* variables mean nothing to a
// ferry started this way.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::syscalls {

// What main() of the next ferry needs to know.
struct Handover {
  std::string sysroot;  // empty: none. May have become unreachable (the guest may have changed its root)
  bool strace = false;
  int strace_fd = -1;  // -1: standard error
  u32 log_mask = 0;
  int log_fd = 2;
  bool reference = false, chain = true;  // translator::Options
  bool stats = false;                    // translator::Options, and counters printed at the end
  int program_fd = -1;                   // run this descriptor instead of `path`, and close it once it is loaded
  int own_executable_fd = -1;            // for adopt_own_executable()
  std::string store_directory;           // translator::Options; empty: none
  u64 store_limit = 0;
  bool perf_map = false, jitdump = false;  // perf::Options
  std::string dump_directory;              // translator::Options; empty: none
  bool optimizer = true;
  u32 optimizer_cores = 0, optimizer_idle = 60;  // optimizer::ClientOptions
  std::string path;                              // as the guest named the program
  std::vector<std::string> arguments;
};

// The argument vector of the next ferry.
std::vector<std::string> handover_arguments(const Handover& handover);
// For main(), first of all: nothing when ferry was started by a person. The guest's environment is environ as it stands.
std::optional<Handover> parse_handover(int argc, char* const* argv);

// Called before the process ends by exit_group; none: null. A child made by fork calls it as well.
extern void (*before_exit_group)();
// Set by main(): what does not change from one execve to the next.
extern Handover handover_template;
// A descriptor kept by keep_own_executable() in an ancestor.
void adopt_own_executable(int fd);

}  // namespace ferry::syscalls
