#include "translator/perf/perf.h"

#include <unistd.h>

#include "guest/log.h"

namespace ferry::perf {

Reporter::Reporter(Options options) : options_(std::move(options)) { open_files(options_.continued); }

void Reporter::open_files(bool continued) {
  auto keep = [&](int fd) { return options_.take_descriptor != nullptr ? options_.take_descriptor(fd) : fd; };
  auto gone = [&](int fd) {
    if (options_.release_descriptor != nullptr) options_.release_descriptor(fd);
  };
  map_.reset();
  jitdump_.reset();
  if (options_.map) {
    map_.emplace(getpid(), continued, keep, gone);
    if (!map_->is_open()) log(Log::warning, "no map for perf: %s cannot be made", map_->path().c_str());
  }
  if (options_.jitdump) {
    jitdump_.emplace(getpid(), keep, gone);
    if (!jitdump_->is_open()) log(Log::warning, "no jitdump: %s cannot be made", jitdump_->path().c_str());
  }
}

void Reporter::add(u64 pc, const char* suffix, u64 run, std::span<const u8> code) {
  std::string name = options_.name_of(pc) + suffix;
  if (map_) map_->add(run, code.size(), name);
  if (jitdump_) jitdump_->add(run, code, name);
}

void Reporter::block_added(const cache::Generation& generation, const cache::Block& block) {
  u64 run = generation.code.run_base() + block.begin;
  add(block.pc, "", run, {generation.code.readable(run), block.end - block.begin});
}

void Reporter::region_added(const cache::Generation& generation, const cache::InstalledRegion& region) {
  u64 run = generation.code.run_base() + region.begin;
  add(generation.regions.entries[region.first_entry].pc, " [region]", run,
      {generation.code.readable(run), region.end - region.begin});
}

void Reporter::after_fork_in_child(const cache::Generation& generation) {
  open_files(false);
  for (size_t i = 0; i < generation.blocks.size(); i++) block_added(generation, generation.blocks[i]);
  for (const cache::InstalledRegion& region : generation.regions.regions) region_added(generation, region);
}

}  // namespace ferry::perf
