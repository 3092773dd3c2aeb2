// The persistent store, as the optimiser's process sees it: its one writer. Everything is written by pwrite(), never through a
// mapping, so that a full disk is an error and not a signal. store_format.h has the order of writing.
#pragma once
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/store.h"

namespace ferry::optimizer {

struct StoreOptions {
  std::string directory;           // made if need be, for its owner alone
  std::string identity;            // store_identity() of the ferry that is served
  std::string description;         // of host and compiler, for people
  u64 limit = default_store_size;  // bytes of disk for all the stores of the directory together
};

// One thread at a time. Ignores SIGXFSZ from the first open() on.
class StoreWriter {
 public:
  StoreWriter() = default;
  ~StoreWriter() { close(); }
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Opens the store, or makes it, or makes it anew where it is damaged or of another size; removes stores of other builds and
  // processors that the limit has no room for. The error is one line with a remedy: another writer has it (EBUSY: try later), the
  // directory is not this user's alone, the file system is read-only ... The process goes on without a store then.
  std::expected<void, StoreFailure> open(const StoreOptions& options);
  void close();
  bool is_open() const { return fd_ >= 0; }

  // Each says false when it is not kept: the disk is full, the store is closed. The first time, the log says why; when there is no
  // point in going on, the writer has closed itself. What is there already is not written again. A store that was removed under
  // the writer (`ferry cache clear`) is begun anew.
  // heat: the request's. keys: entry_keys() of the region.
  bool add(u64 request_key, u64 heat, std::span<const u8> region, std::span<const u64> keys);
  bool remember_bad(u64 request_key, std::string_view why);
  // A page's translation, in the place of an older one of the key.
  bool add_page(u64 page_key, std::span<const u8> page);

  // What is known of a request; the latest counts. The bytes are readable until something is added.
  enum class Known : u8 { nothing, region, bad };
  Known find_request(u64 request_key, std::span<const u8>* region = nullptr) const;

  // The page that is kept for the key; empty: none. Readable until something is added.
  std::span<const u8> find_page(u64 page_key) const;

  // Replaces the file by one with the newest records, half as large; add() does it when the file is full.
  bool evict();

  const std::string& path() const { return path_; }

 private:
  std::expected<void, StoreFailure> open_in(const LockedStoreDirectory& directory);
  std::expected<void, StoreFailure> replace(const LockedStoreDirectory& directory);
  std::expected<void, StoreFailure> adopt(int fd);
  void remove_others(const LockedStoreDirectory& directory);
  bool still_there();
  bool append(RecordHeader header, std::span<const u64> keys, std::span<const u8> payload);
  bool make_room(u64 bytes, u32 slots);
  bool grow_index(u32 slots);
  bool insert(u64 slot);
  void drop_page(u64 page_key);
  bool write(u64 position, std::span<const u8> bytes);
  bool give_up(const std::string& what, int error);

  int fd_ = -1;  // locked
  u64 end_ = 0;
  u32 used_slots_ = 0;
  u64 others_checked_at_ = 0;
  bool complained_ = false;
  std::string path_;
  StoreOptions options_;
  StoreMapping mapping_;
};

}  // namespace ferry::optimizer
