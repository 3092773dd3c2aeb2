// Runs the host's tools (apt-get, dpkg-deb, tar) without a shell.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::sysroots {

using Words = std::vector<std::string>;

struct Outcome {
  int status = 0;      // exit status; 128 + N for a signal; 127 when it could not be started
  std::string output;  // standard output, when captured
  std::string errors;  // standard error, the last 64 KiB of it
};

// Waits for `command` (its first word is looked up in PATH). `environment` is added to ferry's own, as NAME=VALUE.
Outcome run_tool(const Words& command, const Words& environment = {});
// `line` is called for each line that it writes to descriptor 3.
Outcome run_tool(const Words& command, const Words& environment, const std::function<void(std::string_view)>& line);
// producer | consumer: the status is the first of the two that is not 0.
Outcome run_pipe(const Words& producer, const Words& consumer);

// True once SIGINT, SIGTERM or SIGHUP has come: the caller cleans up and gives up. watch_interrupts() first.
void watch_interrupts();
bool interrupted();

}  // namespace ferry::sysroots
