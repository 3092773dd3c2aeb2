// What the translator's own parts share: the generations of code memory, the lock around them, the counters.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "translator/cache/executable_ranges.h"
#include "translator/cache/generation.h"
#include "translator/translator.h"

namespace ferry::translator {

inline Options options;
inline std::mutex lock;  // translation, linking, invalidation, generations
inline std::atomic<cache::Generation*> current;
inline std::vector<cache::Generation*> living;   // under the lock: the current one, and older ones threads still run in
inline std::vector<Cpu*> attached;               // under the lock
inline thread_local Cpu* this_thread = nullptr;  // of those, or null
inline Stats counters;                           // under the lock
inline cache::ExecutableRanges executable_ranges;  // under the lock

// Under the lock.
void begin_generation();
void flush_generation();                                     // a new one because the current one is full
u64 translate_block(cache::Generation& generation, u64 pc);  // its code; 0 after a fetch fault
void note_translated(u64 begin, u64 end);                    // guest code whose changes invalidate() must hear of

// By the thread itself: where its branch cache knows the guest pc, it leads to this code from now on.
inline void renew_target(const Cpu& cpu, u64 pc, u64 code) {
  for (u32 way = 0; way < aarch64::jump_cache_ways; way++) {
    aarch64::JumpCacheEntry& known = cpu.jump_cache[way * aarch64::jump_cache_size + aarch64::jump_cache_index(pc)];
    if (known.pc == pc) known.code = reinterpret_cast<const void*>(code);
  }
}

inline bool budget_used_up(const Cpu& cpu) { return __atomic_load_n(&cpu.budget, __ATOMIC_RELAXED) < 0; }
// A poll exit: renews the budget, and says whether somebody asked for it.
bool poll_wanted(Cpu& cpu);

}  // namespace ferry::translator
