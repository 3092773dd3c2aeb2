// ferry-optimizer: the process that compiles hot regions for the guests of one user.
#include <memory>

#include "translator/optimizer/compile.h"
#include "translator/optimizer/process/run.h"

int main(int argc, char** argv) {
  using namespace ferry::optimizer;
  CompilerFactory make_compiler = [] {
    auto compiler = std::make_shared<Compiler>();
    return [compiler](const Request& request, std::string& why, CompileTimes& times, Listing& listing) {
      return compiler->compile(request, why, &times, &listing);
    };
  };
  return run_optimizer(argc, argv, make_compiler, Compiler::host_description);
}
