#include "translator/optimizer/profile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "translator/optimizer/store_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferry::optimizer {

namespace {

constexpr u64 profile_magic = 0x31'45'4c'49'46'4f'52'50;  // "PROFILE1"
constexpr const char* file_name = "profile";
constexpr size_t max_spots = 50'000, max_file_bytes = size_t{64} << 20, max_path = 4096;

struct FileHeader {
  u64 magic, checksum;  // of what follows
};

// A spot's fixed part; then its path, entries, extents and indirect targets.
struct Row {
  u64 key, heat, file_offset;
  u32 last_day;
  u16 path_size, entries, extents, indirect_targets;
};

u32 today() { return static_cast<u32>(time(nullptr) / 86400); }

template <class T>
void put(std::vector<u8>& to, const T* items, size_t count) {
  const u8* bytes = reinterpret_cast<const u8*>(items);
  to.insert(to.end(), bytes, bytes + count * sizeof(T));
}

template <class T>
bool take(std::span<const u8>& from, T* items, size_t count) {
  if (from.size() < count * sizeof(T)) return false;
  if (count != 0) memcpy(items, from.data(), count * sizeof(T));
  from = from.subspan(count * sizeof(T));
  return true;
}

std::vector<u8> read_whole(const std::string& directory) {
  std::vector<u8> bytes;
  auto folder = open_store_directory(directory);
  if (!folder) return bytes;
  auto file = open_store_file(*folder, file_name, O_RDONLY);
  close(*folder);
  if (!file) return bytes;
  struct stat status;
  if (fstat(*file, &status) == 0 && static_cast<u64>(status.st_size) <= max_file_bytes) {
    bytes.resize(static_cast<size_t>(status.st_size));
    ssize_t count = read(*file, bytes.data(), bytes.size());
    bytes.resize(count < 0 ? 0 : static_cast<size_t>(count));
  }
  close(*file);
  return bytes;
}

bool take_spot(std::span<const u8>& from, std::unordered_map<u64, HotSpot>& spots) {
  Row row;
  if (!take(from, &row, 1)) return false;
  if (row.path_size > max_path || row.entries > max_entries || row.extents > max_region_instructions ||
      row.indirect_targets > max_region_instructions)
    return false;
  HotSpot spot;
  spot.heat = row.heat;
  spot.last_day = row.last_day;
  spot.file_offset = row.file_offset;
  spot.file.resize(row.path_size);
  spot.entries.resize(row.entries);
  spot.extents.resize(row.extents);
  spot.indirect_targets.resize(row.indirect_targets);
  if (!take(from, spot.file.data(), row.path_size) || !take(from, spot.entries.data(), row.entries) ||
      !take(from, spot.extents.data(), row.extents) || !take(from, spot.indirect_targets.data(), row.indirect_targets))
    return false;
  spots.insert_or_assign(row.key, std::move(spot));
  return true;
}

void put_spot(std::vector<u8>& to, u64 key, const HotSpot& spot) {
  Row row{.key = key,
          .heat = spot.heat,
          .file_offset = spot.file_offset,
          .last_day = spot.last_day,
          .path_size = static_cast<u16>(spot.file.size()),
          .entries = static_cast<u16>(spot.entries.size()),
          .extents = static_cast<u16>(spot.extents.size()),
          .indirect_targets = static_cast<u16>(spot.indirect_targets.size())};
  put(to, &row, 1);
  put(to, spot.file.data(), spot.file.size());
  put(to, spot.entries.data(), spot.entries.size());
  put(to, spot.extents.data(), spot.extents.size());
  put(to, spot.indirect_targets.data(), spot.indirect_targets.size());
}

bool write_whole(int fd, std::span<const u8> bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

Profile::Profile(std::string directory) : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  std::vector<u8> bytes = read_whole(directory_);
  std::span<const u8> rest = bytes;
  FileHeader header;
  if (!take(rest, &header, 1) || header.magic != profile_magic) return;
  if (XXH3_64bits(rest.data(), rest.size()) != header.checksum) return;
  while (!rest.empty() && take_spot(rest, spots_)) {}
}

u64 Profile::add(const Request& request) {
  u64 key = heat_key(request);
  if (request.heat == 0) return spots_.contains(key) ? spots_[key].heat : 0;
  if (spots_.size() >= max_spots && !spots_.contains(key)) forget_coldest();
  HotSpot& spot = spots_[key];
  changed_ = true;
  spot.heat += request.heat;
  spot.last_day = today();
  // What cannot be made again from a file needs no shape.
  if (!request.storable || request.file.size() > max_path) return spot.heat;
  spot.file = request.file;
  spot.file_offset = request.file_offset;
  spot.entries = request.entries;
  spot.indirect_targets = request.indirect_targets;
  spot.extents.clear();
  for (const Stretch& stretch : request.stretches)
    spot.extents.push_back({stretch.offset, static_cast<u32>(stretch.words.size())});
  return spot.heat;
}

// Half of them, those that have not been hot for longest and the coolest of a day.
void Profile::forget_coldest() {
  std::vector<std::pair<std::pair<u32, u64>, u64>> order;
  order.reserve(spots_.size());
  for (const auto& [key, spot] : spots_) order.push_back({{spot.last_day, spot.heat}, key});
  std::ranges::nth_element(order, order.begin() + static_cast<long>(order.size() / 2));
  for (size_t i = 0; i < order.size() / 2; ++i) spots_.erase(order[i].second);
}

bool Profile::save() {
  if (!changed_ || directory_.empty()) return true;
  std::vector<u8> bytes(sizeof(FileHeader));
  for (const auto& [key, spot] : spots_) put_spot(bytes, key, spot);
  FileHeader header{profile_magic, XXH3_64bits(bytes.data() + sizeof header, bytes.size() - sizeof header)};
  memcpy(bytes.data(), &header, sizeof header);

  auto folder = open_store_directory(directory_);
  if (!folder) return false;
  std::string name = std::string{unfinished_prefix} + file_name;
  unlinkat(*folder, name.c_str(), 0);
  auto file = open_store_file(*folder, name, O_WRONLY | O_CREAT | O_EXCL);
  bool done = file && write_whole(*file, bytes) && renameat(*folder, name.c_str(), *folder, file_name) == 0;
  if (!done) unlinkat(*folder, name.c_str(), 0);
  if (file) close(*file);
  close(*folder);
  changed_ = !done;
  return done;
}

u64 heat_key(const Request& request) {
  return request.entries.empty() ? 0 : entry_key(request.stretches, request.entries[0]);
}

u64 request_key(const Request& request) {
  std::vector<u32> all;
  for (const Stretch& stretch : request.stretches) {
    all.push_back(stretch.offset);
    all.push_back(static_cast<u32>(stretch.words.size()));
    all.insert(all.end(), stretch.words.begin(), stretch.words.end());
  }
  all.push_back(~u32{0});
  all.insert(all.end(), request.entries.begin(), request.entries.end());
  all.push_back(~u32{0});
  for (const IndirectTarget& target : request.indirect_targets) {
    all.push_back(target.site);
    all.push_back(target.target);
  }
  return XXH3_64bits(all.data(), all.size() * sizeof(u32));
}

}  // namespace ferry::optimizer
