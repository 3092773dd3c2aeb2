#include "translator/cache/block_map.h"

#include <sys/mman.h>

#include "guest/check.h"

namespace ferry::cache {

namespace {
constexpr u64 huge_page = 2 << 20;
}

BlockMap::Table* BlockMap::add_table(int bits) {
  u64 slots = u64{1} << bits, size = slots * sizeof(Slot);
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fatal("cannot allocate the translator's tables", "raise the address space limit (ulimit -v)");
  // All of it is going to be used: populated at once it costs a fraction of faults one by one, first to read, then to write.
  if (size >= huge_page) madvise(p, size, MADV_HUGEPAGE);
  madvise(p, size, MADV_POPULATE_WRITE);
  return tables_.emplace_back(new Table{64 - bits, slots - 1, 0, static_cast<Slot*>(p)});
}

BlockMap::~BlockMap() {
  for (Table* table : tables_) {
    munmap(table->slots, (table->mask + 1) * sizeof(Slot));
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
