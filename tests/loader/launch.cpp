// Loads an AArch64 program on an AArch64 host and lets the processor run it: what the loader laid out is judged by the real
// dynamic linker and C library, without a translator between. launch TREE PROGRAM [ARGUMENTS]
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "loader/loader.h"

using namespace ferry;
using namespace ferry::loader;

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::string tree = argv[1];
  LoadRequest request;
  request.path = argv[2];
  request.arguments.assign(argv + 2, argv + argc);
  for (char** e = environ; *e != nullptr; ++e) request.environment.emplace_back(*e);
  request.resolve = [tree](const std::string& path) {
    std::string inside = tree + path;
    return access(inside.c_str(), F_OK) == 0 ? inside : path;
  };
  auto program = load(std::move(request));
  if (!program) {
    fprintf(stderr, "launch: %s; %s\n", program.error().text.c_str(), program.error().remedy.c_str());
    return program.error().exit_status();
  }
  for (const Mapping& m : program->mappings) {
    // Without a translator the guest's code must run as it is.
    if (m.protection & PROT_EXEC) mprotect(reinterpret_cast<void*>(raw(m.begin)), m.end - m.begin, m.protection);
  }
  asm volatile("mov sp, %0\n\tmov x0, #0\n\tbr %1" ::"r"(raw(program->stack_pointer)), "r"(raw(program->entry))
               : "x0", "memory");
  __builtin_unreachable();
}
