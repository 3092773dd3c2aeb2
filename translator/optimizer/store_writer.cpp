#include "translator/optimizer/store_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>

#include "guest/log.h"

namespace ferry::optimizer {

namespace {

constexpr u64 others_check_step = u64{16} << 20;

template <class T>
std::span<const u8> as_bytes(const T& value) {
  return {reinterpret_cast<const u8*>(&value), sizeof value};
}

// Which slot a record's tag goes into; nothing when the index is too crowded there.
std::optional<size_t> choose_slot(std::span<const u64> index, u32 tag) {
  u32 bits = static_cast<u32>(__builtin_ctzl(index.size()));
  std::optional<size_t> free, oldest;
  u32 same = 0;
  for (u32 probe = 0; probe < max_probes; ++probe) {
    size_t at = (slot_home(tag, bits) + probe) & (index.size() - 1);
    u64 slot = index[at];
    bool dropped = slot_position(slot) == 0;
    if (dropped && !free) free = at;
    if (slot == 0) break;
    if (dropped || slot >> 32 != tag) continue;
    ++same;
    if (!oldest || slot_position(slot) < slot_position(index[*oldest])) oldest = at;
  }
  return same >= max_candidates ? oldest : free;
}

// The same slots in an index of 2^bits or more.
std::vector<u64> spread(const std::vector<u64>& slots, u32 bits) {
  for (; bits <= largest_index_bits; ++bits) {
    std::vector<u64> index(size_t{1} << bits);
    bool all = std::ranges::all_of(slots, [&](u64 slot) {
      auto at = choose_slot(index, static_cast<u32>(slot >> 32));
      if (at) index[*at] = slot;
      return at.has_value();
    });
    if (all) return index;
  }
  return {};
}

bool is_ahead(RecordKind kind, u32 heat) { return kind == RecordKind::region && heat == 0; }

// At most five eighths full.
u32 bits_for(u64 slots) {
  u32 bits = smallest_index_bits;
  while (bits < largest_index_bits && (u64{5} << bits) / 8 < slots) ++bits;
  return bits;
}

// One slot for the request and one for each of the keys; two entries may begin with the same words.
std::vector<u32> tags_of(u64 request, std::span<const u64> keys) {
  std::vector<u32> tags{slot_tag(request, KeyKind::request)};
  for (u64 key : keys)
    if (key != 0) tags.push_back(slot_tag(key, KeyKind::entry));
  std::ranges::sort(tags);
  tags.erase(std::ranges::unique(tags).begin(), tags.end());
  return tags;
}

bool write_at(int fd, u64 position, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(count));
    position += static_cast<u64>(count);
  }
  return true;
}

// Ascending, without those that are damaged or that nothing leads to.
std::vector<StoreRecord> live_records(const StoreMapping& mapping) {
  std::vector<u64> positions;
  for (const u64& slot : mapping.index())
    if (u64 position = slot_position(StoreMapping::read_slot(slot)); position != 0) positions.push_back(position);
  std::ranges::sort(positions);
  positions.erase(std::ranges::unique(positions).begin(), positions.end());
  std::vector<StoreRecord> records;
  for (u64 position : positions)
    if (auto record = mapping.record_at(position)) records.push_back(*record);
  return records;
}

u64 room_of(const StoreRecord& record) {
  return round_up_to_unit(record_size(static_cast<u32>(record.keys.size()), static_cast<u32>(record.payload.size())));
}

// The newest, as many as there is room for: first of what LLVM has made, then of pages, which cost a hundredth of it.
std::vector<StoreRecord> newest(std::span<const StoreRecord> records, u64 room) {
  std::vector<StoreRecord> kept;
  for (bool pages : {false, true}) {
    for (size_t i = records.size(); i > 0; --i) {
      if ((records[i - 1].kind == RecordKind::page) != pages) continue;
      if (room_of(records[i - 1]) > room) break;
      room -= room_of(records[i - 1]);
      kept.push_back(records[i - 1]);
    }
  }
  std::ranges::sort(kept, {}, &StoreRecord::position);
  return kept;
}

