// A static-pie program, as ferry is, loads a guest program beside itself, with the kernel's address randomisation and (--fixed)
// without, and with a heap that has grown: place [--fixed] PROGRAM. 0: it fits; 77: randomisation cannot be switched off here.
#include <sys/personality.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "loader/loader.h"

using namespace ferry;
using namespace ferry::loader;

namespace {

void switch_off_randomization(char** argv) {
  int persona = personality(0xffffffff);
  if (persona & ADDR_NO_RANDOMIZE) return;
  if (personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) < 0) _exit(77);
  execv("/proc/self/exe", argv);
  _exit(77);
}

}  // namespace

int main(int argc, char** argv) {
  bool fixed = argc == 3 && strcmp(argv[1], "--fixed") == 0;
  if (fixed) switch_off_randomization(argv);
  if (sbrk(64 << 20) == reinterpret_cast<void*>(-1)) return 2;
  LoadRequest request;
  request.path = argv[argc - 1];
  request.arguments = {"prog"};
  request.resolve = [](const std::string& path) {
    return path == "/lib/ld-test.so.1" ? std::string(TEST_PROGRAMS "interpreter") : path;
  };
  auto first = load(request);
  if (!first) {
    fprintf(stderr, "place: %s\n", first.error().text.c_str());
    return 1;
  }
  // Without randomisation the same program has the same place in every run.
  u64 expected = raw(first->program_entry) < 0x100000000 ? 0 : 0x2aaaaaaa0000;
  bool as_expected = raw(first->program_entry) - expected < 0x100000000;
  return fixed && !as_expected ? 1 : 0;
}
