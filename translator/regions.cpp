#include "translator/regions.h"

#include "guest/log.h"
#include "translator/optimizer/install.h"
#include "translator/state.h"

namespace ferry::translator {

using optimizer::Region;

namespace {
bool install_locked(u64 base, const Region& region) {
  if (!optimizer::matches_guest(region, base, executable_ranges) || !optimizer::helpers_known(region)) {
    counters.discarded_regions++;
    log(Log::translate, "region at %#llx: not installed, the guest's code is another", (unsigned long long)base);
    return false;
  }
  if (!optimizer::has_room(*current.load(std::memory_order_relaxed), region)) flush_generation();
  for (const optimizer::Stretch& stretch : region.stretches)
    note_translated(base + stretch.offset, base + stretch.offset + 4 * stretch.words.size());
  optimizer::install(*current.load(std::memory_order_relaxed), region, base);
  counters.installed_regions++;
  return true;
}
}  // namespace

bool install_region(u64 base, const Region& region) {
  std::lock_guard guard(lock);
  return install_locked(base, region);
}

}  // namespace ferry::translator
