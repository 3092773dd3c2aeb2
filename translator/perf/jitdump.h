// perf's jitdump: jit-PID.dump, the code itself with names and times, from which `perf inject --jit` makes an ELF file for each piece
// (tools/perf/Documentation/jitdump-specification.txt). perf finds the file because a page of it is mapped executable.
#pragma once
#include <unistd.h>

#include <span>
#include <string>

#include "translator/perf/map_file.h"

namespace ferry::perf {

class Jitdump {
 public:
  // In a directory of its own, for this user alone, in $TMPDIR or /tmp: perf wants this name of the file, also after an execve.
  Jitdump(int process, const Keep& keep, Gone gone);
  ~Jitdump();
  Jitdump(const Jitdump&) = delete;
  Jitdump& operator=(const Jitdump&) = delete;

  bool is_open() const { return fd_ >= 0; }
  const std::string& path() const { return path_; }
  void add(u64 address, std::span<const u8> code, const std::string& name);

 private:
  void write_header();

  int process_;
  int writer_ = getpid();  // a forked child has a copy of this, and its parent's file
  std::string path_;
  int fd_ = -1;
  void* marker_ = nullptr;
  u64 pieces_ = 0;
  Gone gone_;
};

}  // namespace ferry::perf
