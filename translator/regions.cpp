#include "translator/regions.h"

#include <sys/auxv.h>

#include <memory>
#include <unordered_map>

#include "guest/log.h"
#include "translator/optimizer/executed_code.h"
#include "translator/optimizer/heat.h"
#include "translator/optimizer/install.h"
#include "translator/optimizer/store.h"
#include "translator/reference.h"
#include "translator/state.h"
#include "translator/statistics.h"

namespace ferry::translator {

using optimizer::Answer;
using optimizer::Region;
using optimizer::Request;

namespace {

// Samples that a block must have had for its heat to be handed on, and of how many blocks at most.
constexpr u32 warm_samples = 2;
constexpr size_t warm_blocks = 16;
// How far a sample of a warm block looks ahead: some 50 microseconds.
constexpr u32 traced_instructions = 256;

struct Asked {
  u64 base, pc;
  std::vector<cache::GuestRange> ranges;
};

// Exists once start_optimizer() or optimize_by() has been called. Under the lock.
struct Tier {
  optimizer::Heat heat;
  optimizer::BranchProfile branches;
  optimizer::StoreReader store;
  std::unique_ptr<optimizer::Client> client;
  Compile compile;
  std::unordered_map<u64, Asked> asked;  // by the client's id
};
Tier* tier;

bool install_locked(u64 base, const Region& region) {
  if (!optimizer::matches_guest(region, base, executable_ranges) || !optimizer::helpers_known(region)) {
    counters.discarded_regions++;
    log(Log::optimizer, "region at %#llx: not installed, the guest's code is another", (unsigned long long)base);
    return false;
  }
  if (!optimizer::has_room(*current.load(std::memory_order_relaxed), region)) flush_generation();
  for (const optimizer::Stretch& stretch : region.stretches)
    note_translated(base + stretch.offset, base + stretch.offset + 4 * stretch.words.size());
  optimizer::install(*current.load(std::memory_order_relaxed), region, base);
  counters.installed_regions++;
  log(Log::optimizer, "region at %#llx: %u instructions in %zu bytes installed, entered at %#llx",
      (unsigned long long)base, region.instructions, region.code.size(),
      (unsigned long long)(base + region.entries[0].offset));
  return true;
}

// Under the lock.
void take_answer(const Answer& answer) {
  auto found = tier->asked.find(answer.id);
  if (found == tier->asked.end()) return;
  Asked asked = std::move(found->second);
  tier->asked.erase(found);
  switch (answer.kind) {
    case Answer::Kind::region:
      counters.received_regions++;
      install_locked(asked.base, answer.region);
      tier->heat.settle(asked.pc);
      return;
    case Answer::Kind::refused:
      log(Log::optimizer, "region at %#llx: refused", (unsigned long long)asked.pc);
      tier->heat.refuse(asked.pc);
      return;
    case Answer::Kind::lost:
      tier->heat.settle(asked.pc);
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

std::optional<Request> form_locked(u64 pc, u64 heat, const optimizer::Mapping& mapping) {
  static const optimizer::BranchProfile no_branches;
  optimizer::ExecutedCode code(*current.load(std::memory_order_relaxed));
  return optimizer::form({code, tier != nullptr ? tier->branches : no_branches, mapping, pc, heat});
}

void log_request(const Request& request) {
  size_t instructions = 0;
  for (const optimizer::Stretch& stretch : request.stretches) instructions += stretch.words.size();
  log(Log::optimizer, "block %#llx is hot: %zu instructions in %zu stretches, %zu entries, %zu indirect targets, %s",
      (unsigned long long)(request.base + request.entries[0]), instructions, request.stretches.size(),
      request.entries.size(), request.indirect_targets.size(), request.file.empty() ? "no file" : request.file.c_str());
}

// Not under the lock: compiling on the spot takes its time.
void ask_for(u64 pc, const Request& request) {
  if (tier->compile) {
    std::optional<Region> region = tier->compile(request);
    std::lock_guard guard(lock);
    if (region && install_locked(request.base, *region))
      tier->heat.settle(pc);
    else
      tier->heat.refuse(pc);
    return;
  }
  std::lock_guard guard(lock);  // before somebody takes the answer
  Stopwatch stopwatch(region_ticks);
  u64 id = tier->client->submit(request);
  if (id == 0) return tier->heat.settle(pc);
  Asked& asked = tier->asked[id] = {request.base, pc, {}};
  for (const optimizer::Stretch& stretch : request.stretches) {
    u64 begin = request.base + stretch.offset;
    asked.ranges.push_back({begin, begin + 4 * stretch.words.size()});
  }
}

// Under the lock: whether the instruction is part of a region that is waited for.
bool is_asked_for(u64 pc) {
  for (const auto& [id, asked] : tier->asked) {
    for (const cache::GuestRange& range : asked.ranges) {
      if (pc >= range.begin && pc < range.end) return true;
    }
  }
  return false;
}

void become_hot(u64 pc) {
  optimizer::Mapping mapping = optimizer::find_mapping(pc);
  std::optional<Request> request;
  {
    std::lock_guard guard(lock);
    Stopwatch stopwatch(region_ticks);
    request = form_locked(pc, tier->heat.samples(pc), mapping);
    if (!request) tier->heat.refuse(pc);
  }
  if (!request) return;
  if (logging(Log::optimizer)) log_request(*request);
  ask_for(pc, *request);
}

}  // namespace

void start_optimizer(optimizer::ClientOptions client) {
  if (options.reference || !options.chain) return;
  tier = new Tier;
  tier->store.open(client.directory, client.identity, getauxval(AT_SECURE) != 0);
  tier->client = std::make_unique<optimizer::Client>(std::move(client));
}

void optimize_by(Compile compile) {
  if (tier == nullptr) tier = new Tier;
  tier->compile = std::move(compile);
}

bool note_sample(Cpu& cpu, Exit& exit) {
  if (tier == nullptr) return false;
  u64 pc = cpu.pc;
  optimizer::Heat::Verdict verdict;
  {
    std::lock_guard guard(lock);
    Stopwatch stopwatch(region_ticks);
    if (tier->client != nullptr && tier->client->outstanding()) {
      for (const Answer& answer : tier->client->take()) take_answer(answer);
    }
    if (is_asked_for(pc)) return false;
    verdict = tier->heat.sample(pc, current.load(std::memory_order_relaxed)->regions.count_at(pc));
  }
  if (verdict == optimizer::Heat::Verdict::hot) become_hot(pc);
  return verdict == optimizer::Heat::Verdict::warm && trace(cpu, exit);
}

void hand_in_heat() {
  if (tier == nullptr || tier->client == nullptr) return;
  std::vector<Request> requests;
  std::vector<optimizer::Heat::Warm> warm;
  {
    std::lock_guard guard(lock);
    warm = tier->heat.warm(warm_samples, warm_blocks);
  }
  for (const auto& [pc, samples] : warm) {
    optimizer::Mapping mapping = optimizer::find_mapping(pc);
    if (!mapping.unchanging) continue;
    std::lock_guard guard(lock);
    if (std::optional<Request> request = form_locked(pc, samples, mapping)) requests.push_back(std::move(*request));
  }
  if (!requests.empty()) tier->client->hand_in(requests);
}

std::optional<Request> form_region(u64 pc) {
  optimizer::Mapping mapping = optimizer::find_mapping(pc);
  std::lock_guard guard(lock);
  return form_locked(pc, 0, mapping);
}

bool install_region(u64 base, const Region& region) {
  std::lock_guard guard(lock);
  return install_locked(base, region);
}

u64 find_stored(cache::Generation& generation, u64 pc, std::span<const u32> words) {
  if (tier == nullptr || !tier->store.is_open()) return 0;
  for (const optimizer::StoreCandidate& candidate : tier->store.find(optimizer::entry_key(words))) {
    std::optional<Region> region = optimizer::read_region(candidate.region);
    if (!region || candidate.entry >= region->entries.size() || !region->entries[candidate.entry].in_map) continue;
    u64 base = pc - region->entries[candidate.entry].offset;
    if (base % 4096 != 0 || !optimizer::has_room(generation, *region) || !install_locked(base, *region)) continue;
    counters.loaded_regions++;
    if (u64 code = generation.map.find(pc)) return code;
  }
  return 0;
}

void forget_requests() {
  if (tier == nullptr) return;
  tier->asked.clear();
  tier->heat.settle_all();
  if (tier->client != nullptr) tier->client->after_fork_in_child();
}

}  // namespace ferry::translator
