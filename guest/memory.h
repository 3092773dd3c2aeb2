// The door between ferry's own code and guest memory: typed guest pointers and copies that fail with EFAULT
// instead of crashing, because every address a guest hands over is untrusted.
#pragma once
#include <string>
#include <type_traits>

#include "guest/result.h"

namespace ferry {

// A guest address that points at a T in the guest's layout. Never dereferenced: read() and write() copy.
template <class T>
struct GuestPtr {
  GuestAddr address{};
  explicit operator bool() const { return raw(address) != 0; }
  GuestPtr operator+(u64 count) const { return {address + count * sizeof(T)}; }
};

// Fault-safe copies; EFAULT when any byte is not accessible (then the destination may be partly written).
// Callable from any thread. They rely on fix_up_guest_access() being called from the host SIGSEGV/SIGBUS handler.
Result<void> copy_from_guest(void* destination, GuestAddr source, size_t size);
Result<void> copy_to_guest(GuestAddr destination, const void* source, size_t size);

// A NUL-terminated string of at most `limit` bytes including the NUL; ENAMETOOLONG when longer, EFAULT when unreadable.
Result<std::string> read_guest_string(GuestAddr source, size_t limit = 4096);

template <class T>
Result<T> read(GuestPtr<const T> p) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  TRY_VOID(copy_from_guest(&value, p.address, sizeof value));
  return value;
}
template <class T>
Result<T> read(GuestPtr<T> p) {
  return read(GuestPtr<const T>{p.address});
}

template <class T>
Result<void> write(GuestPtr<T> p, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return copy_to_guest(p.address, &value, sizeof value);
}

// From a host fault handler with the interrupted context (ucontext_t*): when the fault hit inside one of the
// copies above, makes the copy return EFAULT and returns true. Async-signal-safe.
bool fix_up_guest_access(void* ucontext);

}  // namespace ferry
