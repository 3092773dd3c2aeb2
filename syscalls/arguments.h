// Argument kinds: what a row of syscalls.def says of each argument. A kind is made from the raw register, gives handlers a typed
// value, prints itself for --strace, and, where the architectures differ, converts itself for the host's kernel (forward.h).
// In kinds are printed before the call, Out kinds after it, as strace(1) does.
#pragma once
#include "guest/memory.h"
#include "syscalls/abi.h"
#include "syscalls/flags.h"
#include "syscalls/text.h"

namespace ferry::syscalls {

// The raw call, as kinds see it: a kind may need a sibling argument (a length) or the result.
struct Call {
  u64 arguments[6];
  i64 result = 0;  // negated errno on failure
  bool failed() const { return static_cast<u64>(result) >= static_cast<u64>(-4095); }
};

// When a kind is printed: what the guest hands in before the call, what it gets after.
enum class When : u8 { before, after };

template <class T>
struct Scalar {
  T value;
  explicit constexpr Scalar(u64 raw) : value(static_cast<T>(raw)) {}
  static constexpr When when = When::before;
};

#define FERRY_SCALAR(Kind, type)                    \
  struct Kind : Scalar<type> {                      \
    using Scalar::Scalar;                           \
    void print(Text& text, const Call& call) const; \
  }
FERRY_SCALAR(Int, i32);
FERRY_SCALAR(Uint, u32);
FERRY_SCALAR(Long, i64);
FERRY_SCALAR(Size, u64);
FERRY_SCALAR(Offset, i64);
FERRY_SCALAR(Hex, u64);
FERRY_SCALAR(Hex32, u32);
FERRY_SCALAR(HexOffset, u64);
FERRY_SCALAR(Addr, GuestAddr);  // an address the kind says nothing more of
FERRY_SCALAR(Mode, u32);        // permission bits, octal
FERRY_SCALAR(Device, u64);      // makedev(0x8, 0x1)
FERRY_SCALAR(Id, u32);          // a user or group; -1 leaves it
FERRY_SCALAR(Signal, i32);
FERRY_SCALAR(Fd, i32);          // EBADF when it is one of ferry's own
FERRY_SCALAR(FdOrNew, i32);     // -1 where there is none
FERRY_SCALAR(DirFd, i32);       // AT_FDCWD; the PathAt after it is relative to it
FERRY_SCALAR(CloneFlags, u64);  // the exit signal is in the low byte
FERRY_SCALAR(FutexOperation, i32);
FERRY_SCALAR(IpcKey, i32);
FERRY_SCALAR(IoctlRequest, u32);
FERRY_SCALAR(String, GuestAddr);       // NUL-terminated, not a path of this machine
FERRY_SCALAR(StringArray, GuestAddr);  // argv
FERRY_SCALAR(Environment, GuestAddr);  // envp, printed as its size
FERRY_SCALAR(InMessage, GuestAddr);    // a MessageHeader
#undef FERRY_SCALAR

// An argument that some operations do not have: strace leaves it out when present() is false.
#define FERRY_OPTIONAL(Kind)                        \
  struct Kind : Scalar<u64> {                       \
    using Scalar::Scalar;                           \
    bool present(const Call& call) const;           \
    void print(Text& text, const Call& call) const; \
  }
FERRY_OPTIONAL(FcntlArgument);
FERRY_OPTIONAL(FutexTimeout);  // a timespec or a count, by the operation
FERRY_OPTIONAL(FutexSecond);
FERRY_OPTIONAL(FutexValue);
#undef FERRY_OPTIONAL

struct IoctlArgument : Scalar<u64> {  // as ioctls.def says of the request in argument 1
  using Scalar::Scalar;
  static constexpr When when = When::after;
  bool present(const Call& call) const;
  void print(Text& text, const Call& call) const;
};

template <const FlagTable& table>
struct Flags : Scalar<u64> {
  using Scalar::Scalar;
  void print(Text& text, const Call&) const { print_flags(text, value, table); }
};
template <const FlagTable& table>
struct Enum : Scalar<i32> {
  using Scalar::Scalar;
  void print(Text& text, const Call&) const { print_enum(text, static_cast<u32>(value), table); }
};

bool creates_file(u64 open_flags);  // O_CREAT or O_TMPFILE, in the guest's bits

// mode_t that only counts when the flags in argument `flags` create a file.
template <int flags>
struct CreateMode : Scalar<u32> {
  using Scalar::Scalar;
  bool present(const Call& call) const { return creates_file(call.arguments[flags]); }
  void print(Text& text, const Call&) const { Mode{value}.print(text, {}); }
};

// How the last component of a path is treated when it is a symbolic link.
struct follow {};
struct keep {};
template <int index>
struct keep_if_flag {};  // AT_SYMLINK_NOFOLLOW in that argument
template <int index>
struct follow_if_flag {};  // AT_SYMLINK_FOLLOW in that argument

void print_path(Text& text, GuestAddr path);

template <class Last>
struct Path : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call&) const { print_path(text, value); }
};
template <class Last>
struct PathAt : Scalar<GuestAddr> {  // the argument before it is the DirFd
  using Scalar::Scalar;
  void print(Text& text, const Call&) const { print_path(text, value); }
};

