#include "translator/children.h"

#include <sys/mman.h>

#include "translator/baseline/baseline.h"
#include "translator/perf/perf.h"
#include "translator/regions.h"
#include "translator/state.h"

namespace ferry::translator {

using cache::Edge;
using cache::Generation;

namespace {

// A power of two. More notes than this between two forks overwrite the earliest.
constexpr u64 capacity = 4096;

// What a note says besides a guest pc: an edge by its index, or one of these.
constexpr u32 translated = ~u32{0}, worth_a_region = translated - 1, visited = translated - 2;

struct Note {
  std::atomic<u64> pc;  // 0: none
  std::atomic<u32> what;
};

// In memory that the processes share. Children write as they come; a note that two of them write at once is checked like any other.
struct Notes {
  std::atomic<u64> count;
  Note notes[capacity];
};

Notes* from_children = nullptr;
u64 read_notes = 0;
Notes* to_parent = nullptr;
size_t edges_of_parent = 0;  // how many edges there were at the fork

void tell(u64 pc, u32 what) {
  if (to_parent == nullptr) return;
  Note& note = to_parent->notes[to_parent->count.fetch_add(1, std::memory_order_relaxed) % capacity];
  note.what.store(what, std::memory_order_relaxed);
  note.pc.store(pc, std::memory_order_release);
}

void make_room_for_notes() {
  void* p = mmap(nullptr, sizeof(Notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p != MAP_FAILED) from_children = static_cast<Notes*>(p);
}

void link_if_known(Generation& generation, const Edge& edge) {
  if (u64 code = generation.map.find(edge.target)) baseline::link(generation, edge, code, attached.size() == 1);
}

void follow(Generation& generation, u64 pc, u32 what) {
  if (what == worth_a_region || what == visited) {
    visit_waiting(generation, pc, what == worth_a_region);
    return;
  }
  if (pc % 4 == 0 && generation.map.find(pc) == 0 && !generation.waiting.contains(pc)) translate_block(generation, pc);
  if (what < generation.edges.size() && generation.edges[what].target == pc)
    link_if_known(generation, generation.edges[what]);
}

}  // namespace

void tell_translated(u64 pc) { tell(pc, translated); }

void tell_linked(const Generation& generation, const Edge& edge) {
  if (to_parent == nullptr) return;
  size_t index = generation.edges.first_from<&Edge::thunk>(edge.thunk);
  if (index < edges_of_parent) tell(edge.target, static_cast<u32>(index));
}

void tell_visited(u64 pc) { tell(pc, visited); }

void tell_worth_a_region(u64 pc) { tell(pc, worth_a_region); }

void learn_from_children(Generation& generation) {
  if (!options.chain) return;
  if (from_children == nullptr) return make_room_for_notes();
  u64 count = from_children->count.load(std::memory_order_relaxed);
  if (count - read_notes > capacity) read_notes = count - capacity;
  size_t first_edge = generation.edges.size();
  for (; read_notes != count; read_notes++) {
    Note& note = from_children->notes[read_notes % capacity];
    u64 pc = note.pc.exchange(0, std::memory_order_acquire);
    if (pc != 0 && generation.has_room()) follow(generation, pc, note.what.load(std::memory_order_relaxed));
  }
  // The edges between what is new.
  for (size_t i = first_edge; i < generation.edges.size(); i++) link_if_known(generation, generation.edges[i]);
}

void begin_telling(const Generation& generation) {
  if (to_parent != nullptr) munmap(to_parent, sizeof(Notes));
  to_parent = from_children;
  edges_of_parent = generation.edges.size();
  from_children = nullptr;
  read_notes = 0;
}

}  // namespace ferry::translator
