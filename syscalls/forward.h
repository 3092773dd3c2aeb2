// Forwarding a row to the host's kernel: each argument kind says what the kernel gets in its place and what is converted back.
// Most kinds are the raw register; the others are specialised here.
#pragma once
#include <fcntl.h>

#include <tuple>
#include <utility>

#include "syscalls/arguments.h"
#include "syscalls/descriptors.h"
#include "syscalls/host_syscall.h"
#include "syscalls/paths.h"

namespace ferry::syscalls {

template <class Kind, int index>
struct HostArgument {
  static constexpr bool raw = true;
  Result<u64> before(const Call& call) { return call.arguments[index]; }
  Result<void> after() { return {}; }
};

// ferry's own descriptors are not there for the guest.
template <int index>
struct HostArgument<Fd, index> {
  static constexpr bool raw = false;
  Result<u64> before(const Call& call) {
    if (is_protected_descriptor(static_cast<i32>(call.arguments[index]))) return fail(EBADF);
    return call.arguments[index];
  }
  Result<void> after() { return {}; }
};
template <int index>
struct HostArgument<DirFd, index> : HostArgument<Fd, index> {};
template <int index>
struct HostArgument<FdOrNew, index> : HostArgument<Fd, index> {};

template <int index>
struct HostArgument<Flags<open_flags>, index> {
  static constexpr bool raw = guest_abi::open_directory == host_abi::open_directory;
  Result<u64> before(const Call& call) { return open_flags_to_host(call.arguments[index]); }
  Result<void> after() { return {}; }
};

template <int index>
struct HostArgument<Flags<descriptor_flags>, index> : HostArgument<Flags<open_flags>, index> {};

constexpr bool follows(const Call&, follow) { return true; }
constexpr bool follows(const Call&, keep) { return false; }
template <int flags>
constexpr bool follows(const Call& call, keep_if_flag<flags>) {
  return (call.arguments[flags] & AT_SYMLINK_NOFOLLOW) == 0;
}
template <int flags>
constexpr bool follows(const Call& call, follow_if_flag<flags>) {
  return (call.arguments[flags] & AT_SYMLINK_FOLLOW) != 0;
}

template <class Last, int index>
struct HostArgument<Path<Last>, index> {
  static constexpr bool raw = false;
  PathBuffer buffer;
  Result<u64> before(const Call& call) {
    return host_path(AT_FDCWD, GuestAddr{call.arguments[index]}, follows(call, Last{}), buffer);
  }
  Result<void> after() { return {}; }
};
template <class Last, int index>
struct HostArgument<PathAt<Last>, index> {
  static constexpr bool raw = false;
  PathBuffer buffer;
  Result<u64> before(const Call& call) {
    int directory = static_cast<i32>(call.arguments[index - 1]);
    return host_path(directory, GuestAddr{call.arguments[index]}, follows(call, Last{}), buffer);
  }
  Result<void> after() { return {}; }
};

template <class T>
concept DiffersOnHost = !std::is_same_v<T, HostLayout<T>>;

template <DiffersOnHost T, int index>
struct HostArgument<Out<T>, index> {
  static constexpr bool raw = false;
  HostLayout<T> host;
  GuestPtr<T> guest{};
  Result<u64> before(const Call& call) {
    guest = {GuestAddr{call.arguments[index]}};
    return guest ? reinterpret_cast<u64>(&host) : 0;
  }
  Result<void> after() {
    if (!guest) return {};
    T converted;
    convert(host, converted);
    return write(guest, converted);
  }
};
template <DiffersOnHost T, int index>
struct HostArgument<In<T>, index> {
  static constexpr bool raw = false;
  HostLayout<T> host;
  Result<u64> before(const Call& call) {
    GuestPtr<T> guest{GuestAddr{call.arguments[index]}};
    if (!guest) return 0;
    convert(TRY(read(guest)), host);
    return reinterpret_cast<u64>(&host);
  }
  Result<void> after() { return {}; }
};

template <class... Kinds>
struct KindList {};

// The raw result of the host's system call `number` with the row's conversions, or a negated errno.
template <u32 number, class... K, int... index>
i64 forward_indexed(const Call& call, KindList<K...>, std::integer_sequence<int, index...>) {
  if constexpr ((HostArgument<K, index>::raw && ...)) {
    const u64* a = call.arguments;
    return host_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  } else {
    std::tuple<HostArgument<K, index>...> arguments;
    u64 host[6] = {};
    i64 error = 0;
    auto prepare = [&](auto& argument, int i) {
      Result<u64> value = argument.before(call);
      if (value) host[i] = *value;
      return value ? true : (error = -static_cast<i64>(value.error()), false);
    };
    if (!(prepare(std::get<index>(arguments), index) && ...)) return error;
    i64 result = host_syscall(number, host[0], host[1], host[2], host[3], host[4], host[5]);
    if (static_cast<u64>(result) >= static_cast<u64>(-4095)) return result;
    auto finish = [&](auto& argument) {
      Result<void> done = argument.after();
      return done ? true : (error = -static_cast<i64>(done.error()), false);
    };
    return (finish(std::get<index>(arguments)) && ...) ? result : error;
  }
}

template <u32 number, class... K>
i64 forward(const Call& call) {
  return forward_indexed<number>(call, KindList<K...>{}, std::make_integer_sequence<int, sizeof...(K)>{});
}

}  // namespace ferry::syscalls
