// Guest pc -> host code: an open-addressing table that any thread reads without a lock while one writer (under the
// translation lock) adds to it. A grown table replaces the old one, which stays readable until the owner dies.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "guest/types.h"

namespace ferry::cache {

class BlockMap {
 public:
  BlockMap() { table_.store(add_table(12), std::memory_order_relaxed); }

  // The code of the block that starts at pc; 0 when there is none. Lock-free; any thread.
  u64 find(u64 pc) const {
    const Table* table = table_.load(std::memory_order_acquire);
    for (u64 i = hash(pc) >> table->shift;; i = (i + 1) & table->mask) {
      u64 key = table->slots[i].pc.load(std::memory_order_acquire);
      if (key == pc) return table->slots[i].code.load(std::memory_order_acquire);
      if (key == empty) return 0;
    }
  }

  // Writer: sets or replaces (code 0 removes, keeping the slot).
  void set(u64 pc, u64 code);

 private:
  static constexpr u64 empty = 0;  // nothing is ever translated at pc 0
  struct Slot {
    std::atomic<u64> pc, code;
  };
  struct Table {
    int shift;
    u64 mask;
    u64 used = 0;
    std::unique_ptr<Slot[]> slots;
  };

  static u64 hash(u64 pc) { return (pc >> 2) * 0x9e3779b97f4a7c15; }
  Table* add_table(int bits);
  static void put(Table& table, u64 pc, u64 code);

  std::atomic<Table*> table_;
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace ferry::cache
