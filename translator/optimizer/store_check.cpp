#include "translator/optimizer/store_check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "translator/optimizer/kept_page.h"
#include "translator/optimizer/region.h"
#include "translator/optimizer/store.h"

namespace ferry::optimizer {

namespace {

class Checker {
 public:
  Checker(int fd, const StoreMapping& mapping, StoreCheckOptions options)
      : fd_(fd), mapping_(mapping), options_(options) {}

  StoreCheck check() {
    result_.size = mapping_.size();
    result_.used = mapping_.end();
    const char* text = mapping_.header().description;
    result_.description.assign(text, strnlen(text, sizeof mapping_.header().description));
    std::span<const u64> index = mapping_.index();
    if (index.empty()) return result_.failure = "its index is damaged", result_;
    for (const u64& slot : index) check_slot(StoreMapping::read_slot(slot));
    for (const auto& [position, good] : records_) result_.damaged += !good;
    // An index that leads astray as a whole is no index: its place may be that of good records by now.
    if (astray_ > used_ / 2) result_.failure = "its index is damaged";
    if (options_.drop && result_.failure.empty()) drop_damaged(index);
    return result_;
  }

 private:
  // Positions that are not in order as records count once, however many slots lead there; so do slots that are not theirs.
  void check_slot(u64 slot) {
    u64 position = slot_position(slot);
    if (position == 0) return;
    ++used_;
    auto [known, is_new] = records_.try_emplace(position, false);
    auto record = is_new || known->second ? mapping_.record_at(position) : std::nullopt;
    if (is_new) known->second = record && is_right(*record);
    if (!known->second) {
      astray_ += !record;
      return;
    }
    if (!leads_to(slot, *record)) strays_.push_back(slot), ++result_.damaged, ++astray_;
  }

  static bool leads_to(u64 slot, const StoreRecord& record) {
    u32 tag = static_cast<u32>(slot >> 32);
    return tag == slot_tag(record.request, KeyKind::request) ||
           std::ranges::any_of(record.keys, [&](u64 key) { return key != 0 && tag == slot_tag(key, KeyKind::entry); });
  }

  bool is_right(const StoreRecord& record) {
    if (record.kind == RecordKind::bad) return ++result_.bad_requests, true;
    if (record.kind == RecordKind::page) return is_right_page(record);
    if (options_.parse) {
      auto region = read_region(record.payload);
      if (!region || !std::ranges::equal(entry_keys(*region), record.keys)) return false;
      result_.code_bytes += region->code.size();
      result_.instructions += region->instructions;
    }
    ++result_.regions;
    result_.entries += static_cast<u64>(std::ranges::count_if(record.keys, [](u64 key) { return key != 0; }));
    result_.region_bytes += record.payload.size();
    return true;
  }

  bool is_right_page(const StoreRecord& record) {
    if (options_.parse && !read_page(record.payload)) return false;
    ++result_.pages;
    result_.page_bytes += record.payload.size();
    return true;
  }

  // As the writer writes a slot: should it do so at the same time, it writes one that is right.
  void drop_damaged(std::span<const u64> index) {
    for (const u64& place : index) {
      u64 slot = StoreMapping::read_slot(place), position = slot_position(slot);
      if (position == 0) continue;
      auto known = records_.find(position);
      bool good = known == records_.end() || (known->second && std::ranges::find(strays_, slot) == strays_.end());
      if (good) continue;
      u64 dropped = slot_of(static_cast<u32>(slot >> 32), 0);
      u64 at = reinterpret_cast<u64>(&place) - reinterpret_cast<u64>(&mapping_.header());
      result_.dropped += pwrite(fd_, &dropped, sizeof dropped, static_cast<off_t>(at)) == sizeof dropped;
    }
  }

  int fd_;
  const StoreMapping& mapping_;
  StoreCheckOptions options_;
  StoreCheck result_;
  std::map<u64, bool> records_;  // by position: is it in order?
  std::vector<u64> strays_;      // slots that lead to a record that is not theirs
  u64 used_ = 0, astray_ = 0;
};

u64 identity_in_name(const std::string& name) {
  return std::strtoull(name.substr(std::min(name.size(), store_prefix.size())).c_str(), nullptr, 16);
}

// A store that no writer has open.
bool remove_store(int directory, const std::string& name, int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(directory, name.c_str(), 0) == 0;
}

}  // namespace

StoreCheck check_store(const std::string& directory, const std::string& name, StoreCheckOptions options) {
  StoreCheck result;
  auto folder = open_store_directory(directory);
  if (!folder) return result.failure = folder.error().text, result;
  auto file = open_store_file(*folder, name, options.drop ? O_RDWR : O_RDONLY);
  if (!file) {
    close(*folder);
    return result.failure = file.error().text, result;
  }
  StoreMapping mapping;
  auto mapped = mapping.map(*file, identity_in_name(name));
  if (mapped)
    result = Checker(*file, mapping, options).check();
  else
    result.failure = mapped.error().text;
  result.unusable = mapped ? !result.failure.empty() : mapped.error().unusable();
  if (options.drop && result.unusable) result.removed = remove_store(*folder, name, *file);
  close(*file);
  close(*folder);
  return result;
}

}  // namespace ferry::optimizer
