// store_maker FERRY DIRECTORY this|WHICH: writes a small store as the optimiser's process would, for the ferry that is named or for
// another build of it, and a profile.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "guest/check.h"
#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/kept_page.h"
#include "translator/optimizer/profile.h"
#include "translator/optimizer/store_writer.h"

using namespace ferry;
using namespace ferry::optimizer;

// Of another program than this one: ferry itself says it.
static std::string identity_of(const char* ferry) {
  std::string command = std::string{ferry} + " cache identity";
  FILE* pipe = popen(command.c_str(), "r");
  char line[1024] = "";
  check(pipe != nullptr && fgets(line, sizeof line, pipe) != nullptr);
  pclose(pipe);
  std::string identity = line;
  return identity.substr(0, identity.find('\n'));
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::string which = argv[3];
  StoreWriter writer;
  StoreOptions options{.directory = argv[2],
                       .identity = which == "this" ? identity_of(argv[1]) : which,
                       .description = "a store for tests"};
  if (auto opened = writer.open(options); !opened) return fprintf(stderr, "%s\n", opened.error().text.c_str()), 1;
  for (u64 number = 0; number < 3; ++number) {
    Region region = sample_region();
    region.instructions = static_cast<u32>(number);
    region.entries[1].in_map = number == 2;
    check(writer.add(number, 1, write_region(region), entry_keys(region)));
  }
  check(writer.add_page(1, write_page({})));
  check(writer.remember_bad(100, "the compiler fell over"));
  Profile profile(options.directory);
  profile.add(sample_request());
  check(profile.save());
}
