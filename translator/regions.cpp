#include "translator/regions.h"

#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "guest/log.h"
#include "guest/memory.h"
#include "translator/children.h"
#include "translator/optimizer/dump.h"
#include "translator/optimizer/executed_code.h"
#include "translator/optimizer/heat.h"
#include "translator/optimizer/install.h"
#include "translator/optimizer/made_ahead.h"
#include "translator/optimizer/store.h"
#include "translator/perf/perf.h"
#include "translator/reference.h"
#include "translator/state.h"
#include "translator/statistics.h"

namespace ferry::translator {

using cache::Generation;
using optimizer::Answer;
using optimizer::Region;
using optimizer::Request;

namespace {

// Samples that a block must have had for its heat to be handed on, of how many blocks at most, and in how many requests: to form one takes
// as long as several samples stand for, at the end of every process. What gets none this time does when the hottest have their regions.
constexpr u32 warm_samples = 4;
constexpr size_t warm_blocks = 16, warm_requests = 4;
// How far a sample of a warm block looks ahead: some 50 microseconds.
constexpr u32 traced_instructions = 128;
// Requests that are out at once: what is hotter than they are shows once they are answered.
constexpr size_t max_asked = 24;
// How often a block must be come to before a region of the store is put in its place, which costs about as much as so many visits.
constexpr u32 visits_worth_a_region = 24;
constexpr u64 page_size = 4096;

struct Asked {
  u64 pc, since_ns;
  Request request;
};

// Exists once start_optimizer() or optimize_by() has been called. Under the lock.
struct Tier {
  explicit Tier(optimizer::StoreDescriptor keeper = {}) : store(keeper) {
    store.read_into(current.load(std::memory_order_relaxed)->scratch);
  }

