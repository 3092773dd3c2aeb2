// Code memory: one stretch of address space with a writable and an executable view of the same pages, so that no mapping is
// ever both (where memfd_create is denied, or the host is an emulator that two views confuse, it falls back to a single view and
// says so in the log).
#pragma once
#include <optional>

#include "guest/types.h"

namespace ferry::cache {

class CodeMemory {
 public:
  // Reserves `size` bytes; pages are committed as they are written. `one_view`: wanted, and then it is anonymous memory.
  explicit CodeMemory(size_t size, bool one_view = false);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  u8* writable(u64 run) const { return write_ + (run - run_base()); }
  u64 run_base() const { return reinterpret_cast<u64>(run_); }
  size_t size() const { return size_; }
  bool contains(u64 run) const { return run - run_base() < size_; }

  // Commits [from, from + length) in steps ahead of use, so that writing does not fault page by page.
  void commit(size_t offset);

  // fork() support. The parent makes a copy of the first `used` bytes before fork, with no other thread writing;
  // the child moves its views onto the copy, at the same addresses; the parent drops it.
  // copy_for_child: -1 when there is nothing to copy or it failed. adopt_copy: whether the memory is now this process's own.
  int copy_for_child(size_t used) const;
  bool adopt_copy(int fd, size_t used);
  static void drop_copy(int fd);

 private:
  void map_one_view();
  void unmap();

  size_t size_;
  u8* write_ = nullptr;
  u8* run_ = nullptr;
  size_t committed_ = 0;
};

}  // namespace ferry::cache
