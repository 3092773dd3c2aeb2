// Plain data to bytes and back, for what crosses a socket or lies in a file. The reader never goes beyond its bytes: once something
// is not there it fails for good, and every later read gives zero. Host byte order: both ends are of one machine.
#pragma once
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

class ByteWriter {
 public:
  template <class T>
  void put(T value) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T>);
    put_raw(&value, sizeof value);
  }
  void put_text(std::string_view text) {
    put(static_cast<u32>(text.size()));
    put_raw(text.data(), text.size());
  }
  // Elements without padding only.
  template <class T>
  void put_array(const std::vector<T>& values) {
    static_assert(std::has_unique_object_representations_v<T>);
    put(static_cast<u32>(values.size()));
    put_raw(values.data(), values.size() * sizeof(T));
  }
  std::vector<u8> take() { return std::move(bytes_); }

 private:
  void put_raw(const void* data, size_t size) {
    if (size == 0) return;
    size_t at = bytes_.size();
    bytes_.resize(at + size);
    memcpy(bytes_.data() + at, data, size);
  }

  std::vector<u8> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const u8> bytes) : rest_(bytes) {}

  template <class T>
  T get() {
    static_assert(std::is_integral_v<T>);
    T value{};
    get_raw(&value, sizeof value);
    return value;
  }

  // A count of elements that take at least `each` bytes: refused beyond `limit` or what can be there, before memory is taken for it.
  u32 get_count(size_t limit, size_t each) {
    u32 count = get<u32>();
    if (count > limit || count > rest_.size() / each) fail();
    return failed_ ? 0 : count;
  }
  std::string get_text(size_t limit) {
    std::string text(get_count(limit, 1), '\0');
    get_raw(text.data(), text.size());
    return text;
  }
  template <class T>
  std::vector<T> get_array(size_t limit) {
    static_assert(std::has_unique_object_representations_v<T> && !std::is_same_v<T, bool>);
    std::vector<T> values(get_count(limit, sizeof(T)));
    get_raw(values.data(), values.size() * sizeof(T));
    return values;
  }

  // Over an array that is not wanted; how many there were.
  u32 skip_array(size_t each) {
    u32 count = get_count(~u32{0}, each);
    rest_ = rest_.subspan(count * each);
    return count;
  }

  // What the reader of a message finds wrong with it.
  void require(bool kept) {
    if (!kept) fail();
  }
  bool good() const { return !failed_; }
  // Everything was there and nothing is left.
  bool complete() const { return !failed_ && rest_.empty(); }

 private:
  void get_raw(void* to, size_t size) {
    if (size == 0) return;
    if (rest_.size() < size) return fail();
    memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  void fail() {
    failed_ = true;
    rest_ = {};
  }

  std::span<const u8> rest_;
  bool failed_ = false;
};

}  // namespace ferry::optimizer
