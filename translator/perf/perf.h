// What perf is told of translated code, so that `perf report` names the guest's functions: a map file (tools/perf/Documentation/
// jit-interface.txt), a jitdump (tools/perf/Documentation/jitdump-specification.txt), or both. Off, it costs a load a block.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "translator/cache/generation.h"
#include "translator/perf/jitdump.h"
#include "translator/perf/map_file.h"

namespace ferry::perf {

struct Options {
  bool map = false, jitdump = false;
  bool continued = false;  // this process ran another program before, by execve: its map file goes on
  std::function<std::string(u64 pc)> name_of;  // of the guest function, with the distance into it
  std::function<void()> forget_mappings;       // something else may be mapped there now
  int (*take_descriptor)(int fd) = nullptr;    // out of the guest's way: the descriptor's new number
  void (*release_descriptor)(int fd) = nullptr;
};

// All of these under the translation lock, or before any guest thread runs.
class Reporter {
 public:
  // What cannot be written is said in the log and left out.
  explicit Reporter(Options options);

  void block_added(const cache::Generation& generation, const cache::Block& block);
  void region_added(const cache::Generation& generation, const cache::InstalledRegion& region);

  void mappings_changed() { options_.forget_mappings(); }

  // In a forked child, whose files are new: everything that it has.
  void after_fork_in_child(const cache::Generation& generation);

 private:
  void open_files(bool continued);
  void add(u64 pc, const char* suffix, u64 run, std::span<const u8> code);

  Options options_;
  std::optional<MapFile> map_;
  std::optional<Jitdump> jitdump_;
};

inline std::unique_ptr<Reporter> reporter;  // null: nobody is told

}  // namespace ferry::perf
