// One filling of code memory with everything that describes it: blocks, their edges, the map from guest pcs and the lists
// per guest page. When code memory is full a new generation replaces it; threads move over at their next exit
// and the old one is freed when the last has left, so nothing that runs is ever overwritten.
// Written only under the translation lock; find() and locate() may run at any time, locate() in signal handlers too.
#pragma once
#include <atomic>
#include <unordered_map>
#include <vector>

#include "translator/cache/block_map.h"
#include "translator/cache/code_memory.h"
#include "translator/stencil/host.h"

namespace ferry::cache {

// A translated basic block, extended past conditional branches: `count` consecutive guest instructions from `pc`.
struct Block {
  u64 pc;
  u32 begin;         // code offset of the poll thunk, which the entry follows
  u32 entry, end;    // code offsets
  u32 first_offset;  // index of the first of `count` instruction starts, relative to `entry`
  u32 count;
};

// A way out of a block to a fixed guest pc. Its thunk leaves to the dispatcher until it is linked, then jumps to the block.
struct Edge {
  u64 target;
  u32 thunk;  // code offset
  u32 site;   // code offset of the jump to the thunk that may be repointed; 0: fallthrough or return
};

// Address space for `capacity` Ts, committed by touching; elements never move, so a reader needs no lock.
template <class T>
class ReservedArray {
 public:
  explicit ReservedArray(size_t capacity);
  ~ReservedArray();
  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;
  size_t size() const { return size_.load(std::memory_order_acquire); }
  size_t room() const { return capacity_ - size_.load(std::memory_order_relaxed); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T& push(const T& value) {
    size_t i = size_.load(std::memory_order_relaxed);
    data_[i] = value;
    size_.store(i + 1, std::memory_order_release);
    return data_[i];
  }

 private:
  T* data_;
  size_t capacity_;
  std::atomic<size_t> size_ = 0;
};

class Generation {
 public:
  explicit Generation(size_t code_size);

  CodeMemory code;
  size_t used = 0;           // bytes of code memory
  u64 constants;             // run address of the stencil library's constants
  u64 link_stub, poll_stub;  // run addresses: what thunks call
  u64 dispatch;              // run address of the exit that looks cpu.pc up
  BlockMap map;
  ReservedArray<Block> blocks;
  ReservedArray<u16> offsets;
  ReservedArray<Edge> edges;
  std::unordered_map<u64, std::vector<u32>> pages;  // guest page number -> indices of its blocks
  u32 threads = 0;                                  // attached threads that still run in it

  // Is there room for the largest block?
  bool has_room() const;

  // The guest pc of the instruction whose code contains the run address; 0 when it is no instruction's.
  u64 locate(u64 run) const;

  // The edge and the block of a thunk's exit_operand.
  const Edge& edge_at(u64 exit_operand) const;
  const Block& block_at(u64 exit_operand) const;

  // Drops the blocks of the guest pages in [first, last); returns how many.
  u32 invalidate_pages(u64 first, u64 last);

 private:
  u32 invalidate_page(u64 page);
  u64 place_stub(stencil::ThunkKind kind);
};

}  // namespace ferry::cache
