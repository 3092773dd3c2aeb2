// A store's file and directory: opened with distrust, mapped, and its records found and checked. What the reader, the writer and
// `ferry cache` share.
#pragma once
#include <algorithm>
#include <cerrno>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/store_format.h"

namespace ferry::optimizer {

struct StoreFailure {
  int error;         // ENOENT: there is none, which is nobody's fault
  std::string text;  // one line with a remedy
  // Mapping says so of a file that is of no use to anybody, and not merely out of reach.
  bool unusable() const { return error == EINVAL; }
};

// A directory that is this user's alone and no symbolic link; a descriptor, close-on-exec.
std::expected<int, StoreFailure> open_store_directory(const std::string& directory);
// A regular file in it, likewise. `flags` as open(2) takes them.
std::expected<int, StoreFailure> open_store_file(int directory, const std::string& name, int flags);

// The directory with its lock held, which is for changes of what files there are. Made first if `create`. EBUSY when
// another process keeps the lock for more than a second.
class LockedStoreDirectory {
 public:
  static std::expected<LockedStoreDirectory, StoreFailure> open(const std::string& directory, bool create);
  LockedStoreDirectory(LockedStoreDirectory&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), lock_(std::exchange(other.lock_, -1)) {}
  LockedStoreDirectory& operator=(LockedStoreDirectory&&) = delete;
  ~LockedStoreDirectory();

  int fd() const { return fd_; }

 private:
  explicit LockedStoreDirectory(int fd) : fd_(fd) {}
  int fd_, lock_ = -1;
};

// Names of what is in the directory: stores are regions-*, unfinished ones begin with a dot.
inline constexpr std::string_view store_prefix = "regions-", unfinished_prefix = ".new-";

struct StoreItem {
  std::string name;
  u64 size, allocated;  // bytes; on disk
  i64 used;             // by a writer, seconds since 1970
};
// The stores of a directory, the least recently used first; the names of what killed writers left.
std::vector<StoreItem> list_stores(int directory);
std::vector<std::string> list_unfinished(int directory);

// A record, in the mapping or where it was read to. Its checksum holds.
struct StoreRecord {
  u64 position;
  RecordKind kind;
  u32 heat;
  u64 request;
  std::span<const u64> keys;
  std::span<const u8> payload;
};

// Of `available` bytes that begin with a record and need not: how many it takes, 0 when it is none. Then what it is, if its checksum holds.
u64 record_extent(const RecordHeader& header, u64 available);
std::optional<StoreRecord> check_record(std::span<const u8> record, u64 position, u64 identity);

// A store file, mapped for reading. The mapping is of the whole file and the file never shrinks: ferry only renames and unlinks
// stores, and whoever else could cut one is the same user, who can end the process by easier means than SIGBUS. Likewise for
// bytes that change after their checksum was verified: nobody else can write them, and what it guards against is accidents.
class StoreMapping {
 public:
  StoreMapping() = default;
  ~StoreMapping() { unmap(); }
  StoreMapping(const StoreMapping&) = delete;
  StoreMapping& operator=(const StoreMapping&) = delete;

  // Maps the descriptor, which stays the caller's. The header is checked but for the index, which may change at any time.
  std::expected<void, StoreFailure> map(int fd, u64 identity);
  void unmap();

  bool is_mapped() const { return header_ != nullptr; }
  const StoreHeader& header() const { return *header_; }
  u64 size() const { return size_; }
  u64 end() const;
  bool is_replaced() const { return __atomic_load_n(&header_->replaced, __ATOMIC_RELAXED) != 0; }

  // The index as it is now, a power of two of slots; empty when the header leads nowhere.
  std::span<const u64> index() const;
  static u64 read_slot(const u64& slot) { return __atomic_load_n(&slot, __ATOMIC_ACQUIRE); }

  // The record at a position that need not be one.
  std::optional<StoreRecord> record_at(u64 position) const;
  // How many bytes there are from a position on where a record may begin; 0 when none does.
  u64 available_at(u64 position) const;

 private:
  const u8* bytes() const { return reinterpret_cast<const u8*>(header_); }
  // What may be read. Behind it is a hole: on a full tmpfs reading that is SIGBUS, because there even reading takes a page.
  u64 filled() const { return std::min(size_, end()); }

  const StoreHeader* header_ = nullptr;
  u64 size_ = 0;
};

u64 store_checksum(u64 identity, std::span<const u8> record_behind_checksum);
u64 identity_hash(std::string_view identity);

// Calls use(slot) for each slot of the tag, until it says false; positions may repeat.
template <class Use>
void for_each_slot(std::span<const u64> index, u32 tag, Use&& use) {
  if (index.empty()) return;
  u32 bits = static_cast<u32>(__builtin_ctzl(index.size()));
  u64 mask = index.size() - 1;
  for (u32 probe = 0, home = slot_home(tag, bits); probe < max_probes; ++probe) {
    u64 slot = StoreMapping::read_slot(index[(home + probe) & mask]);
    if (slot == 0) return;
    if (slot >> 32 == tag && slot_position(slot) != 0 && !use(slot)) return;
  }
}

// The newest page record of the key: read(position) says what is at a position that need not be a record's.
template <class Read>
std::optional<StoreRecord> find_page_record(std::span<const u64> index, u64 key, Read&& read) {
  std::optional<StoreRecord> newest;
  for_each_slot(index, slot_tag(key, KeyKind::request), [&](u64 slot) {
    if (newest && slot_position(slot) <= newest->position) return true;
    std::optional<StoreRecord> record = read(slot_position(slot));
    if (record && record->kind == RecordKind::page && record->request == key) newest = record;
    return true;
  });
  return newest;
}
inline std::optional<StoreRecord> find_page_record(const StoreMapping& mapping, u64 key) {
  return find_page_record(mapping.index(), key, [&](u64 position) { return mapping.record_at(position); });
}

}  // namespace ferry::optimizer
