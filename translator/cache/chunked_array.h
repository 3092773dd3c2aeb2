// Arrays that grow by chunks of memory that they share. Elements never move, so readers, signal handlers among them, need no lock while
// the one writer appends; and many small tables fill few pages.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <span>
#include <type_traits>
#include <utility>

#include "guest/check.h"
#include "guest/types.h"

namespace ferry::cache {

// What the tables of one owner take their memory from: somebody else's, that outlives them all. One thread at a time.
class ChunkMemory {
 public:
  explicit ChunkMemory(size_t expected = 0) : expected_(expected) {}
  // Before give(): somebody is going to take as much.
  void expect(size_t bytes) { expected_ += bytes; }
  size_t expected() const { return expected_; }
  // Zeroed memory: a little that is taken first, and as much as is expected.
  void give(std::span<u8> first, std::span<u8> rest) {
    first_ = first;
    rest_ = rest;
  }
  void* take(size_t bytes) {
    std::span<u8>& from = bytes <= first_.size() ? first_ : rest_;
    check(bytes <= from.size());
    void* taken = from.data();
    from = from.subspan(bytes);
    return taken;
  }

 private:
  size_t expected_ = 0;
  std::span<u8> first_, rest_;
};

template <class T>
class ChunkedArray {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 2048 && alignof(T) <= 64);

 public:
  ChunkedArray(ChunkMemory& memory, size_t capacity) : memory_(memory), capacity_(capacity) {
    check(Place{capacity}.chunk < max_chunks);
    for (size_t i = 0; i < capacity; i += elements_of(Place{i}.chunk)) memory_.expect(bytes_of(Place{i}.chunk));
  }

  size_t size() const { return size_.load(std::memory_order_acquire); }
  size_t room() const { return capacity_ - size_.load(std::memory_order_relaxed); }
  T& operator[](size_t i) { return at(Place{i}); }
  const T& operator[](size_t i) const { return at(Place{i}); }
  T& push(const T& value) {
    std::span<T> room = room_in_chunk();
    room[0] = value;
    add(1);
    return room[0];
  }
  void append(std::span<const T> values) {
    while (!values.empty()) {
      std::span<T> room = room_in_chunk();
      size_t count = std::min(room.size(), values.size());
      std::copy_n(values.begin(), count, room.begin());
      add(count);
      values = values.subspan(count);
    }
  }
  void clear() { size_.store(0, std::memory_order_release); }

  // In an array that is sorted by a member: the index of the first element whose member is not less than `value`. It is sought
  // near `hint`; without one it is most likely one of the latest.
  template <auto member>
  size_t first_from(u32 value, size_t hint = ~size_t{0}) const {
    size_t end = size(), low = 0, high = end;
    auto is_less = [&](size_t i) { return (*this)[i].*member < value; };
    if (hint < end && is_less(hint)) {
      low = hint + 1;
      for (size_t at = low, step = 1; at < end; at += step, step *= 2) {
        if (!is_less(at)) {
          high = at;
          break;
        }
        low = at + 1;
      }
    } else {
      if (hint < end) high = hint;
      for (size_t step = 1; step <= high; step *= 2) {
        if (is_less(high - step)) {
          low = high - step + 1;
          break;
        }
        high -= step;
      }
    }
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (is_less(middle))
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  // The element whose member is `value`; null when there is none.
  template <auto member>
  const T* find_sorted(u32 value, size_t hint = ~size_t{0}) const {
    size_t i = first_from<member>(value, hint);
    return i < size() && (*this)[i].*member == value ? &(*this)[i] : nullptr;
  }

 private:
  // Elements of the first chunk; each later one has twice as many, the last as many as are left.
  static constexpr size_t first_chunk = std::bit_floor(2048 / sizeof(T));
  static constexpr u32 max_chunks = 24;
  struct Place {
    explicit Place(size_t i)
        : chunk(static_cast<u32>(std::bit_width(i / first_chunk + 1)) - 1),
          index(i + first_chunk - (first_chunk << chunk)) {}
    u32 chunk;
    size_t index;
  };
  T& at(Place place) const { return chunks_[place.chunk][place.index]; }

  size_t elements_of(u32 chunk) const {
    return std::min(first_chunk << chunk, capacity_ - first_chunk * ((size_t{1} << chunk) - 1));
  }
  size_t bytes_of(u32 chunk) const { return (elements_of(chunk) * sizeof(T) + 63) & ~size_t{63}; }

  // What is left of the chunk that the next element goes into.
  std::span<T> room_in_chunk() {
    size_t i = size_.load(std::memory_order_relaxed);
    check(i < capacity_);  // else it would be in another's chunk
    Place place{i};
    T*& chunk = chunks_[place.chunk];
    if (chunk == nullptr) chunk = static_cast<T*>(memory_.take(bytes_of(place.chunk)));
    return {chunk + place.index, elements_of(place.chunk) - place.index};
  }
  void add(size_t count) { size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_release); }

  ChunkMemory& memory_;
  size_t capacity_;
  T* chunks_[max_chunks] = {};
  std::atomic<size_t> size_ = 0;
};

}  // namespace ferry::cache
