#include "translator/cache/block_map.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "guest/check.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {

BlockMap::Table* BlockMap::add_table(int bits) {
  u64 slots = u64{1} << bits, size = slots * sizeof(Slot);
  // Only a table of small pages has a part of them.
  void* p = reserve_memory(size, PROT_READ | PROT_WRITE, size < huge_page_size ? size : 0);
  if (p == nullptr) fatal("cannot allocate the translator's tables", "raise the address space limit (ulimit -v)");
  // All of it is going to be used: populated at once it costs a fraction of faults one by one, first to read, then to write.
  madvise(p, size, MADV_POPULATE_WRITE);
  return tables_.emplace_back(new Table{64 - bits, slots - 1, 0, static_cast<Slot*>(p)});
}

BlockMap::~BlockMap() {
  for (Table* table : tables_) {
    release_memory(table->slots, (table->mask + 1) * sizeof(Slot));
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

// Tables of small pages are few, and the first that could be of a huge page is.
int BlockMap::next_bits(int bits) {
  constexpr int huge_bits = std::countr_zero(huge_page_size / sizeof(Slot));
  return bits + 2 < huge_bits - 1 ? bits + 2 : std::max(bits + 1, huge_bits);
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
