// The project's integer names, the guest address type and the list of instruction sets.
// Freestanding: semantic functions are compiled for either host without a C library.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace ferry {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using u128 = unsigned __int128;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
using i128 = __int128;

// An address in the guest's address space. ferry maps the guest at base 0, so its value is also a host
// address, but it is untrusted and must never be dereferenced directly: go through guest/memory.h.
enum class GuestAddr : u64 {};

constexpr u64 raw(GuestAddr a) { return static_cast<u64>(a); }
constexpr GuestAddr operator+(GuestAddr a, u64 n) { return GuestAddr{raw(a) + n}; }
constexpr GuestAddr operator-(GuestAddr a, u64 n) { return GuestAddr{raw(a) - n}; }
constexpr u64 operator-(GuestAddr a, GuestAddr b) { return raw(a) - raw(b); }
constexpr GuestAddr& operator+=(GuestAddr& a, u64 n) { return a = a + n; }

enum class Isa : u8 { aarch64, x86_64 };

#if defined(__x86_64__)
inline constexpr Isa host_isa = Isa::x86_64;
#elif defined(__aarch64__)
inline constexpr Isa host_isa = Isa::aarch64;
#else
#error "ferry runs on x86_64 and AArch64 hosts"
#endif

}  // namespace ferry