// Writes a whole store with these records into an empty file: records, index, and the header last.
bool write_store(int fd, const StoreOptions& options, u64 size, std::span<const StoreRecord> records) {
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) return false;
  u64 end = store_header_size;
  std::vector<u64> slots;
  for (const StoreRecord& record : records) {
    u64 bytes = record_size(static_cast<u32>(record.keys.size()), static_cast<u32>(record.payload.size()));
    const u8* from = reinterpret_cast<const u8*>(record.keys.data()) - sizeof(RecordHeader);
    if (!write_at(fd, end, {from, bytes})) return false;
    for (u32 tag : tags_of(record.request, record.keys))
      slots.push_back(slot_of(tag, end, is_ahead(record.kind, record.heat)));
    end += round_up_to_unit(bytes);
  }
  std::vector<u64> index = spread(slots, bits_for(slots.size() * 2));
  if (index.empty() || index.size() * 8 > size - end) return errno = EFBIG, false;
  if (!write_at(fd, end, {reinterpret_cast<const u8*>(index.data()), index.size() * 8})) return false;
  StoreHeader header{};
  header.magic = store_magic;
  header.format = store_format;
  header.header_size = store_header_size;
  header.identity = identity_hash(options.identity);
  header.size = size;
  header.created = static_cast<u64>(time(nullptr));
  header.index = index_word(end, static_cast<u32>(__builtin_ctzl(index.size())));
  header.end = end + index.size() * 8;
  strncpy(header.description, options.description.c_str(), sizeof header.description - 1);
  return write_at(fd, 0, as_bytes(header));
}

// Whether a store can be added to. What is wrong with single slots and records does no harm; an index that is somewhere else than
// it should be does: what is appended would end up in it.
bool is_sound(const StoreMapping& mapping) {
  std::span<const u64> index = mapping.index();
  u64 end = mapping.end();
  if (index.empty() || end > mapping.size() || end % store_unit != 0) return false;
  const u8* index_end = reinterpret_cast<const u8*>(index.data() + index.size());
  if (index_end > reinterpret_cast<const u8*>(&mapping.header()) + end) return false;
  u64 used = 0, astray = 0;
  for (u64 slot : index)
    if (slot_position(slot) != 0) ++used, astray += slot_position(slot) >= end;
  return astray <= used / 8;
}

// What this process may make a file as large as, and whole pages.
u64 file_size(u64 limit) {
  rlimit most{};
  if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY)
    limit = std::min<u64>(limit, most.rlim_cur);
  return std::clamp(limit, smallest_store, largest_store) & ~u64{4095};
}

std::unexpected<StoreFailure> failed(const std::string& what, int error) {
  return std::unexpected(StoreFailure{error, what + ": " + strerror(error)});
}

}  // namespace

std::expected<void, StoreFailure> StoreWriter::open(const StoreOptions& options) {
  close();
  options_ = options;
  complained_ = false;
  if (options.directory.empty() || options.identity.empty())
    return std::unexpected(StoreFailure{ENOENT, "no place for a store is known; FERRY_CACHE_DIR names one"});
  path_ = options.directory + "/" + store_file_name(options.identity);
  // A file too large for RLIMIT_FSIZE is an error like a full disk, not the end of the process.
  signal(SIGXFSZ, SIG_IGN);
  auto directory = LockedStoreDirectory::open(options.directory, true);
  if (!directory) return std::unexpected(directory.error());
  return open_in(*directory);
}

