// A bounded line builder for --strace: formats into its own buffer, never allocates, cuts what does not fit.
#pragma once
#include <string_view>

#include "guest/types.h"

namespace ferry::syscalls {

class Text {
 public:
  static constexpr size_t capacity = 2048;

  void add(std::string_view text);
  void decimal(i64 value);
  void hex(u64 value);      // 0x1f; 0 for zero as strace prints flags
  void octal(u64 value);    // 0644; 0 for zero
  void pointer(u64 value);  // 0x7f00; NULL for zero
  // "text" in quotes with C escapes as strace's; `cut` appends "..." after the closing quote.
  void quoted(std::string_view bytes, bool cut = false);
  [[gnu::format(printf, 2, 3)]] void format(const char* format, ...);

  std::string_view view() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }

 private:
  size_t size_ = 0;
  char data_[capacity];
};

}  // namespace ferry::syscalls
