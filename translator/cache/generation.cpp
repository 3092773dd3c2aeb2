#include "translator/cache/generation.h"

#include <sys/mman.h>

#include <cstring>

#include "guest/check.h"
#include "translator/baseline/glue.h"
#include "translator/exit_reason.h"
#include "translator/stencil/host.h"
#include "translator/stencil/paster.h"

namespace ferry::cache {

namespace {
// More than any block needs: 64 instructions, the longest stencils, an edge for each.
constexpr size_t largest_block_code = 64 * 1024;
constexpr size_t largest_block_instructions = 64;
}  // namespace

template <class T>
ReservedArray<T>::ReservedArray(size_t capacity) : capacity_(capacity) {
  void* p =
      mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fatal("cannot reserve the translator's tables", "raise the address space limit (ulimit -v)");
  data_ = static_cast<T*>(p);
}
template <class T>
ReservedArray<T>::~ReservedArray() {
  munmap(data_, capacity_ * sizeof(T));
}
template class ReservedArray<Block>;
template class ReservedArray<u16>;
template class ReservedArray<Edge>;

Generation::Generation(size_t code_size)
    : code(code_size), blocks(code_size / 128), offsets(code_size / 8), edges(code_size / 64) {
  const stencil::Library& library = stencil::library();
  code.commit(0);
  memcpy(code.writable(code.run_base()), library.constants, library.constants_size);
  constants = code.run_base();
  used = (library.constants_size + 63) / 64 * 64;
  link_stub = place_stub(stencil::ThunkKind::link);
  poll_stub = place_stub(stencil::ThunkKind::poll);
  stencil::Cursor cursor{code.writable(code.run_base() + used), code.run_base() + used};
  dispatch = cursor.run;
  u64 reason = static_cast<u64>(translator::ExitReason::lookup);
  stencil::paste(library, baseline::stencil_of(baseline::Glue::leave), cursor, {&reason, 0, 0}, constants);
  stencil::publish(constants, cursor.run - constants);
  used = (cursor.run - code.run_base() + 63) / 64 * 64;
}

u64 Generation::place_stub(stencil::ThunkKind kind) {
  stencil::StubCode stub = stencil::thunk_stub(kind);
  u64 run = code.run_base() + used;
  memcpy(code.writable(run), stub.code, stub.size);
  used += (stub.size + 15) / 16 * 16;
  return run;
}

namespace {
// The element of an array that is sorted by an offset member, where it is `offset`.
template <auto member, class T>
const T& find_sorted(const ReservedArray<T>& array, u32 offset) {
  size_t low = 0, high = array.size();
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (array[middle].*member < offset)
      low = middle + 1;
    else
      high = middle;
  }
  check(low < array.size() && array[low].*member == offset);
  return array[low];
}
}  // namespace

const Edge& Generation::edge_at(u64 exit_operand) const {
  return find_sorted<&Edge::thunk>(edges,
                                   static_cast<u32>(exit_operand - stencil::thunk_return_offset - code.run_base()));
}

const Block& Generation::block_at(u64 exit_operand) const {
  return find_sorted<&Block::begin>(blocks,
                                    static_cast<u32>(exit_operand - stencil::thunk_return_offset - code.run_base()));
}

bool Generation::has_room() const {
  return code.size() - used >= largest_block_code && blocks.room() >= 1 &&
         offsets.room() >= largest_block_instructions && edges.room() >= 2 * largest_block_instructions;
}

u64 Generation::locate(u64 run) const {
  if (!code.contains(run)) return 0;
  u32 at = static_cast<u32>(run - code.run_base());
  // Blocks are appended in address order.
  size_t low = 0, high = blocks.size();
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (blocks[middle].end <= at)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == blocks.size() || at < blocks[low].entry) return 0;
  const Block& block = blocks[low];
  u32 offset = at - block.entry, i = 0;
  while (i + 1 < block.count && offsets[block.first_offset + i + 1] <= offset) i++;
  return block.pc + 4 * i;
}

u32 Generation::invalidate_pages(u64 first, u64 last) {
  u32 count = 0;
  if (last - first <= pages.size()) {
    for (u64 page = first; page < last; page++) count += invalidate_page(page);
    return count;
  }
  std::vector<u64> hit;
  for (const auto& [page, blocks_of_page] : pages) {
    if (page >= first && page < last) hit.push_back(page);
  }
  for (u64 page : hit) count += invalidate_page(page);
  return count;
}

u32 Generation::invalidate_page(u64 page) {
  auto found = pages.find(page);
  if (found == pages.end()) return 0;
  for (u32 index : found->second) {
    const Block& block = blocks[index];
    u64 entry = code.run_base() + block.entry;
    if (map.find(block.pc) == entry) map.set(block.pc, 0);
    // Whoever still jumps here leaves through the block's own poll thunk, which names its pc.
    stencil::redirect(code.writable(entry), entry, code.run_base() + block.begin);
  }
  u32 count = static_cast<u32>(found->second.size());
  pages.erase(found);
  return count;
}

}  // namespace ferry::cache
