#include "translator/cache/block_map.h"

namespace ferry::cache {

BlockMap::Table* BlockMap::add_table(int bits) {
  auto table = std::make_unique<Table>();
  table->shift = 64 - bits;
  table->mask = (u64{1} << bits) - 1;
  table->slots = std::make_unique<Slot[]>(u64{1} << bits);
  tables_.push_back(std::move(table));
  return tables_.back().get();
}

void BlockMap::put(Table& table, u64 pc, u64 code) {
  for (u64 i = hash(pc) >> table.shift;; i = (i + 1) & table.mask) {
    Slot& slot = table.slots[i];
    u64 key = slot.pc.load(std::memory_order_relaxed);
    if (key != pc && key != empty) continue;
    slot.code.store(code, std::memory_order_release);
    if (key == empty) {
      slot.pc.store(pc, std::memory_order_release);
      table.used++;
    }
    return;
  }
}

void BlockMap::set(u64 pc, u64 code) {
  Table* table = table_.load(std::memory_order_relaxed);
  if (table->used * 2 > table->mask) {
    Table* larger = add_table(64 - table->shift + 1);
    for (u64 i = 0; i <= table->mask; i++) {
      u64 key = table->slots[i].pc.load(std::memory_order_relaxed);
      u64 value = table->slots[i].code.load(std::memory_order_relaxed);
      if (key != empty && value != 0) put(*larger, key, value);
    }
    table_.store(larger, std::memory_order_release);
    table = larger;
  }
  put(*table, pc, code);
}

}  // namespace ferry::cache
