// What the tests ask of the process's memory: bytes without trust in the address, and the host's protection.
#pragma once
#include <sys/mman.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "guest/memory.h"
#include "loader/loader.h"

namespace ferry::loader {

inline std::vector<u8> guest_bytes(u64 address, size_t size) {
  std::vector<u8> bytes(size);
  if (!copy_from_guest(bytes.data(), GuestAddr{address}, size)) bytes.clear();
  return bytes;
}

// "rw-p" and the like; empty where nothing is mapped.
inline std::string host_permissions(u64 address) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return "?";
  std::string found;
  char line[4352], permissions[8];
  unsigned long long from, to;
  while (fgets(line, sizeof line, maps) != nullptr) {
    if (sscanf(line, "%llx-%llx %4s", &from, &to, permissions) == 3 && from <= address && address < to)
      found = permissions;
  }
  fclose(maps);
  return found;
}

// Unmaps what a test mapped, so that the next test finds the linked addresses free.
struct Unmapper {
  std::vector<Mapping> mappings;
  explicit Unmapper(std::vector<Mapping> m) : mappings(std::move(m)) {}
  Unmapper(Unmapper&&) = default;
  ~Unmapper() {
    for (const Mapping& m : mappings) munmap(reinterpret_cast<void*>(raw(m.begin)), m.end - m.begin);
  }
};

inline std::vector<u8> read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ferry::loader