void StoreWriter::close() {
  mapping_.unmap();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::expected<void, StoreFailure> StoreWriter::open_in(const LockedStoreDirectory& directory) {
  for (const std::string& name : list_unfinished(directory.fd())) unlinkat(directory.fd(), name.c_str(), 0);
  auto file = open_store_file(directory.fd(), store_file_name(options_.identity), O_RDWR);
  if (!file && file.error().error != ENOENT)
    return std::unexpected(StoreFailure{file.error().error, options_.directory + "/" + file.error().text});
  std::expected<void, StoreFailure> done;
  if (file) {
    if (flock(*file, LOCK_EX | LOCK_NB) != 0) {
      ::close(*file);
      return std::unexpected(StoreFailure{EBUSY, path_ + ": another optimiser writes it"});
    }
    done = adopt(*file);
    if (!done || !is_sound(mapping_) || mapping_.size() != file_size(options_.limit)) done = replace(directory);
  } else {
    done = replace(directory);
  }
  if (!done) return close(), done;
  futimens(fd_, nullptr);  // the least recently used store goes first
  remove_others(directory);
  return done;
}

// Takes the descriptor, which is locked.
std::expected<void, StoreFailure> StoreWriter::adopt(int fd) {
  close();
  fd_ = fd;
  if (auto mapped = mapping_.map(fd, identity_hash(options_.identity)); !mapped) return mapped;
  end_ = mapping_.end();
  used_slots_ = static_cast<u32>(std::ranges::count_if(mapping_.index(), [](u64 slot) { return slot != 0; }));
  return {};
}

// A new file with the newest of the current one's records, as many as fill half of it. The old one's descriptor is closed after the
// rename, so that no other writer gets its lock while it has a name.
std::expected<void, StoreFailure> StoreWriter::replace(const LockedStoreDirectory& directory) {
  std::string name = std::string{unfinished_prefix} + store_file_name(options_.identity);
  unlinkat(directory.fd(), name.c_str(), 0);
  auto file = open_store_file(directory.fd(), name, O_RDWR | O_CREAT | O_EXCL);
  if (!file) return std::unexpected(StoreFailure{file.error().error, options_.directory + "/" + file.error().text});
  u64 size = file_size(options_.limit);
  std::vector<StoreRecord> records;
  if (mapping_.is_mapped()) records = live_records(mapping_);
  bool done = flock(*file, LOCK_EX | LOCK_NB) == 0 && write_store(*file, options_, size, newest(records, size / 2)) &&
              renameat(directory.fd(), name.c_str(), directory.fd(), store_file_name(options_.identity).c_str()) == 0;
  if (!done) {
    int error = errno;
    unlinkat(directory.fd(), name.c_str(), 0);
    ::close(*file);
    return failed(path_, error);
  }
  u64 replaced = 1;
  if (mapping_.is_mapped()) write(offsetof(StoreHeader, replaced), as_bytes(replaced));
  return adopt(*file);
}

void StoreWriter::remove_others(const LockedStoreDirectory& directory) {
  auto items = list_stores(directory.fd());
  u64 total = 0;
  for (const auto& item : items) total += item.allocated;
  for (const auto& item : items) {
    if (total <= options_.limit || item.name == store_file_name(options_.identity)) continue;
    auto file = open_store_file(directory.fd(), item.name, O_RDWR);
    if (!file) continue;
    bool idle = flock(*file, LOCK_EX | LOCK_NB) == 0;
    if (idle && unlinkat(directory.fd(), item.name.c_str(), 0) == 0) total -= item.allocated;
    ::close(*file);
  }
  others_checked_at_ = end_;
}

// Begins anew when the file has lost its name.
bool StoreWriter::still_there() {
  if (fd_ < 0) return false;
  struct stat status;
  if (fstat(fd_, &status) == 0 && status.st_nlink > 0) return true;
  StoreOptions options = options_;
  if (auto done = open(options); !done) return give_up(done.error().text, 0);
  return true;
}

bool StoreWriter::add(u64 request_key, u64 heat, std::span<const u8> region, std::span<const u64> keys) {
  if (!still_there() || region.size() > max_payload || keys.size() > max_record_keys) return false;
  std::span<const u8> known;
  if (find_request(request_key, &known) == Known::region && std::ranges::equal(known, region)) return true;
  RecordHeader header{};
  header.kind = RecordKind::region;
  header.heat = static_cast<u32>(std::min<u64>(heat, ~u32{0}));
  header.request = request_key;
  return append(header, keys, region);
}

bool StoreWriter::remember_bad(u64 request_key, std::string_view why) {
  if (!still_there()) return false;
  if (find_request(request_key) == Known::bad) return true;
  why = why.substr(0, 4096);
  RecordHeader header{};
  header.kind = RecordKind::bad;
  header.request = request_key;
  return append(header, {}, {reinterpret_cast<const u8*>(why.data()), why.size()});
}

bool StoreWriter::add_page(u64 page_key, std::span<const u8> page) {
  if (!still_there() || page.size() > max_payload) return false;
  RecordHeader header{};
  header.kind = RecordKind::page;
  header.request = page_key;
  drop_page(page_key);
  return append(header, {}, page);
}

std::span<const u8> StoreWriter::find_page(u64 page_key) const {
  if (!mapping_.is_mapped()) return {};
  auto record = find_page_record(mapping_, page_key);
  return record ? record->payload : std::span<const u8>{};
}

// Nothing leads to it any more; a reader that has it goes on with it.
void StoreWriter::drop_page(u64 page_key) {
  std::span<const u64> index = mapping_.index();
  auto record = find_page_record(mapping_, page_key);
  if (!record) return;
  u32 tag = slot_tag(page_key, KeyKind::request), bits = static_cast<u32>(__builtin_ctzl(index.size()));
  for (u32 probe = 0; probe < max_probes; ++probe) {
    const u64& slot = index[(slot_home(tag, bits) + probe) & (index.size() - 1)];
    if (slot == 0) return;
    if (slot != slot_of(tag, record->position)) continue;
    write(reinterpret_cast<u64>(&slot) - reinterpret_cast<u64>(&mapping_.header()), as_bytes(slot_of(tag, 0)));
    return;
  }
}

StoreWriter::Known StoreWriter::find_request(u64 request_key, std::span<const u8>* region) const {
  if (!mapping_.is_mapped()) return Known::nothing;
  std::optional<StoreRecord> latest;
  for_each_slot(mapping_.index(), slot_tag(request_key, KeyKind::request), [&](u64 slot) {
    u64 position = slot_position(slot);
    if (latest && position < latest->position) return true;
    auto record = mapping_.record_at(position);
    if (record && record->kind != RecordKind::page && record->request == request_key) latest = record;
    return true;
  });
  if (!latest) return Known::nothing;
  if (latest->kind == RecordKind::bad) return Known::bad;
  if (region != nullptr) *region = latest->payload;
  return Known::region;
}

bool StoreWriter::append(RecordHeader header, std::span<const u64> keys, std::span<const u8> payload) {
  header.key_count = static_cast<u32>(keys.size());
  header.payload_size = static_cast<u32>(payload.size());
  std::vector<u32> tags = tags_of(header.request, keys);
  u64 size = record_size(header.key_count, header.payload_size);
  if (!make_room(round_up_to_unit(size), static_cast<u32>(tags.size()))) return false;

  std::vector<u8> record(size);
  memcpy(record.data(), &header, sizeof header);
  if (!keys.empty()) memcpy(record.data() + sizeof header, keys.data(), keys.size_bytes());
  if (!payload.empty()) memcpy(record.data() + size - payload.size(), payload.data(), payload.size());
  header.checksum = store_checksum(identity_hash(options_.identity), std::span<const u8>{record}.subspan(8));
  memcpy(record.data(), &header.checksum, sizeof header.checksum);

  u64 position = end_;
  u64 end = position + round_up_to_unit(size);
  if (!write(position, record) || !write(offsetof(StoreHeader, end), as_bytes(end))) return false;
  end_ = end;
  return std::ranges::all_of(
      tags, [&](u32 tag) { return insert(slot_of(tag, position, is_ahead(header.kind, header.heat))); });
}

// For a record of that many bytes and slots.
bool StoreWriter::make_room(u64 bytes, u32 slots) {
  if (mapping_.index().empty() && !evict()) return false;  // damaged since it was opened
  auto crowded = [&] {
    return bits_for(used_slots_ + slots) > static_cast<u32>(__builtin_ctzl(mapping_.index().size()));
  };
  u64 index_bytes = crowded() ? u64{8} << bits_for(used_slots_ + slots) : 0;
  if (bytes + index_bytes > mapping_.size() - end_ && !evict()) return false;
  if (crowded() && !grow_index(slots)) return false;
  if (bytes > mapping_.size() - end_) return false;  // larger than half a store
  if (end_ - std::min(others_checked_at_, end_) >= others_check_step)
    if (auto directory = LockedStoreDirectory::open(options_.directory, false)) remove_others(*directory);
  return true;
}

bool StoreWriter::grow_index(u32 slots) {
  std::vector<u64> live;
  for (u64 slot : mapping_.index())
    if (slot_position(slot) != 0) live.push_back(slot);
  std::vector<u64> index =
      spread(live, std::max(bits_for(live.size() + slots), static_cast<u32>(__builtin_ctzl(mapping_.index().size()))));
  if (index.empty() || index.size() * 8 > mapping_.size() - end_) return false;
  if (!write(end_, {reinterpret_cast<const u8*>(index.data()), index.size() * 8})) return false;
  u64 word = index_word(end_, static_cast<u32>(__builtin_ctzl(index.size())));
  u64 end = end_ + index.size() * 8;
  if (!write(offsetof(StoreHeader, end), as_bytes(end))) return false;
  end_ = end;
  used_slots_ = static_cast<u32>(live.size());
  return write(offsetof(StoreHeader, index), as_bytes(word));
}

bool StoreWriter::insert(u64 slot) {
  std::span<const u64> index = mapping_.index();
  auto at = choose_slot(index, static_cast<u32>(slot >> 32));
  if (!at) return true;  // too crowded just there: the record is not found by this key
  if (index[*at] == 0) ++used_slots_;
  u64 index_at = reinterpret_cast<u64>(index.data()) - reinterpret_cast<u64>(&mapping_.header());
  return write(index_at + *at * 8, as_bytes(slot));
}

bool StoreWriter::evict() {
  if (fd_ < 0) return false;
  auto directory = LockedStoreDirectory::open(options_.directory, false);
  if (!directory) return give_up(directory.error().text, 0);
  if (auto done = replace(*directory); !done) return give_up(done.error().text, 0);
  return true;
}

bool StoreWriter::write(u64 position, std::span<const u8> bytes) {
  if (write_at(fd_, position, bytes)) return true;
  return give_up(path_, errno);
}

bool StoreWriter::give_up(const std::string& what, int error) {
  if (!complained_)
    log(Log::warning, "regions are not stored: %s%s%s", what.c_str(), error != 0 ? ": " : "",
        error != 0 ? strerror(error) : "");
  complained_ = true;
  close();
  return false;
}

}  // namespace ferry::optimizer
