// An array in reserved address space, committed by touching: elements never move, so readers, signal handlers among them,
// need no lock while the one writer appends.
#pragma once
#include <sys/mman.h>

#include <atomic>

#include "guest/check.h"
#include "translator/cache/reserved_memory.h"

namespace ferry::cache {

template <class T>
class ReservedArray {
 public:
  // Fatal when there is no address space.
  explicit ReservedArray(size_t capacity)
      : data_(static_cast<T*>(reserve_memory(capacity * sizeof(T), PROT_READ | PROT_WRITE))), capacity_(capacity) {
    if (data_ == nullptr) fatal("cannot reserve the translator's tables", "raise the address space limit (ulimit -v)");
  }
  ~ReservedArray() { release_memory(data_, capacity_ * sizeof(T)); }
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
  void clear() { size_.store(0, std::memory_order_release); }
  // `count` more elements, to be filled before anything refers to them.
  T* grow(size_t count) {
    size_t i = size_.load(std::memory_order_relaxed);
    size_.store(i + count, std::memory_order_release);
    return data_ + i;
  }

  // In an array that is sorted by a member: the index of the first element whose member is not less than `value`. It is sought
  // near `hint`; without one it is most likely one of the latest.
  template <auto member>
  size_t first_from(u32 value, size_t hint = ~size_t{0}) const {
    size_t end = size(), low = 0, high = end;
    auto is_less = [&](size_t i) { return data_[i].*member < value; };
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
    return i < size() && data_[i].*member == value ? &data_[i] : nullptr;
  }

 private:
  T* data_;
  size_t capacity_;
  std::atomic<size_t> size_ = 0;
};

}  // namespace ferry::cache
