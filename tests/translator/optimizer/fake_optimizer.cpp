// The optimiser's process with a compiler that does what the request's first word says, for tests of everything around it.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/translator/optimizer/fake_optimizer.h"
#include "translator/optimizer/process/run.h"

using namespace ferry;
using namespace ferry::optimizer;

namespace {

std::optional<Region> compile(const Request& request, std::string& why, CompileTimes& times, Listing& listing) {
  static u32 compilations = 0;
  compilations++;
  times.lift = 1000;
  if (listing.wanted) {
    listing.before = "before";
    listing.after = std::string(max_listing_text + 1, 'a');
    listing.code = "code of " + std::to_string(request.stretches[0].words[0]);
  }
  switch (request.stretches[0].words[0]) {
    case fake_crash:
      raise(SIGSEGV);
      break;
    case fake_hang:
      for (volatile u64 turns = 0;; turns = turns + 1) {}
    case fake_wait:
      while (access(request.file.c_str(), F_OK) == 0) usleep(1000);
      break;
    case fake_exit:
      _exit(3);
    case fake_refuse:
      why = "it is refused";
      return std::nullopt;
    default:
      break;
  }
  Region region;
  region.stretches = request.stretches;
  region.entries = {{request.entries[0], 0, true}};
  region.instructions = compilations;
  size_t size = request.stretches[0].words[0] == fake_large ? max_code_bytes : 64;
  region.code.resize(size);
  for (size_t i = 0; i < size; i++) region.code[i] = static_cast<u8>(i * 7);
  u32 process = static_cast<u32>(getpid());
  memcpy(region.code.data(), &process, sizeof process);
  if (request.stretches[0].words[0] == fake_unsound) region.entries[0].offset = 0xfffff000;
  return region;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string limits[] = {"cpu-limit-ms=400", "memory-limit=0", "queue=256", "worker-lifetime=500"};
  for (std::string& limit : limits) arguments.push_back(limit.data());
  bool stillborn = false;
  for (int i = 1; i < argc; i++) stillborn = stillborn || strcmp(argv[i], "identity=stillborn") == 0;
  CompilerFactory factory = [stillborn]() -> CompileFunction {
    if (stillborn) abort();
    return compile;
  };
  return run_optimizer(static_cast<int>(arguments.size()), arguments.data(), factory,
                       [] { return std::string{"fake"}; });
}
