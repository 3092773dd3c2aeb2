// The optimiser's main() but for what it compiles with. It is started by a guest's Client, with the socket to listen on as descriptor
// 0 and settings as NAME=VALUE words.
#pragma once
#include <functional>

#include "translator/optimizer/process/worker.h"

namespace ferry::optimizer {

// `describe`: of host and compiler, for the store's header. The process's exit status.
int run_optimizer(int argc, char** argv, CompilerFactory make_compiler, const std::function<std::string()>& describe);

}  // namespace ferry::optimizer
