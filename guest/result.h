// The guest's failures: a Result<T> is a value or a Linux errno that the guest will see.
// Errno values are the generic Linux ones, which x86_64 and AArch64 share (asm-generic/errno.h).
#pragma once
#include <cerrno>
#include <expected>

#include "guest/types.h"

namespace ferry {

enum class Errno : int {};

template <class T>
using Result = std::expected<T, Errno>;

// `return fail(ENOENT);` in a function that returns a Result.
inline std::unexpected<Errno> fail(int error) { return std::unexpected(Errno{error}); }

// A raw system call's return: values in [-4095, -1] are negated errnos (man 2 intro, asm-generic).
inline Result<i64> from_raw(i64 value) {
  if (static_cast<u64>(value) >= static_cast<u64>(-4095)) return fail(static_cast<int>(-value));
  return value;
}
inline i64 to_raw(const Result<i64>& r) { return r ? *r : -static_cast<i64>(r.error()); }

}  // namespace ferry

// TRY(expression of Result<T>): its value, or return its error from the enclosing function (which returns a Result).
#define TRY(...)                                                 \
  ({                                                             \
    auto&& try_result = (__VA_ARGS__);                           \
    if (!try_result) return std::unexpected(try_result.error()); \
    *static_cast<decltype(try_result)&&>(try_result);            \
  })
// The same for Result<void>.
#define TRY_VOID(...)                                            \
  do {                                                           \
    auto&& try_result = (__VA_ARGS__);                           \
    if (!try_result) return std::unexpected(try_result.error()); \
  } while (0)