// Structures. Printing is print_value(Text&, const T&); a T without one prints as its address.
void print_value(Text&, const Integer32&);
void print_value(Text&, const Integer64&);
void print_value(Text&, const Hex64&);
void print_value(Text&, const WaitStatus&);
void print_value(Text&, const FdPair&);
void print_value(Text&, const Sigset&);
void print_value(Text&, const Timespec&);
void print_value(Text&, const TimespecPair&);
void print_value(Text&, const Timeval&);
void print_value(Text&, const Timezone&);
void print_value(Text&, const Itimerspec&);
void print_value(Text&, const Itimerval&);
void print_value(Text&, const Rlimit&);
void print_value(Text&, const Tms&);
void print_value(Text&, const Sembuf&);
void print_value(Text&, const MqAttr&);
void print_value(Text&, const OpenHow&);
void print_value(Text&, const SignalStack&);
void print_value(Text&, const SignalAction&);
void print_value(Text&, const Utsname&);
void print_value(Text&, const Sigevent&);
void print_value(Text&, const Siginfo&);
void print_value(Text&, const Rusage&);
void print_value(Text&, const Sysinfo&);
void print_value(Text&, const Statfs&);
void print_value(Text&, const Statx&);
void print_value(Text&, const Stat&);
void print_value(Text&, const EpollEvent&);
void print_value(Text&, const PollFd&);
void print_value(Text&, const CloneArguments&);

void print_pointer(Text& text, u64 address);

// Prints *p through print_value, or the address when it is null or unreadable.
template <class T>
void print_pointed(Text& text, GuestPtr<T> p) {
  Result<T> value = p ? read(p) : fail(EFAULT);
  if (value) {
    print_value(text, *value);
  } else {
    print_pointer(text, raw(p.address));
  }
}

template <class T, When printed>
struct Pointer {
  GuestPtr<T> value;
  explicit constexpr Pointer(u64 raw) : value{GuestAddr{raw}} {}
  explicit operator bool() const { return static_cast<bool>(value); }
  static constexpr When when = printed;
};
template <class T>
struct In : Pointer<T, When::before> {
  using Pointer<T, When::before>::Pointer;
  void print(Text& text, const Call&) const { print_pointed(text, this->value); }
};
template <class T>
struct Out : Pointer<T, When::after> {
  using Pointer<T, When::after>::Pointer;
  void print(Text& text, const Call& call) const {
    if (call.failed()) return print_pointer(text, raw(this->value.address));
    print_pointed(text, this->value);
  }
};
template <class T>
struct InOut : Pointer<T, When::before> {
  using Pointer<T, When::before>::Pointer;
  void print(Text& text, const Call&) const { print_pointed(text, this->value); }
};

template <class T>
void print_array(Text& text, GuestPtr<T> first, u64 count) {
  if (!first) return print_pointer(text, 0);
  text.add("[");
  for (u64 i = 0; i < count; i++) {
    if (i == 32) {
      text.add(", ...");
      break;
    }
    if (i != 0) text.add(", ");
    print_pointed(text, first + i);
  }
  text.add("]");
}

template <class T, int count>
struct InArray : Pointer<T, When::before> {
  using Pointer<T, When::before>::Pointer;
  void print(Text& text, const Call& call) const { print_array(text, this->value, call.arguments[count]); }
};
inline constexpr int result = -1;  // as a count: the call's result
template <class T, int count>
struct OutArray : Pointer<T, When::after> {
  static_assert(count == result);
  using Pointer<T, When::after>::Pointer;
  void print(Text& text, const Call& call) const {
    if (call.failed()) return print_pointer(text, raw(this->value.address));
    print_array(text, this->value, static_cast<u64>(call.result));
  }
};
template <int count>
struct PollArray : Pointer<PollFd, When::before> {
  using Pointer::Pointer;
  void print(Text& text, const Call& call) const;
};

// Bytes. Printed quoted, cut at 32.
void print_bytes(Text& text, GuestAddr from, u64 length);

template <int length>
struct InBuffer : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_bytes(text, value, call.arguments[length]); }
};
struct OutBuffer : Scalar<GuestAddr> {  // as long as the result says
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};
struct OutString : Scalar<GuestAddr> {  // NUL-terminated
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};
struct OutDirents : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};
struct OutCpuSet : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};
void print_cpu_set(Text& text, GuestAddr from, u64 length);
template <int length>
struct CpuSet : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_cpu_set(text, value, call.arguments[length]); }
};
void print_fd_set(Text& text, GuestAddr from, i64 count);
template <int count>
struct FdSet : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_fd_set(text, value, static_cast<i32>(call.arguments[count])); }
};

// Scatter lists: `limit` bytes of content in all are valid.
void print_iovec(Text& text, GuestAddr from, u64 count, u64 limit);
template <int count>
struct InIovec : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_iovec(text, value, call.arguments[count], ~u64{0}); }
};
template <int count>
struct OutIovec : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const {
    if (call.failed()) return print_pointer(text, raw(value));
    print_iovec(text, value, call.arguments[count], static_cast<u64>(call.result));
  }
};
struct OutMessage : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};

// Sockets. `length` is the argument with the address length (In) or with the pointer to it (Out).
void print_sockaddr(Text& text, GuestAddr from, u64 length);
template <int length>
struct InSockaddr : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_sockaddr(text, value, call.arguments[length]); }
};
void print_out_sockaddr(Text& text, GuestAddr from, GuestAddr length, const Call& call);
template <int length>
struct OutSockaddr : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const {
    print_out_sockaddr(text, value, GuestAddr{call.arguments[length]}, call);
  }
};
template <int level>
struct SocketOption : Scalar<i32> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const;
};
void print_option_value(Text& text, GuestAddr from, u64 length);
template <int length>
struct InOptionValue : Scalar<GuestAddr> {
  using Scalar::Scalar;
  void print(Text& text, const Call& call) const { print_option_value(text, value, call.arguments[length]); }
};
template <int length>
struct OutOptionValue : Scalar<GuestAddr> {
  using Scalar::Scalar;
  static constexpr When when = When::after;
  void print(Text& text, const Call& call) const;
};

}  // namespace ferry::syscalls
