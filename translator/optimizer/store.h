// The persistent store, as a guest's process sees it: the regions that earlier runs paid for, in one file that is mapped read-only
// and found by entry_key(). The optimiser's process is its only writer (store_writer.h); a reader needs no lock. store_format.h
// says what the file looks like and why a torn, cut or altered one is never executed.
#pragma once
#include <expected>
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

// One thread at a time (the translation lock is held around it). Holds no descriptor. The mapping cannot be made writable, not by the
// guest's mprotect() either, because the file was opened for reading; that the guest might write the file itself is nothing new:
// it is this user's process.
class StoreReader {
 public:
  // False: there is none, or none that may be used; what is wrong with one that exists goes into the log,
  // once until it is something else. `directory` may be empty. `secure`: AT_SECURE; then nothing is used. Eight system calls when there
  // is one, one when there is none.
  bool open(const std::string& directory, std::string_view identity, bool secure);
  void close() { mapping_.unmap(); }
  bool is_open() const { return mapping_.is_mapped(); }

  // The regions with an entry of this key that somebody found hot, the newest first, each with its checksum verified. They stay
  // readable until close(), even when the writer replaces the file. A miss is one or two cache lines.
  StoreCandidates find(u64 key) {
    StoreCandidates found;
    if (mapping_.is_mapped()) look_up(key, false, found);
    return found;
  }
  // Those that were made ahead of time: of use where a guest turns out to spend time, and a waste elsewhere.
  StoreCandidates find_ahead(u64 key) {
    StoreCandidates found;
    if (mapping_.is_mapped()) look_up(key, true, found);
    return found;
  }

  // The page of this page_key(), its checksum verified; empty when there is none. Readable until close().
  std::span<const u8> find_page(u64 key) const {
    if (!mapping_.is_mapped()) return {};
    auto record = find_page_record(mapping_, key);
    return record ? record->payload : std::span<const u8>{};
  }

  // Whether find() and find_ahead() are likely to find something: looks no further than the index.
  struct Chances {
    bool asked_for = false, ahead = false;
  };
  Chances chances(u64 key);

  // Whether the writer has replaced the file: one load. Then close() and open() to see the new one.
  bool is_replaced() const { return mapping_.is_mapped() && mapping_.is_replaced(); }

 private:
  void look_up(u64 key, bool ahead, StoreCandidates& found);
  void warn(const std::string& why);

  StoreMapping mapping_;
  std::string warned_;  // about what, since a store was last open: open() is tried again and again
};

}  // namespace ferry::optimizer
