// The persistent store, as a guest's process sees it: the regions and pages that earlier runs paid for, in one file, found by entry_key()
// and page_key(). The optimiser's process is its only writer (store_writer.h); a reader needs no lock. store_format.h
// says what the file looks like and why a torn, cut or altered one is never executed.
#pragma once
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "guest/types.h"
#include "translator/optimizer/store_file.h"

namespace ferry::optimizer {

// Where stores are kept: $FERRY_CACHE_DIR, else $XDG_CACHE_HOME/ferry, else ~/.cache/ferry; empty when none of them is known. Not to
// be asked for under AT_SECURE: the environment is the caller's.
std::string store_directory();

// $FERRY_CACHE_SIZE, or default_store_size without it. The error says what is wrong with it.
std::expected<u64, std::string> store_limit();
// "256M", "2G", bytes; within smallest_store and largest_store.
std::expected<u64, std::string> parse_store_size(std::string_view text);

// All that decides the code of a region besides the guest's bytes: this ferry (its build id), what this processor offers, and
// how the code is made. A different one is a different file. The optimiser's process must use that of the ferry that started
// it: pass it on. Empty when this program has no build id: then no store is used. About a microsecond.
std::string store_identity();

// Which file of the directory an identity's store is: regions-0123456789abcdef.
std::string store_file_name(std::string_view identity);

// A region in the store whose entry has the key that was looked for. To be parsed by read_region(), and installed only where guest
// memory holds its words.
struct StoreCandidate {
  std::span<const u8> region;
  u32 entry;  // index in Region::entries
};

struct StoreCandidates {
  StoreCandidate items[max_candidates];
  u32 count = 0;
  bool more_ahead = false;  // find_ahead() has others

  const StoreCandidate* begin() const { return items; }
  const StoreCandidate* end() const { return items + count; }
};

// How the descriptor by which a reader reads is kept out of the guest's hands, as in ClientOptions.
struct StoreDescriptor {
  int (*take)(int fd) = nullptr;
  void (*release)(int fd) = nullptr;
};

// One thread at a time (the translation lock is held around it). The index is looked up in a mapping. It cannot be made writable, not by
// the guest's mprotect() either, because the file was opened for reading; that the guest might write the file itself is nothing new:
// it is this user's process. Records are read by a descriptor: a record in the mapping costs a fault, and where page tables are shadowed
// twenty times what reading it does. Without one (as it is constructed by default, or none is left) and without memory to read into they
// are found in the mapping.
class StoreReader {
 public:
  StoreReader() = default;
  explicit StoreReader(StoreDescriptor keeper) : keeper_(keeper) {}
  ~StoreReader() { close(); }
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  // False: there is none, or none that may be used; what is wrong with one that exists goes into the log,
  // once until it is something else. `directory` may be empty. `secure`: AT_SECURE; then nothing is used. A dozen system calls when
  // there is one, one when there is none.
  bool open(const std::string& directory, std::string_view identity, bool secure);
  void close();
  bool is_open() const { return mapping_.is_mapped(); }

  // Where to read records from now on, aligned to 8: `buffer_size` bytes have room for nearly any. Ends what was readable.
  static constexpr size_t buffer_size = 64 * 1024;
  void read_into(std::span<u8> buffer) { buffer_ = buffer; }

  // The regions with an entry of this key that somebody found hot, the newest first, each with its checksum verified. They stay
  // readable until something else is looked for. A miss is one or two cache lines.
  StoreCandidates find(u64 key) { return look_up(key, false); }
  // Those that were made ahead of time: of use where a guest turns out to spend time, and a waste elsewhere.
  StoreCandidates find_ahead(u64 key) { return look_up(key, true); }

  // The page of this page_key(), its checksum verified; empty when there is none. Readable until something else is looked for.
  std::span<const u8> find_page(u64 key);

  // Whether find() and find_ahead() are likely to find something: looks no further than the index.
  struct Chances {
    bool asked_for = false, ahead = false;
  };
  Chances chances(u64 key);

  // Whether the writer has replaced the file: one load. Then close() and open() to see the new one.
  bool is_replaced() const { return mapping_.is_mapped() && mapping_.is_replaced(); }

 private:
  StoreCandidates look_up(u64 key, bool ahead);
  std::optional<StoreRecord> record_at(u64 position);
  std::optional<StoreRecord> read(u64 position);
  bool read_at(u64 position, std::span<u8> bytes) const;
  void warn(const std::string& why);

  StoreDescriptor keeper_;
  StoreMapping mapping_;
  int fd_ = -1;  // of the mapping's file
  u64 inode_ = 0;
  std::span<u8> buffer_;
  size_t used_ = 0;     // by what is readable
  std::string warned_;  // about what, since a store was last open: open() is tried again and again
};

}  // namespace ferry::optimizer
