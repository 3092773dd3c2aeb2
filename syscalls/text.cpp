#include "syscalls/text.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace ferry::syscalls {

void Text::add(std::string_view text) {
  size_t room = capacity - size_;
  size_t length = text.size() < room ? text.size() : room;
  memcpy(data_ + size_, text.data(), length);
  size_ += length;
}

void Text::format(const char* format, ...) {
  char piece[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(piece, sizeof piece, format, arguments);
  va_end(arguments);
  if (length > 0)
    add({piece, static_cast<size_t>(length) < sizeof piece ? static_cast<size_t>(length) : sizeof piece - 1});
}

void Text::decimal(i64 value) { format("%lld", static_cast<long long>(value)); }
void Text::hex(u64 value) { value == 0 ? add("0") : format("%#llx", static_cast<unsigned long long>(value)); }
void Text::octal(u64 value) { value == 0 ? add("0") : format("%#llo", static_cast<unsigned long long>(value)); }
void Text::pointer(u64 value) { value == 0 ? add("NULL") : format("%#llx", static_cast<unsigned long long>(value)); }

void Text::quoted(std::string_view bytes, bool cut) {
  static constexpr char plain[] = "\t\n\v\f\r\"\\";
  static constexpr char letter[] = "tnvfr\"\\";
  add("\"");
  for (size_t i = 0; i < bytes.size(); i++) {
    auto c = static_cast<unsigned char>(bytes[i]);
    const char* at = c == 0 ? nullptr : strchr(plain, c);
    if (at != nullptr) {
      char escape[2] = {'\\', letter[at - plain]};
      add({escape, 2});
    } else if (c >= 0x20 && c < 0x7f) {
      add({&bytes[i], 1});
    } else {
      // The shortest octal escape, unless a digit follows that would be read as part of it.
      bool digit_follows = i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '7';
      format(digit_follows ? "\\%03o" : "\\%o", c);
    }
  }
  add(cut ? "\"..." : "\"");
}

}  // namespace ferry::syscalls
