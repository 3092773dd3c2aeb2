#include "translator/optimizer/store_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferry::optimizer {

namespace {

std::unexpected<StoreFailure> failed(int error, std::string text) {
  return std::unexpected(StoreFailure{error, std::move(text)});
}

std::unexpected<StoreFailure> failed(const std::string& what, int error) {
  return failed(error, what + ": " + strerror(error));
}

// Empty: it is this user's alone.
std::string objection(const struct stat& status, const char* mode) {
  if (status.st_uid != geteuid()) return "belongs to another user; FERRY_CACHE_DIR names another place";
  if ((status.st_mode & 077) != 0)
    return std::string{"others than its owner may use it; `chmod "} + mode + "` it, or remove it";
  return {};
}

// At most two, as for ~/.cache/ferry: where there is no home, none is begun. What cannot be made cannot be opened either, and that is
// said there.
void make_directories(const std::string& directory) {
  if (size_t slash = directory.rfind('/'); slash != directory.npos && slash != 0)
    mkdir(directory.substr(0, slash).c_str(), 0700);
  mkdir(directory.c_str(), 0700);
}

std::vector<std::string> names_with(int directory, std::string_view prefix) {
  std::vector<std::string> names;
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = fd >= 0 ? fdopendir(fd) : nullptr;
  if (stream == nullptr) return fd >= 0 ? (close(fd), names) : names;
  while (const dirent* entry = readdir(stream))
    if (std::string_view{entry->d_name}.starts_with(prefix)) names.emplace_back(entry->d_name);
  closedir(stream);
  std::ranges::sort(names);
  return names;
}

}  // namespace

std::expected<int, StoreFailure> open_store_directory(const std::string& directory) {
  int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
    return failed(errno, directory + ": is no directory, or a symbolic link; FERRY_CACHE_DIR names the place itself");
  if (fd < 0) return failed(directory, errno);
  struct stat status;
  if (fstat(fd, &status) != 0) status.st_uid = ~geteuid();
  if (std::string text = objection(status, "700"); !text.empty()) {
    close(fd);
    return failed(EPERM, directory + ": " + text);
  }
  return fd;
}

std::expected<int, StoreFailure> open_store_file(int directory, const std::string& name, int flags) {
  // O_NONBLOCK: something else than a file of that name must not hold ferry up.
  int fd = openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0 && errno == ELOOP) return failed(ELOOP, name + ": is a symbolic link; remove it");
  if (fd < 0) return failed(name, errno);
  struct stat status;
  std::string text;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    text = "is not a file; remove it";
  else
    text = objection(status, "600");
  if (text.empty()) return fd;
  close(fd);
  return failed(EPERM, name + ": " + text);
}

std::expected<LockedStoreDirectory, StoreFailure> LockedStoreDirectory::open(const std::string& directory,
                                                                             bool create) {
  if (create) make_directories(directory);
  auto fd = open_store_directory(directory);
  if (!fd) return std::unexpected(fd.error());
  LockedStoreDirectory locked{*fd};
  auto lock = open_store_file(*fd, "lock", O_RDWR | O_CREAT);
  if (!lock) return failed(lock.error().error, directory + "/" + lock.error().text);
  locked.lock_ = *lock;
  for (int attempt = 0; flock(*lock, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK) return failed(directory + "/lock", errno);
    if (attempt == 200) return failed(EBUSY, directory + ": another ferry is changing it; try again");
    usleep(5000);
  }
  return locked;
}

LockedStoreDirectory::~LockedStoreDirectory() {
  if (lock_ >= 0) close(lock_);
  if (fd_ >= 0) close(fd_);
}

std::vector<StoreItem> list_stores(int directory) {
  std::vector<StoreItem> items;
  for (std::string& name : names_with(directory, store_prefix)) {
    struct stat status;
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) continue;
    items.push_back(
        {std::move(name), static_cast<u64>(status.st_size), static_cast<u64>(status.st_blocks) * 512, status.st_mtime});
  }
  std::ranges::sort(items, {}, &StoreItem::used);
  return items;
}

std::vector<std::string> list_unfinished(int directory) { return names_with(directory, unfinished_prefix); }

std::expected<void, StoreFailure> StoreMapping::map(int fd, u64 identity) {
  unmap();
  struct stat status;
  if (fstat(fd, &status) != 0) return failed("store", errno);
  u64 size = static_cast<u64>(status.st_size);
  if (size < smallest_store || size > largest_store) return failed(EINVAL, "is cut, or no store");
  void* memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return failed("cannot be mapped", errno);
  header_ = static_cast<const StoreHeader*>(memory);
  size_ = size;
  if (header_->magic == store_magic && header_->format == store_format && header_->header_size == store_header_size &&
      header_->size == size && header_->identity == identity)
    return {};
  unmap();
  return failed(EINVAL, "is cut, altered or of another ferry");
}

void StoreMapping::unmap() {
  if (header_ != nullptr) munmap(const_cast<StoreHeader*>(header_), size_);
  header_ = nullptr;
  size_ = 0;
}

u64 StoreMapping::end() const { return __atomic_load_n(&header_->end, __ATOMIC_ACQUIRE); }

std::span<const u64> StoreMapping::index() const {
  if (header_ == nullptr) return {};
  u64 word = __atomic_load_n(&header_->index, __ATOMIC_ACQUIRE);
  u32 bits = index_bits(word);
  u64 position = index_position(word), limit = filled();
  if (bits < smallest_index_bits || bits > largest_index_bits || position < store_header_size || position >= limit ||
      (u64{8} << bits) > limit - position)
    return {};
  return {reinterpret_cast<const u64*>(bytes() + position), size_t{1} << bits};
}

u64 record_extent(const RecordHeader& header, u64 available) {
  if (header.kind != RecordKind::region && header.kind != RecordKind::bad && header.kind != RecordKind::page) return 0;
  if (header.key_count > max_record_keys || header.payload_size > max_payload) return 0;
  u64 size = record_size(header.key_count, header.payload_size);
  return size <= available ? size : 0;
}

std::optional<StoreRecord> check_record(std::span<const u8> record, u64 position, u64 identity) {
  RecordHeader header;
  memcpy(&header, record.data(), sizeof header);
  if (record_extent(header, record.size()) != record.size()) return {};
  if (store_checksum(identity, record.subspan(sizeof header.checksum)) != header.checksum) return {};
  const u8* keys = record.data() + sizeof header;
  return StoreRecord{.position = position,
                     .kind = header.kind,
                     .heat = header.heat,
                     .request = header.request,
                     .keys = {reinterpret_cast<const u64*>(keys), header.key_count},
                     .payload = record.last(header.payload_size)};
}

u64 StoreMapping::available_at(u64 position) const {
  u64 limit = filled();
  if (position < store_header_size || position % store_unit != 0 || position >= limit) return 0;
  return limit - position >= sizeof(RecordHeader) ? limit - position : 0;
}

std::optional<StoreRecord> StoreMapping::record_at(u64 position) const {
  u64 available = available_at(position);
  if (available == 0) return {};
  RecordHeader header;
  memcpy(&header, bytes() + position, sizeof header);
  u64 size = record_extent(header, available);
  if (size == 0) return {};
  return check_record({bytes() + position, size}, position, header_->identity);
}

u64 store_checksum(u64 identity, std::span<const u8> record_behind_checksum) {
  return XXH3_64bits_withSeed(record_behind_checksum.data(), record_behind_checksum.size(), identity);
}

u64 identity_hash(std::string_view identity) { return XXH3_64bits(identity.data(), identity.size()); }

}  // namespace ferry::optimizer
