// Running guest code: the loop between translated code and the dispatcher, generations of code memory, faults, forks.
#include "translator/translator.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include <cstring>
#include <utility>

#include "guest/check.h"
#include "guest/log.h"
#include "guest/memory.h"
#include "translator/aarch64/decode.h"
#include "translator/aarch64/helpers.h"
#include "translator/aarch64/lazy_flags.h"
#include "translator/baseline/baseline.h"
#include "translator/children.h"
#include "translator/optimizer/region.h"
#include "translator/pages.h"
#include "translator/perf/perf.h"
#include "translator/reference.h"
#include "translator/regions.h"
#include "translator/state.h"
#include "translator/statistics.h"
#include "translator/stencil/host.h"
#include "translator/stencil/return_stack.h"

namespace ferry::translator {

using cache::Edge;
using cache::Generation;

namespace {

// Blocks between two samples of where time goes, and two looks at the outside world; about 20 to 100 microseconds, and a few
// times that where many samples have been taken (budget_factor()). While regions are
// awaited a budget that lasts is given out in slices: code that runs a few blocks here and the rest in a region uses it up slowly.
constexpr i32 block_budget = 8192, budget_slices = 8;
constexpr u64 long_budget_ns = 200'000;

// Pages that have ever been translated lie in [low, high): most invalidations are decided by this alone.
std::atomic<u64> translated_low = ~u64{0}, translated_high = 0;

// Under the lock: the thread leaves the generation.
void release(Generation* generation) {
  if (--generation->threads != 0 || generation == current.load(std::memory_order_relaxed)) return;
  std::erase(living, generation);
  delete generation;
}

// Of the entries of the branch cache where a branch to 0 looks, when they are empty: a branch there looks in others.
constexpr u64 elsewhere = u64{1} << 20;
static_assert(aarch64::jump_cache_index(0) == 0 && aarch64::jump_cache_index(elsewhere) != 0);
constexpr size_t jump_cache_bytes =
    sizeof(aarch64::JumpCacheEntry) * aarch64::jump_cache_size * aarch64::jump_cache_ways;

// The cache holds zeros.
void prepare_jump_cache(Cpu& cpu) {
  for (u32 way = 0; way < aarch64::jump_cache_ways; way++)
    cpu.jump_cache[way * aarch64::jump_cache_size].pc = elsewhere;
}

void forget_targets(Cpu& cpu, const Generation& generation) {
  memset(cpu.jump_cache, 0, jump_cache_bytes);
  prepare_jump_cache(cpu);
  stencil::reset_return_stack(cpu, generation.unknown_return);
}

// Under the lock: moves the thread to the current generation.
void synchronize_locked(Cpu& cpu) {
  Generation* generation = current.load(std::memory_order_relaxed);
  auto* old = static_cast<Generation*>(cpu.generation);
  if (generation == old) return;
  generation->threads++;
  cpu.generation = generation;
  release(old);
  forget_targets(cpu, *generation);
}

// The code at pc, translated if need be; 0 after a fetch fault. May move the thread to a newer generation, and then forgets
// `edge`, which was of the old one.
u64 find_or_translate(Cpu& cpu, const Edge*& edge) {
  // A thread's own generation lives as long as the thread is in it.
  auto* generation = static_cast<Generation*>(cpu.generation);
  if (generation == current.load(std::memory_order_acquire)) {
    if (u64 code = generation->map.find(cpu.pc)) return code;
  }
  __builtin_prefetch(reinterpret_cast<const void*>(cpu.pc));  // likely to be translated now
  std::lock_guard guard(lock);
  if (!current.load(std::memory_order_relaxed)->has_room()) flush_generation();
  if (generation != current.load(std::memory_order_relaxed)) {
    edge = nullptr;
    synchronize_locked(cpu);
    generation = static_cast<Generation*>(cpu.generation);
  }
  if (u64 code = generation->map.find(cpu.pc)) return code;
  if (u64 code = visit_waiting(*generation, cpu.pc, false)) return code;
  u64 code = translate_block(*generation, cpu.pc);
  if (code != 0) tell_translated(cpu.pc);
  return code;
}

void link_edge(const Cpu& cpu, const Edge& edge, u64 code) {
  if (!options.chain) return;
  auto* generation = static_cast<Generation*>(cpu.generation);
  std::lock_guard guard(lock);
  // The block may have been invalidated meanwhile; then the next exit looks again.
  if (generation->map.find(edge.target) != code) return;
  baseline::link(*generation, edge, code, attached.size() == 1);
  tell_linked(*generation, edge);
}

// Code that was dropped becomes a jump to what has taken its place.
void replace_stale(const Cpu& cpu, u64 stale, u64 code) {
  auto* generation = static_cast<Generation*>(cpu.generation);
  std::lock_guard guard(lock);
  if (stale == code || !generation->code.contains(stale) || generation->map.find(cpu.pc) != code) return;
  generation->replace_stale(cpu.pc, stale, code);
  renew_target(cpu, cpu.pc, code);
}

// Under the lock: a loop inside a dropped region goes on until it polls.
void call_back_threads() {
  for (Cpu* cpu : attached) __atomic_store_n(&cpu->budget, -1, __ATOMIC_RELEASE);
}

// Whether the thread's last budget lasted for long: then it ran a few blocks here and the rest in regions. Asked once a budget.
bool budget_lasts() {
  static thread_local u64 renewed_ns = 0;
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  u64 ns = static_cast<u64>(now.tv_sec) * 1000000000 + static_cast<u64>(now.tv_nsec);
  return ns - std::exchange(renewed_ns, ns) >= long_budget_ns;
}

bool last_slice_used(Cpu& cpu) {
  if (cpu.budget_slices != 0) cpu.budget_slices--;
  return cpu.budget_slices == 0;
}

// But for a block that waits: its visits count, and what is run of it meanwhile need not have an entry for carried registers.
void remember_target(Cpu& cpu, u64 code) {
  if (static_cast<Generation*>(cpu.generation)->map.find(cpu.pc) != code) return;
  aarch64::JumpCacheEntry& entry = cpu.jump_cache[aarch64::jump_cache_index(cpu.pc)];
  if (entry.code != nullptr && entry.pc != cpu.pc) (&entry)[aarch64::jump_cache_size] = entry;
  entry = {cpu.pc, reinterpret_cast<const void*>(code)};
}

}  // namespace

bool poll_wanted(Cpu& cpu) {
  if (budget_used_up(cpu)) {
    if (cpu.budget_slices == 0 && answers_awaited() && budget_lasts()) cpu.budget_slices = budget_slices;
    i32 whole = block_budget * static_cast<i32>(budget_factor());
    i32 budget = cpu.budget_slices != 0 ? whole / budget_slices : whole;
    __atomic_store_n(&cpu.budget, budget, __ATOMIC_RELAXED);
  }
  return __atomic_exchange_n(&cpu.poll_requested, 0, __ATOMIC_ACQUIRE) != 0;
}

void begin_generation() {
  living.push_back(new Generation(options.code_memory));
  current.store(living.back(), std::memory_order_release);
  use_scratch_of(*living.back());
}

void flush_generation() {
  log(Log::memory, "code memory is full: starting a new generation");
  counters.flushes++;
  begin_generation();
}

u64 translate_block(Generation& generation, u64 pc) {
  if (!executable_ranges.allows(pc)) return 0;  // a block does not leave its page
  if (u64 code = place_stored_page(generation, pc)) return code;
  note_translated(pc, pc + 4);
  Stopwatch stopwatch(translate_ticks);
  auto is_to_wait = [](u64 block, std::span<const u32> words) {
    return has_store() && may_be_stored(block, optimizer::entry_key(words));
  };
  baseline::Translation translation = baseline::translate(generation, GuestAddr{pc}, is_to_wait);
  if (translation.code == 0) return 0;
  if (perf::reporter) perf::reporter->block_added(generation, generation.blocks[generation.blocks.size() - 1]);
  counters.translated_blocks++;
  counters.translated_instructions += translation.instructions;
  return translation.code;
}

void note_translated(u64 begin, u64 end) {
  begin &= ~u64{4095};
  end = (end + 4095) & ~u64{4095};
  if (begin < translated_low.load(std::memory_order_relaxed)) translated_low.store(begin);
  if (end > translated_high.load(std::memory_order_relaxed)) translated_high.store(end);
}

void start(const Options& requested) {
  options = requested;
  const char* missing = nullptr;
  if (!stencil::host_supported(missing))
    fatal(std::string("this CPU lacks ") + missing, "ferry needs x86-64-v3 (Haswell or Zen, and later)");
  begin_generation();
}

void attach(Cpu& cpu) {
  // A few targets are spread over all of it: at once that is cheaper than a fault for each page.
  void* p = mmap(nullptr, jump_cache_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (p == MAP_FAILED) fatal("cannot allocate a thread's branch cache", "raise the address space limit (ulimit -v)");
  cpu.jump_cache = static_cast<aarch64::JumpCacheEntry*>(p);
  prepare_jump_cache(cpu);
  cpu.leave_code = stencil::ferry_leave;
  stencil::make_return_stack(cpu);
  cpu.budget = block_budget;
  cpu.exclusive_address = ~u64{0};
  stencil::initialize_fp_control(cpu);
  std::lock_guard guard(lock);
  attached.push_back(&cpu);
  this_thread = &cpu;
  Generation* generation = current.load(std::memory_order_relaxed);
  generation->threads++;
  cpu.generation = generation;
  stencil::reset_return_stack(cpu, generation->unknown_return);
  watch_time(cpu);
}

void detach(Cpu& cpu) {
  munmap(cpu.jump_cache, jump_cache_bytes);
  stencil::drop_return_stack(cpu);
  std::lock_guard guard(lock);
  std::erase(attached, &cpu);
  if (this_thread == &cpu) this_thread = nullptr;
  stop_watching_time(cpu);
  release(static_cast<Generation*>(cpu.generation));
  cpu.generation = nullptr;
}

Exit run(Cpu& cpu) {
  if (options.reference) return run_reference(cpu);
  const Edge* edge = nullptr;  // the unlinked edge that brought us here
  u64 stale = 0;               // the dropped code that did
  bool indirect = false;
  for (;;) {
    u64 code = (cpu.pc & 3) == 0 ? find_or_translate(cpu, edge) : 0;
    if (code == 0) return fetch_fault(cpu);
    if (edge != nullptr) link_edge(cpu, *edge, code);
    if (stale != 0) replace_stale(cpu, stale, code);
    if (indirect) remember_target(cpu, code);
    edge = nullptr;
    stale = 0;
    indirect = false;
    stencil::renew_return_stack(cpu, static_cast<Generation*>(cpu.generation)->unknown_return);
    stencil::ferry_enter(&cpu, reinterpret_cast<const void*>(code));
    aarch64::settle_flags(cpu);
    switch (static_cast<ExitReason>(cpu.exit_reason)) {
      case ExitReason::link:
        edge = &static_cast<Generation*>(cpu.generation)->edge_at(cpu.exit_operand);
        cpu.pc = edge->target;
        break;
      case ExitReason::lookup:
        indirect = true;
        break;
      case ExitReason::poll: {
        auto& generation = *static_cast<Generation*>(cpu.generation);
        auto [pc, entry] = generation.poll_site(cpu.exit_operand);
        cpu.pc = pc;
        take_answers();
        if (!budget_used_up(cpu))
          stale = entry;
        else if (Exit exit; !generation.is_region(entry) && last_slice_used(cpu) && note_sample(cpu, exit))
          return exit;
        if (poll_wanted(cpu)) return {ExitReason::poll};
        break;
      }
      case ExitReason::region_poll:
        take_answers();
        if (poll_wanted(cpu)) return {ExitReason::poll};
        break;
      case ExitReason::tagged:
        if (Exit exit = step(cpu); exit.reason != ExitReason::poll) return exit;
        break;
      default:
        return exit_of(cpu);
    }
  }
}

void request_poll(Cpu& cpu) {
  __atomic_store_n(&cpu.poll_requested, 1, __ATOMIC_RELEASE);
  __atomic_store_n(&cpu.budget, -1, __ATOMIC_RELEASE);
}

void invalidate(GuestAddr begin, GuestAddr end) {
  if (raw(begin) >= translated_high.load() || raw(end) <= translated_low.load()) return;
  std::lock_guard guard(lock);
  Generation::Dropped dropped{};
  for (Generation* generation : living) {
    auto [blocks, regions] = generation->invalidate_pages(raw(begin) >> 12, (raw(end) + 4095) >> 12);
    dropped.blocks += blocks;
    dropped.regions += regions;
  }
  if (perf::reporter) perf::reporter->mappings_changed();
  counters.invalidated_blocks += dropped.blocks;
  counters.invalidated_regions += dropped.regions;
  if (dropped.regions != 0) call_back_threads();
  if (dropped.blocks + dropped.regions != 0)
    log(Log::memory, "invalidated %u blocks and %u regions in %#llx-%#llx", dropped.blocks, dropped.regions,
        (unsigned long long)raw(begin), (unsigned long long)raw(end));
}

void set_executable(GuestAddr begin, GuestAddr end, bool executable) {
  {
    std::lock_guard guard(lock);
    if (executable || executable_ranges.overlaps(raw(begin), raw(end))) executable_changed();
    executable_ranges.set(raw(begin), raw(end), executable);
  }
  if (!executable) invalidate(begin, end);
}

void before_fork(Cpu& cpu) {
  lock.lock();
  synchronize_locked(cpu);
  Generation& generation = *current.load();
  learn_from_children(generation);
  generation.used = generation.code.share(generation.used);
}

void after_fork_in_parent(Cpu&) { lock.unlock(); }

void after_lending(Cpu& cpu) {
  cpu.host_sp = 0;
  cpu.flags_kind = static_cast<u32>(aarch64::LazyFlags::settled);
  stencil::reset_return_stack(cpu, static_cast<Generation*>(cpu.generation)->unknown_return);
}

void after_fork_in_child(Cpu& cpu) {
  Generation* generation = current.load();
  attached = {&cpu};
  // Generations that only other threads were in stay mapped: nobody here runs in them.
  living = {generation};
  generation->code.after_fork_in_child();
  generation->threads = 1;
  begin_telling(*generation);
  generation->inherited_blocks = generation->known_blocks = generation->blocks.size();
  forget_requests();
  watch_time_in_child(cpu);
  if (perf::reporter) perf::reporter->after_fork_in_child(*generation);
  lock.unlock();
}

}  // namespace ferry::translator

extern "C" void ferry_a64_ic_ivau(ferry::u64 address) {
  ferry::u64 line = address & ~ferry::u64{63};
  ferry::translator::invalidate(ferry::GuestAddr{line}, ferry::GuestAddr{line + 64});
}
