// The optimiser's compiler: inlines the semantic functions' bitcode over a region's control flow, keeps guest registers and
// flags in SSA values, gives every guest access a fault edge, and makes position-independent code of it with LLVM.
// Only the optimiser's process and tests contain it.
#pragma once
#include <memory>
#include <string>

#include "translator/optimizer/region.h"
#include "translator/optimizer/report.h"

namespace ferry::optimizer {

class Compiler {
 public:
  Compiler();  // sets LLVM up for this host's processor; about 10 ms
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  // nullopt when nothing can be made of the region; `why` then says so. One thread at a time. LLVM may abort on what it
  // has bugs with: the process is expendable.
  std::optional<Region> compile(const Request& request, std::string& why, CompileTimes* times = nullptr,
                                Listing* listing = nullptr);

  // What of this process decides the code besides the request: LLVM's version and the processor's features.
  static std::string host_description();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferry::optimizer
