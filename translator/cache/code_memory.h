// Code memory: one stretch of private address space that is both written and run, the tables that describe it beside it: a small program's
// code and tables share one huge page. Where the host denies such mappings (SELinux's
// execmem, PR_SET_MDWE) it has a writable and an executable view of the same shared pages instead: neither can be of huge pages, and each
// page costs two faults.
// After a fork both processes run the code that there was, and neither sees what the other goes on to make of it. Of one view the kernel
// sees to that. Of two, neither process changes what is shared: a piece that one of them writes to becomes a copy of its own first.
#pragma once
#include <vector>

#include "guest/types.h"
#include "translator/cache/chunked_array.h"

namespace ferry::cache {

class CodeMemory {
 public:
  // Reserves `size` bytes, or a few more, and what the tables expect, which is given to them; memory is taken as it is written.
  // `two_views`: even where one is allowed. Fatal when there is no address space.
  CodeMemory(size_t size, ChunkMemory& tables, bool two_views = false);
  // What it has then.
  static constexpr size_t size_for(size_t size) { return (size + piece - 1) / piece * piece; }
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  // Where to write what is to run at `run`: `most_written` bytes there at most, or any number behind all code.
  u8* writable(u64 run) {
    size_t offset = run - run_base();
    if (offset < shared_end_ || following_is_shared_) make_own(offset);
    return write_ + offset;
  }
  static constexpr size_t most_written = 16;
  const u8* readable(u64 run) const { return run_ + (run - run_base()); }
  u64 run_base() const { return reinterpret_cast<u64>(run_); }
  size_t size() const { return size_; }
  bool contains(u64 run) const { return run - run_base() < size_; }

  // Commits from the offset on in steps ahead of use, so that writing does not fault page by page.
  void commit(size_t offset);
  // Likewise, step by step: what comes may be longer than one.
  void commit_up_to(size_t end) {
    while (committed_ < end && committed_ < size_) commit(committed_);
  }

  // fork() support: before it in the parent, with no other thread writing, and then in the child. The first `used` bytes are from now
  // on both processes'. Returns how many bytes are used then; what follows them is the parent's.
  size_t share(size_t used);
  void after_fork_in_child();

 private:
  void make_own(size_t offset);
  void make_piece_own(size_t piece);
  void make_following_own();
  void make_whole();

  static constexpr size_t piece = 16 * 1024;  // what is made one's own at a time

  bool map_together(ChunkMemory& tables);
  void map_apart(ChunkMemory& tables);

  size_t size_;
  u8* mapping_ = nullptr;  // of the tables, and of the code where it has one view
  size_t mapping_size_ = 0;
  u8* write_ = nullptr;
  u8* run_ = nullptr;
  size_t committed_ = 0;
  size_t shared_end_ = 0;     // pieces before this offset may be another process's too:
  std::vector<bool> shared_;  // those that are
  bool following_is_shared_ = false;
  size_t own_pieces_ = 0, forks_ = 0;  // since the views were last of one piece
};

}  // namespace ferry::cache
