// perf's map of code that no file has: /tmp/perf-PID.map, a line "address size name" in hexadecimal for each piece
// (tools/perf/Documentation/jit-interface.txt). /tmp is everybody's: the file is made anew or not at all, for this user alone.
#pragma once
#include <functional>
#include <string>

#include "guest/types.h"

namespace ferry::perf {

using Keep = std::function<int(int fd)>;   // takes a descriptor out of the guest's way, says where it is now
using Gone = std::function<void(int fd)>;  // before it is closed

class MapFile {
 public:
  // `continued`: the process's own file of before an execve is added to, when there is one.
  MapFile(int process, bool continued, const Keep& keep, Gone gone);
  ~MapFile();
  MapFile(const MapFile&) = delete;
  MapFile& operator=(const MapFile&) = delete;

  bool is_open() const { return fd_ >= 0; }
  const std::string& path() const { return path_; }
  void add(u64 address, u64 size, const std::string& name);

 private:
  std::string path_;
  int fd_;
  Gone gone_;
};

}  // namespace ferry::perf
