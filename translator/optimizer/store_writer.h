// The persistent store, as the optimiser's process sees it: its one writer. Everything is written by pwrite(), never through a
// mapping, so that a full disk is an error and not a signal. store_format.h has the order of writing.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "guest/types.h"
#include "translator/optimizer/store.h"

namespace ferry::optimizer {

struct StoreOptions {
  std::string directory;           // made if need be, for its owner alone
  std::string identity;            // store_identity() of the ferry that is served
  std::string description;         // of host and compiler, for people
  u64 limit = default_store_size;  // bytes of disk for all the stores of the directory together
};

// FERRY_CACHE_SIZE in bytes, as "256M" or "2G" says it; default_store_size without it; nothing when it is malformed.
std::expected<u64, std::string> parse_store_size(std::string_view text);

// One thread at a time.
class StoreWriter {
 public:
  StoreWriter() = default;
  ~StoreWriter() { close(); }
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Opens the store, or makes it, or makes it anew where it is not whole; evicts stores of other builds and machines that the limit has
  // no room for. The error is one line with a remedy: another writer has it, the directory is not the owner's alone, the file
  // system is read-only ... The process goes on without a store then. Call it again later if another had it.
  std::expected<void, std::string> open(const StoreOptions& options);
  void close();
  bool is_open() const { return fd_ >= 0; }

  // Each says false when it could not be kept: the disk is full, or the file has been taken away. The reason goes into the log once,
  // and the writer closes itself when there is no point in going on. What is there already is not written again.
  // keys: entry_key() of each of the region's entries, in their order.
  bool add(u64 request_key, std::span<const u8> region, std::span<const u64> keys);
  bool remember_bad(u64 request_key, std::string_view why);

  // What the store has on a request: the region's bytes (readable until the next add()), or that it is bad.
  std::span<const u8> find_request(u64 request_key);
  bool is_bad(u64 request_key);

 private:
  int fd_ = -1;
  std::string path_;
  StoreOptions options_;
  StoreReader view_;
};

}  // namespace ferry::optimizer
