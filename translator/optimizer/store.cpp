#include "translator/optimizer/store.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#if defined(__x86_64__)
#include <sys/platform/x86.h>
#else
#include <sys/auxv.h>
#endif

#include "guest/log.h"

extern "C" [[gnu::visibility("hidden")]] const char __ehdr_start[];  // NOLINT(readability-identifier-naming)

namespace ferry::optimizer {

namespace {

constexpr size_t usual_record = 16 * 1024;  // what is not longer is read in one call

constexpr u64 align4(u64 size) { return (size + 3) & ~u64{3}; }

// The linker's hash of this program: the note NT_GNU_BUILD_ID. Empty: linked without.
std::span<const u8> build_id() {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(__ehdr_start);
  const auto* programs = reinterpret_cast<const Elf64_Phdr*>(__ehdr_start + header->e_phoff);
  // A program at a fixed address (a test's) has its first segment's address in the headers; a position-independent one 0.
  const Elf64_Phdr* first = std::find_if(programs, programs + header->e_phnum,
                                         [](const Elf64_Phdr& program) { return program.p_type == PT_LOAD; });
  const char* bias = __ehdr_start - first->p_vaddr;
  for (const Elf64_Phdr* program = programs; program != programs + header->e_phnum; ++program) {
    if (program->p_type != PT_NOTE) continue;
    const char* note = bias + program->p_vaddr;
    for (const char* end = note + program->p_memsz; note + sizeof(Elf64_Nhdr) <= end;) {
      const auto* head = reinterpret_cast<const Elf64_Nhdr*>(note);
      const char* name = note + sizeof *head;
      const char* description = name + align4(head->n_namesz);
      if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
        return {reinterpret_cast<const u8*>(description), head->n_descsz};
      note = description + align4(head->n_descsz);
    }
  }
  return {};
}

template <class T>
std::span<const u8> as_bytes(const T& value) {
  return {reinterpret_cast<const u8*>(&value), sizeof value};
}

void append_hex(std::string& text, std::span<const u8> bytes) {
  for (u8 byte : bytes)
    for (u8 digit : {byte >> 4, byte & 15}) text += "0123456789abcdef"[digit];
}

// What the processor offers and the kernel allows, from what the C library asked it at the start: CPUID is slow under a hypervisor.
void append_processor(std::string& text) {
#if defined(__x86_64__)
  // `active` has the bits that the C library knows; three leaves are wanted whole. (That of leaf 1 tells cores apart.)
  for (unsigned leaf :
       {CPUID_INDEX_1, CPUID_INDEX_7, CPUID_INDEX_80000001, CPUID_INDEX_D_ECX_1, CPUID_INDEX_7_ECX_1, CPUID_INDEX_19}) {
    const cpuid_feature& feature = *__x86_get_cpuid_feature_leaf(leaf);
    append_hex(text, as_bytes(feature.active_array));
    if (leaf == CPUID_INDEX_7 || leaf == CPUID_INDEX_80000001 || leaf == CPUID_INDEX_7_ECX_1)
      append_hex(text, as_bytes(feature.cpuid_array));
  }
#else
  unsigned long offered[] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
  append_hex(text, as_bytes(offered));
#endif
}

}  // namespace

std::string store_directory() {
  const char* place = getenv("FERRY_CACHE_DIR");
  if (place != nullptr && *place != 0) return place;
  // A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification).
  place = getenv("XDG_CACHE_HOME");
  if (place != nullptr && *place == '/') return std::string{place} + "/ferry";
  place = getenv("HOME");
  if (place == nullptr || *place != '/') return {};
  return std::string{place} + "/.cache/ferry";
}

std::expected<u64, std::string> parse_store_size(std::string_view text) {
  u64 value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view suffix{rest, static_cast<size_t>(text.data() + text.size() - rest)};
  u32 shift = suffix.empty() ? 0 : suffix == "K" ? 10 : suffix == "M" ? 20 : suffix == "G" ? 30 : 64;
  if (error != std::errc{} || shift == 64 || value > largest_store >> shift || value << shift < smallest_store)
    return std::unexpected("FERRY_CACHE_SIZE=" + std::string{text} + ": a size from 1M to 64G is meant");
  return value << shift;
}

std::expected<u64, std::string> store_limit() {
  const char* text = getenv("FERRY_CACHE_SIZE");
  return text == nullptr || *text == 0 ? default_store_size : parse_store_size(text);
}

std::string store_identity() {
  std::span<const u8> build = build_id();
  if (build.empty()) return {};
  std::string identity = "build ";
  append_hex(identity, build);
  identity += " guest aarch64 processor ";
  append_processor(identity);
  return identity;
}

std::string store_file_name(std::string_view identity) {
  char name[32];
  snprintf(name, sizeof name, "regions-%016lx", identity_hash(identity));
  return name;
}

void StoreReader::close() {
  mapping_.unmap();
  if (fd_ < 0) return;
  keeper_.release(fd_);
  // A thread that has other descriptors (CLONE_FILES, unshare(2)) may have a file of the guest's there.
  if (struct stat status; fstat(fd_, &status) == 0 && status.st_ino == inode_) ::close(fd_);
  fd_ = -1;
}

bool StoreReader::open(const std::string& directory, std::string_view identity, bool secure) {
  close();
  if (secure || directory.empty() || identity.empty()) return false;
  auto folder = open_store_directory(directory);
  if (!folder) {
    if (folder.error().error != ENOENT) warn(folder.error().text);
    return false;
  }
  std::string name = store_file_name(identity);
  auto file = open_store_file(*folder, name, O_RDONLY);
  ::close(*folder);
  if (!file) {
    if (file.error().error != ENOENT) warn(directory + "/" + file.error().text);
    return false;
  }
  auto mapped = mapping_.map(*file, identity_hash(identity));
  if (struct stat status; mapped && keeper_.take != nullptr && fstat(*file, &status) == 0) {
    inode_ = status.st_ino;
    fd_ = keeper_.take(*file);
  }
  if (fd_ < 0) ::close(*file);
  if (!mapped) {
    warn(directory + "/" + name + " " + mapped.error().text +
         (mapped.error().unusable() ? "; `ferry cache verify` removes it" : ""));
    return false;
  }
  warned_.clear();
  return true;
}

void StoreReader::warn(const std::string& why) {
  if (why == warned_) return;
  log(Log::warning, "no store is used: %s", why.c_str());
  warned_ = why;
}

StoreReader::Chances StoreReader::chances(u64 key) {
  Chances found;
  if (is_open())
    for_each_slot(mapping_.index(), slot_tag(key, KeyKind::entry), [&](u64 slot) {
      (slot_is_ahead(slot) ? found.ahead : found.asked_for) = true;
      return true;
    });
  return found;
}

StoreCandidates StoreReader::look_up(u64 key, bool ahead) {
  StoreCandidates found;
  if (!is_open()) return found;
  u64 positions[max_candidates];
  u32 count = 0;
  for_each_slot(mapping_.index(), slot_tag(key, KeyKind::entry), [&](u64 slot) {
    if (slot_is_ahead(slot) == ahead)
      positions[count++] = slot_position(slot);
    else
      found.more_ahead |= !ahead;
    return count < max_candidates;
  });
  std::sort(positions, positions + count, std::greater<>{});
  used_ = 0;
  for (u32 i = 0; i < count; ++i) {
    if (i > 0 && positions[i] == positions[i - 1]) continue;
    auto record = record_at(positions[i]);
    if (!record || record->kind != RecordKind::region) continue;
    for (u32 entry = 0; entry < record->keys.size() && found.count < max_candidates; ++entry)
      if (record->keys[entry] == key) found.items[found.count++] = {record->payload, entry};
  }
  return found;
}

std::span<const u8> StoreReader::find_page(u64 key) {
  if (!is_open()) return {};
  used_ = 0;
  auto record = find_page_record(mapping_.index(), key, [this](u64 position) { return record_at(position); });
  return record ? record->payload : std::span<const u8>{};
}

// What cannot be read is found in the mapping.
std::optional<StoreRecord> StoreReader::record_at(u64 position) {
  auto record = fd_ >= 0 ? read(position) : std::nullopt;
  return record ? record : mapping_.record_at(position);
}

// In one call or two; nullopt where there is no record, or no room for it.
std::optional<StoreRecord> StoreReader::read(u64 position) {
  u64 available = mapping_.available_at(position);
  std::span<u8> room = buffer_.subspan(used_), first = room.first(std::min({available, room.size(), usual_record}));
  RecordHeader header;
  if (first.size() < sizeof header || !read_at(position, first)) return {};
  memcpy(&header, first.data(), sizeof header);
  u64 size = record_extent(header, available);
  if (size == 0 || size > room.size()) return {};
  std::span<u8> record = room.first(size);
  if (size > first.size() && !read_at(position + first.size(), record.subspan(first.size()))) return {};
  used_ += std::min(round_up_to_unit(size), room.size());
  return check_record(record, position, mapping_.header().identity);
}

bool StoreReader::read_at(u64 position, std::span<u8> bytes) const {
  ssize_t got = pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(position));
  return got >= 0 && static_cast<size_t>(got) == bytes.size();
}

}  // namespace ferry::optimizer
