// `ferry cache warm`: optimises programs and libraries before they run, by asking the optimiser's process for what earlier runs
// spent their time in and for every function, and letting it keep the results.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::command {

struct WarmRequest {
  std::vector<std::string> paths;  // files, directories, names of sysroots
  u64 limit = 10'000;              // regions
};

// The words after `warm`. The error is one line.
std::expected<WarmRequest, std::string> parse_warm(std::span<char* const> arguments);

// The exit status: 0, 1 when nothing could be done, 128 + SIGINT when it was interrupted.
int warm(const WarmRequest& request);

}  // namespace ferry::command
