// Guest pc -> host code: an open-addressing table that any thread reads without a lock while one writer (under the
// translation lock) adds to it. A grown table replaces the old one, which stays readable until the owner dies.
// Blocks that are near each other in the guest are near each other here: translating one asks for its neighbours.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <vector>

#include "guest/types.h"
#include "translator/cache/chunked_array.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {

class BlockMap {
 public:
  // Its small tables are taken from this memory: so many bytes.
  static const size_t small_tables;
  explicit BlockMap(ChunkMemory& memory) : memory_(memory) {
    table_.store(add_table(first_bits), std::memory_order_relaxed);
  }
  ~BlockMap();
  BlockMap(const BlockMap&) = delete;
  BlockMap& operator=(const BlockMap&) = delete;

  // The code of the block that starts at pc; 0 when there is none. Lock-free; any thread.
  u64 find(u64 pc) const {
    const Table* table = table_.load(std::memory_order_acquire);
    for (u64 i = table->home(pc);; i = (i + 1) & table->mask) {
      u64 key = table->slots[i].pc.load(std::memory_order_acquire);
      if (key == pc) return table->slots[i].code.load(std::memory_order_acquire);
      if (key == empty) return 0;
    }
  }

  // Somebody is going to find(pc).
  void prefetch(u64 pc) const {
    const Table* table = table_.load(std::memory_order_relaxed);
    __builtin_prefetch(&table->slots[table->home(pc)]);
  }

  // Writer: sets or replaces (code 0 removes, keeping the slot).
  void set(u64 pc, u64 code);
  // While nobody reads.
  void clear();

 private:
  static constexpr u64 empty = 0;  // nothing is ever translated at pc 0
  struct Slot {
    std::atomic<u64> pc, code;
  };
  struct Table {
    int shift;
    u64 mask;
    u64 used;
    Slot* slots;

    // 256 bytes of guest code share sixteen slots, four cache lines, and 16 bytes of it a slot; the hash says which sixteen.
    u64 home(u64 pc) const {
      u64 group = ((pc >> 8) * 0x9e3779b97f4a7c15 >> shift) & ~u64{15};
      return group | (pc >> 4 & 15);
    }
  };

  // 64 KiB, then one of 256, whoever needs more has one of huge pages.
  static constexpr int first_bits = 12, second_bits = 14, huge_bits = std::countr_zero(huge_page_size / sizeof(Slot));

  Table* add_table(int bits);
  static int next_bits(int bits) { return bits == first_bits ? second_bits : std::max(bits + 1, huge_bits); }
  static void put(Table& table, u64 pc, u64 code);

  ChunkMemory& memory_;
  std::atomic<Table*> table_;
  std::vector<Table*> tables_;
};

inline constexpr size_t BlockMap::small_tables =
    ((size_t{1} << first_bits) + (size_t{1} << second_bits)) * sizeof(Slot);

}  // namespace ferry::cache
