#include "translator/cache/block_map.h"

#include <sys/mman.h>

#include "guest/check.h"

namespace ferry::cache {

BlockMap::Table* BlockMap::add_table(int bits) {
  u64 slots = u64{1} << bits, size = slots * sizeof(Slot);
  void* p = bits < huge_bits ? memory_.take(size) : reserve_memory(size, PROT_READ | PROT_WRITE);
  if (p == nullptr) fatal("cannot allocate the translator's tables", "raise the address space limit (ulimit -v)");
  return tables_.emplace_back(new Table{64 - bits, slots - 1, 0, static_cast<Slot*>(p)});
}

BlockMap::~BlockMap() {
  for (Table* table : tables_) {
    if (size_t size = (table->mask + 1) * sizeof(Slot); size >= huge_page_size) release_memory(table->slots, size);
    delete table;
  }
}

void BlockMap::put(Table& table, u64 pc, u64 code) {
  for (u64 i = table.home(pc);; i = (i + 1) & table.mask) {
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

void BlockMap::clear() {
  Table& table = *table_.load(std::memory_order_relaxed);
  for (u64 i = 0; i <= table.mask; i++) table.slots[i].pc.store(empty, std::memory_order_relaxed);
  table.used = 0;
}

void BlockMap::set(u64 pc, u64 code) {
  Table* table = table_.load(std::memory_order_relaxed);
  if (table->used * 2 > table->mask) {
    Table* larger = add_table(next_bits(64 - table->shift));
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
