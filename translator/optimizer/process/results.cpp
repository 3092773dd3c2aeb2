#include "translator/optimizer/process/results.h"

#include <time.h>

#include <cerrno>

#include "guest/log.h"
#include "translator/optimizer/client.h"

namespace ferry::optimizer {

namespace {

constexpr size_t max_kept_bytes = size_t{64} << 20;
constexpr size_t max_remembered = 100'000;  // bad ones, and tried spots
constexpr u64 try_again_hotter = 4;         // a spot whose heat has grown so many times may be formed better by now
constexpr u64 store_retry_seconds = 10;  // another optimiser has it: one that is about to end, or of another container

u64 seconds() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<u64>(t.tv_sec) + 1;
}

}  // namespace

Results::Results(const StoreOptions& options) : options_(options), profile_(options.directory) { store_ready(); }

bool Results::store_ready() {
  if (store_.is_open()) return true;
  if (options_.directory.empty() || seconds() < try_store_at_) return false;
  auto opened = store_.open(options_);
  if (opened) return true;
  if (try_store_at_ == 0) log(Log::optimizer, "store: %s", opened.error().text.c_str());
  // What is wrong with the directory stays wrong.
  try_store_at_ = opened.error().error == EBUSY ? seconds() + store_retry_seconds : ~u64{0};
  return false;
}

Results::Known Results::find(u64 request_key) {
  using enum Known::Kind;
  if (auto found = bad_.find(request_key); found != bad_.end()) return {bad, {}, found->second};
  if (auto found = kept_by_key_.find(request_key); found != kept_by_key_.end()) {
    kept_.splice(kept_.begin(), kept_, found->second);
    return {region, kept_.front().region, {}};
  }
  if (!store_ready()) return {};
  std::span<const u8> bytes;
  switch (store_.find_request(request_key, &bytes)) {
    case StoreWriter::Known::bad:
      return {bad, {}, "nothing could be made of it before"};
    case StoreWriter::Known::region:
      if (!read_region(bytes)) return {};
      keep(request_key, {bytes.begin(), bytes.end()});
      return {region, kept_.front().region, {}};
    case StoreWriter::Known::nothing:
      break;
  }
  return {};
}

void Results::keep(u64 request_key, std::vector<u8> region) {
  if (kept_by_key_.contains(request_key)) return;
  kept_bytes_ += region.size();
  kept_.push_front({request_key, std::move(region)});
  kept_by_key_[request_key] = kept_.begin();
  while (kept_bytes_ > max_kept_bytes && kept_.size() > 1) {
    kept_bytes_ -= kept_.back().region.size();
    kept_by_key_.erase(kept_.back().key);
    kept_.pop_back();
  }
}

void Results::add(const Request& request, u64 request_key, std::vector<u8> region) {
  if (request.storable && store_ready()) {
    if (auto parsed = read_region(region)) store_.add(request_key, request.heat, region, entry_keys(*parsed));
  }
  keep(request_key, std::move(region));
}

void Results::remember_bad(const Request& request, u64 request_key, std::string why) {
  if (request.storable && store_ready()) store_.remember_bad(request_key, why);
  if (bad_.size() >= max_remembered) bad_.clear();
  bad_[request_key] = std::move(why);
}

bool Results::add_heat(const Request& request) {
  u64 heat = profile_.add(request);
  if (heat < accumulated_heat) return false;
  if (tried_at_heat_.size() >= max_remembered) tried_at_heat_.clear();
  u64& tried = tried_at_heat_[heat_key(request)];
  if (tried != 0 && heat / try_again_hotter < tried) return false;
  tried = heat;
  return true;
}

void Results::save() { profile_.save(); }

}  // namespace ferry::optimizer