  std::unique_ptr<optimizer::Heat> heat = std::make_unique<optimizer::Heat>();
  optimizer::BranchProfile branches;
  optimizer::StoreReader store;
  pid_t process = getpid();  // whose descriptors the store's is one of: a child may have others and this memory
  std::string store_directory, store_identity;  // empty: none is to be used
  optimizer::MadeAhead made_ahead;
  std::unique_ptr<optimizer::Client> client;
  Compile compile;
  std::unordered_map<u64, Asked> asked;  // by the client's id
  std::optional<optimizer::Mappings> mappings;
  u64 changes = 0;  // of what is executable
};
Tier* tier;

u64 now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

// Under the lock; for the log.
std::string name_of(u64 pc) {
  char digits[24];
  snprintf(digits, sizeof digits, "%#llx", (unsigned long long)pc);
  return options.name_of ? options.name_of(pc) + " (" + digits + ")" : digits;
}

// This thread's branch cache would go on naming the blocks that the region's entries took the place of, which only jump there.
void renew_branch_cache(const cache::Generation& generation, const Region& region, u64 base) {
  if (this_thread == nullptr || this_thread->generation != &generation) return;
  for (const optimizer::Entry& entry : region.entries) {
    u64 pc = base + entry.offset;
    if (entry.in_map) renew_target(*this_thread, pc, generation.map.find(pc));
  }
}

bool install_locked(u64 base, const Region& region) {
  if (!optimizer::matches_guest(region, base, executable_ranges) || !optimizer::helpers_known(region)) {
    counters.discarded_regions++;
    if (logging(Log::regions))
      log(Log::regions, "region of %s: not put in place, the guest's code is another",
          name_of(base + region.entries[0].offset).c_str());
    return false;
  }
  if (!optimizer::has_room(*current.load(std::memory_order_relaxed), region)) flush_generation();
  for (const optimizer::Stretch& stretch : region.stretches)
    note_translated(base + stretch.offset, base + stretch.offset + 4 * stretch.words.size());
  optimizer::install(*current.load(std::memory_order_relaxed), region, base);
  cache::Generation& generation = *current.load(std::memory_order_relaxed);
  renew_branch_cache(generation, region, base);
  if (perf::reporter) perf::reporter->region_added(generation, generation.regions.regions.back());
  counters.installed_regions++;
  counters.region_bytes += region.code.size();
  if (logging(Log::regions))
    log(Log::regions, "region of %s: put in place, %u instructions in %zu bytes, %zu entries, %zu exits",
        name_of(base + region.entries[0].offset).c_str(), region.instructions, region.code.size(),
        region.entries.size(), region.exits.size());
  return true;
}

// Under the lock: opens the store that the writer has put in the place of ours, or has made since this process began.
void refresh_store() {
  if (tier->store_directory.empty() || (tier->store.is_open() && !tier->store.is_replaced())) return;
  if (tier->process != getpid()) return;
  tier->store.close();
  tier->made_ahead.clear();
  tier->store.open(tier->store_directory, tier->store_identity, false);
}

// Under the lock.
void take_answer(const Answer& answer) {
  auto found = tier->asked.find(answer.id);
  if (found == tier->asked.end()) return;
  Asked asked = std::move(found->second);
  tier->asked.erase(found);
  counters.answer_ns += now_ns() - asked.since_ns;
  if (answer.listing) optimizer::dump(options.dump_directory, name_of(asked.pc), asked.request, *answer.listing);
  switch (answer.kind) {
    case Answer::Kind::region:
      counters.received_regions++;
      refresh_store();
      install_locked(asked.request.base, answer.region);
      tier->heat->settle(asked.pc);
      return;
    case Answer::Kind::refused:
      counters.refused_regions++;
      if (logging(Log::regions)) log(Log::regions, "region of %s: refused", name_of(asked.pc).c_str());
      tier->heat->refuse(asked.pc);
      return;
    case Answer::Kind::lost:
      counters.lost_regions++;
      tier->heat->settle(asked.pc);
      return;
  }
}

// Runs on by the reference and remembers where branches went. True: it came to an exit.
bool trace(Cpu& cpu, Exit& exit) {
  struct {
    u64 site, target;
  } branches[traced_instructions];
  u32 count = 0;
  bool exited = false;
  for (u32 i = 0; i < traced_instructions && !exited; i++) {
    u64 site = cpu.pc;
    auto control = semantic::Control::next;
    cpu.exit_reason = static_cast<u64>(ExitReason::poll);
    exited = step_reference(cpu, exit, control);
    if (!exited && control != semantic::Control::next) branches[count++] = {site, cpu.pc};
  }
  std::lock_guard guard(lock);
  for (u32 i = 0; i < count; i++) tier->branches.add(branches[i].site, branches[i].target);
  return exited;
}

// Under the lock: puts the newest region of the store that is entered at pc and fits in place.
void install_stored(Generation& generation, u64 pc) {
  u32 words[optimizer::key_words];
  size_t size = std::min<size_t>(sizeof words, page_size - pc % page_size);
  if (!copy_from_guest(words, GuestAddr{pc}, size)) return;
  for (const optimizer::StoreCandidate& candidate : tier->store.find(optimizer::entry_key({words, size / 4}))) {
    std::optional<Region> region = optimizer::read_region(candidate.region);
    if (!region || candidate.entry >= region->entries.size() || !region->entries[candidate.entry].in_map) continue;
    u64 base = pc - region->entries[candidate.entry].offset;
    if (base % page_size != 0 || !optimizer::has_room(generation, *region) || !install_locked(base, *region)) continue;
    counters.loaded_regions++;
    return;
  }
}

std::optional<Request> form_locked(u64 pc, u64 heat, const optimizer::Mapping& mapping) {
  static const optimizer::BranchProfile no_branches;
  optimizer::ExecutedCode code(*current.load(std::memory_order_relaxed));
  if (tier == nullptr) return optimizer::form({code, no_branches, mapping, pc, heat});
  return optimizer::form({code, tier->branches, mapping, pc, heat, tier->heat->refusals(pc)});
}

// Under the lock.
void log_request(const Request& request) {
  size_t instructions = 0;
  for (const optimizer::Stretch& stretch : request.stretches) instructions += stretch.words.size();
  log(Log::regions, "region of %s: formed, %zu instructions in %zu stretches, %zu entries, %zu indirect targets, %s",
      name_of(request.base + request.entries[0]).c_str(), instructions, request.stretches.size(),
      request.entries.size(), request.indirect_targets.size(), request.file.empty() ? "no file" : request.file.c_str());
}

// Not under the lock: compiling on the spot takes its time.
void ask_for(u64 pc, Request request) {
  if (tier->compile) {
    std::optional<Region> region = tier->compile(request);
    std::lock_guard guard(lock);
    if (region && install_locked(request.base, *region))
      tier->heat->settle(pc);
    else
      tier->heat->refuse(pc);
    return;
  }
  std::lock_guard guard(lock);  // before somebody takes the answer
  Stopwatch stopwatch(region_ticks);
  u64 id = tier->client->submit(request, !options.dump_directory.empty());
  if (id == 0) return tier->heat->settle(pc);
  counters.asked_regions++;
  tier->asked[id] = {pc, now_ns(), std::move(request)};
}

bool holds(const Request& request, u64 pc) { return optimizer::holds(request.stretches, pc - request.base); }

// Under the lock: whether the instruction is part of a region that is waited for.
bool is_asked_for(u64 pc) {
  return std::ranges::any_of(tier->asked, [&](const auto& each) { return holds(each.second.request, pc); });
}

void become_hot(u64 pc) {
  optimizer::Mapping mapping = mapping_of(pc);
  std::optional<Request> request;
  {
    std::lock_guard guard(lock);
    Stopwatch stopwatch(region_ticks);
    request = form_locked(pc, tier->heat->samples(pc), mapping);
    if (!request) return tier->heat->refuse(pc);
    counters.formed_regions++;
    if (logging(Log::regions)) log_request(*request);
  }
  ask_for(pc, std::move(*request));
}

}  // namespace

void start_optimizer(optimizer::ClientOptions client) {
  if (options.reference || !options.chain) return;
  tier = new Tier({client.take_descriptor, client.release_descriptor});
  // What is to be shown must be compiled.
  if (options.dump_directory.empty() && getauxval(AT_SECURE) == 0) {
    tier->store_directory = client.directory;
    tier->store_identity = client.identity;
    tier->store.open(client.directory, client.identity, false);
  }
  tier->client = std::make_unique<optimizer::Client>(std::move(client));
}

static_assert(Generation::scratch_size >= optimizer::StoreReader::buffer_size);
void use_scratch_of(const Generation& generation) {
  if (tier != nullptr) tier->store.read_into(generation.scratch);
}

void optimize_by(Compile compile) {
  if (tier == nullptr) tier = new Tier;
  tier->compile = std::move(compile);
}

bool answers_awaited() { return tier != nullptr && tier->client != nullptr && tier->client->outstanding(); }

void take_answers() {
  if (!answers_awaited() || !tier->client->due()) return;
  std::lock_guard guard(lock);
  Stopwatch stopwatch(region_ticks);
  for (const Answer& answer : tier->client->take()) take_answer(answer);
}

u32 budget_factor() { return tier == nullptr ? optimizer::coarse_factor : tier->heat->factor(); }

bool note_sample(Cpu& cpu, Exit& exit) {
  if (tier == nullptr) return false;
  u64 pc = cpu.pc;
  optimizer::Heat::Verdict verdict;
  {
    std::lock_guard guard(lock);
    Stopwatch stopwatch(region_ticks);
    if (tier->asked.size() >= max_asked || is_asked_for(pc)) return false;
    Generation& generation = *current.load(std::memory_order_relaxed);
    visit_waiting(generation, pc, true);
    if (u32 installed = tier->made_ahead.install_around(tier->store, pc, install_locked)) {
      counters.loaded_regions += installed;
      return false;
    }
    verdict = tier->heat->sample(pc, [&](u64 at) { return generation.regions.count_at(at); });
  }
  if (verdict == optimizer::Heat::Verdict::hot) become_hot(pc);
  return verdict == optimizer::Heat::Verdict::warm && trace(cpu, exit);
}

optimizer::Mapping mapping_of(u64 pc) {
  if (tier == nullptr) return optimizer::Mappings{}.find(pc);
  u64 changes;
  {
    std::lock_guard guard(lock);
    if (tier->mappings) return tier->mappings->find(pc);
    changes = tier->changes;
  }
  optimizer::Mappings now;
  std::lock_guard guard(lock);
  optimizer::Mapping mapping = now.find(pc);
  if (tier->changes == changes && now.known()) tier->mappings = std::move(now);
  return mapping;
}

void hand_in_heat() {
  if (tier == nullptr || tier->client == nullptr) return;
  std::vector<Request> requests;
  std::vector<optimizer::Heat::Warm> warm;
  {
    std::lock_guard guard(lock);
    warm = tier->heat->warm(warm_samples, warm_blocks);
  }
  if (warm.empty()) return;
  for (const auto& [pc, samples] : warm) {
    auto same = std::ranges::find_if(requests, [pc](const Request& request) { return holds(request, pc); });
    if (same != requests.end()) {
      same->heat += samples;
      continue;
    }
    optimizer::Mapping mapping = mapping_of(pc);
    if (!mapping.unchanging || requests.size() == warm_requests) continue;
    std::lock_guard guard(lock);
    if (std::optional<Request> request = form_locked(pc, samples, mapping)) requests.push_back(std::move(*request));
  }
  if (!requests.empty()) tier->client->hand_in(requests);
}

std::optional<Request> form_region(u64 pc) {
  optimizer::Mapping mapping = mapping_of(pc);
  std::lock_guard guard(lock);
  return form_locked(pc, 0, mapping);
}

bool install_region(u64 base, const Region& region) {
  std::lock_guard guard(lock);
  return install_locked(base, region);
}

bool has_store() { return tier != nullptr && tier->store.is_open(); }

std::span<const u8> find_stored_page(u64 key) { return tier->store.find_page(key); }

bool keeps_pages() { return tier != nullptr && tier->client != nullptr && !tier->store_directory.empty(); }

void hand_in_notes(const std::function<void(int fd)>& write, bool much) {
  // Where there is no place for a store, none is started.
  tier->client->hand_in_pages(write, much && access(tier->store_directory.c_str(), W_OK) == 0);
}

bool may_be_stored(u64 pc, u64 key) {
  if (!has_store()) return false;
  auto [asked_for, ahead] = tier->store.chances(key);
  if (ahead) tier->made_ahead.note(pc, key);
  return asked_for;
}

u64 visit_waiting(Generation& generation, u64 pc, bool hot) {
  auto found = generation.waiting.find(pc);
  if (found == generation.waiting.end()) return 0;
  if (++found->second.visits < visits_worth_a_region && !hot) {
    tell_visited(pc);
    return found->second.code;
  }
  generation.end_waiting(pc);
  install_stored(generation, pc);
  tell_worth_a_region(pc);
  return generation.map.find(pc);
}

void executable_changed() {
  if (tier == nullptr) return;
  tier->mappings.reset();
  tier->changes++;
}

void forget_requests() {
  if (tier == nullptr) return;
  tier->process = getpid();
  tier->asked.clear();
  // Not freed: that would write to all the pages that its parts are on, which the parent has too.
  (void)tier->heat.release();
  tier->heat = std::make_unique<optimizer::Heat>();
  if (tier->client != nullptr) tier->client->after_fork_in_child();
}

}  // namespace ferry::translator
