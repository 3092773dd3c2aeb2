#include "translator/cache/code_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "guest/check.h"
#include "guest/log.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {

namespace {
// Where pages are small, they are committed so many bytes at a time, or one part in so many of what is in use; not more than the caches hold until they
// are written.
constexpr size_t least_commit = 16 * 1024, most_commit = 64 * 1024, commit_part = 16;
// Before the code, for the tables: what those of bash take, whose code fills the rest of the first huge page.
constexpr size_t first_tables = 768 * 1024;
// So many pieces that are mapped one by one, and at least one in so many, make each fork and its child's page faults dear enough for
// a new copy of everything after so many forks.
constexpr size_t many_pieces = 16, piece_part = 8, many_forks = 8;

u8* map(void* at, size_t size, int protection, int flags, int fd) {
  void* p = mmap(at, size, protection, flags, fd, 0);
  if (p == MAP_FAILED) fatal("cannot map code memory", "raise the address space limit (ulimit -v)");
  return static_cast<u8*>(p);
}

// Two views of new pages, anywhere or where they are to be. The file's descriptor is closed at once: the guest must not come upon it.
struct Views {
  u8 *write = nullptr, *run = nullptr;
};
Views map_views(size_t size, Views at = {}) {
  int fd = memfd_create("ferry-code", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0)
    fatal("cannot make code memory",
          "allow mappings that are writable and executable, or memfd_create and a descriptor more (ulimit -n)");
  int flags = MAP_SHARED | MAP_NORESERVE | (at.write != nullptr ? MAP_FIXED : 0);
  at.write = map(at.write, size, PROT_READ | PROT_WRITE, flags, fd);
  at.run = map(at.run, size, PROT_READ | PROT_EXEC, flags, fd);
  close(fd);
  return at;
}

// In one step for threads that run code there.
void move_to(u8* to, u8* from, size_t size) {
  if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
    fatal("cannot map code memory again after a fork", "raise vm.max_map_count");
}
}  // namespace

CodeMemory::CodeMemory(size_t size, ChunkMemory& tables, bool two_views) : size_(size_for(size)) {
  if (!two_views) {
    if (map_together(tables)) return;
    if (errno != EACCES && errno != EPERM)
      fatal("cannot map code memory", "raise the address space limit (ulimit -v, -d)");
    log(Log::memory, "code memory has a writable and an executable view: this host allows no mapping that is both");
  }
  map_apart(tables);
}

bool CodeMemory::map_together(ChunkMemory& tables) {
  mapping_size_ = first_tables + size_ + tables.expected();
  mapping_ = static_cast<u8*>(reserve_memory(mapping_size_, PROT_READ | PROT_WRITE | PROT_EXEC));
  if (mapping_ == nullptr) return false;
  write_ = run_ = mapping_ + first_tables;
  tables.give({mapping_, first_tables}, {run_ + size_, tables.expected()});
  return true;
}

void CodeMemory::map_apart(ChunkMemory& tables) {
  mapping_size_ = std::max(tables.expected(), piece);
  mapping_ = static_cast<u8*>(reserve_memory(mapping_size_, PROT_READ | PROT_WRITE));
  if (mapping_ == nullptr) fatal("cannot reserve the translator's tables", "raise the address space limit (ulimit -v)");
  tables.give({}, {mapping_, mapping_size_});
  Views views = map_views(size_);
  write_ = views.write;
  run_ = views.run;
}

CodeMemory::~CodeMemory() {
  release_memory(mapping_, mapping_size_);
  if (run_ == write_) return;
  munmap(write_, size_);
  munmap(run_, size_);
}

void CodeMemory::commit(size_t offset) {
  if (offset < committed_) return;
  size_t step = std::clamp(committed_ / commit_part / piece * piece, least_commit, most_commit);
  step = std::min(step, size_ - committed_);
  // Best effort: older kernels take the faults one by one. An executable view of its own needs none: the kernel maps the pages around a
  // read fault that are in the page cache already (filemap_map_pages).
  madvise(write_ + committed_, step, MADV_POPULATE_WRITE);
  committed_ += step;
}

size_t CodeMemory::share(size_t used) {
  if (run_ == write_) return used;  // a private mapping: fork copies it
  // Whole pieces, so that neither process writes the next code into one.
  shared_end_ = (used + piece - 1) / piece * piece;
  if (own_pieces_ >= std::max(many_pieces, shared_end_ / piece / piece_part) && ++forks_ >= many_forks) make_whole();
  shared_.assign(shared_end_ / piece, true);
  return shared_end_;
}

void CodeMemory::after_fork_in_child() { following_is_shared_ = run_ != write_ && shared_end_ < size_; }

void CodeMemory::make_own(size_t offset) {
  if (offset + most_written > shared_end_ && following_is_shared_) make_following_own();
  for (size_t at = offset / piece; at < shared_.size() && at * piece < offset + most_written; at++) {
    if (shared_[at]) make_piece_own(at);
  }
}

void CodeMemory::make_piece_own(size_t at) {
  Views copy = map_views(piece);
  memcpy(copy.write, run_ + at * piece, piece);
  move_to(run_ + at * piece, copy.run, piece);
  move_to(write_ + at * piece, copy.write, piece);
  shared_[at] = false;
  own_pieces_++;
}

void CodeMemory::make_whole() {
  Views copy = map_views(size_);
  madvise(copy.write, shared_end_, MADV_POPULATE_WRITE);
  memcpy(copy.write, run_, shared_end_);
  move_to(run_, copy.run, size_);
  move_to(write_, copy.write, size_);
  committed_ = shared_end_;
  following_is_shared_ = false;
  own_pieces_ = forks_ = 0;
}

// Nothing has run there in this process yet.
void CodeMemory::make_following_own() {
  map_views(size_ - shared_end_, {write_ + shared_end_, run_ + shared_end_});
  committed_ = shared_end_;
  following_is_shared_ = false;
}

}  // namespace ferry::cache
