// How each argument kind prints itself: the format of strace(1).
#include "syscalls/arguments.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <cstring>

namespace ferry::syscalls {

namespace {
constexpr u64 string_limit = 32;  // what strace shows of a buffer
constexpr u64 list_limit = 32;    // elements of argv

// As much of a NUL-terminated string as `limit` allows, whether its end was seen; false when unreadable at its start.
bool read_text(GuestAddr from, char* buffer, u64 limit, u64& length, bool& ended) {
  length = 0;
  ended = false;
  while (length < limit) {
    u64 in_page = 4096 - (raw(from + length) & 4095);
    u64 size = in_page < limit - length ? in_page : limit - length;
    if (!copy_from_guest(buffer + length, from + length, size)) return length != 0;
    if (const void* nul = memchr(buffer + length, 0, size)) {
      length = static_cast<u64>(static_cast<const char*>(nul) - buffer);
      ended = true;
      return true;
    }
    length += size;
  }
  return true;
}

void print_string(Text& text, GuestAddr from, u64 limit) {
  char buffer[1024];
  u64 length;
  bool ended;
  if (limit >= sizeof buffer) limit = sizeof buffer - 1;
  if (raw(from) == 0 || !read_text(from, buffer, limit + 1, length, ended)) return print_pointer(text, raw(from));
  if (length > limit) length = limit;
  text.quoted({buffer, length}, !ended);
}
}  // namespace

void print_pointer(Text& text, u64 address) { text.pointer(address); }
void print_path(Text& text, GuestAddr path) { print_string(text, path, 1000); }

void print_bytes(Text& text, GuestAddr from, u64 length) {
  char buffer[string_limit];
  u64 shown = length < string_limit ? length : string_limit;
  if (raw(from) == 0 || !copy_from_guest(buffer, from, shown)) return print_pointer(text, raw(from));
  text.quoted({buffer, shown}, shown < length);
}

void Int::print(Text& text, const Call&) const { text.decimal(value); }
void Uint::print(Text& text, const Call&) const { text.decimal(value); }
void Long::print(Text& text, const Call&) const { text.decimal(value); }
void Size::print(Text& text, const Call&) const { text.format("%llu", static_cast<unsigned long long>(value)); }
void Offset::print(Text& text, const Call&) const { text.decimal(value); }
void Hex::print(Text& text, const Call&) const { text.hex(value); }
void Hex32::print(Text& text, const Call&) const { text.hex(value); }
void HexOffset::print(Text& text, const Call&) const { text.hex(value); }
void Addr::print(Text& text, const Call&) const { print_pointer(text, raw(value)); }
void Mode::print(Text& text, const Call&) const { text.format("%#03o", value); }
void Device::print(Text& text, const Call&) const { text.format("makedev(%#x, %#x)", major(value), minor(value)); }
void Id::print(Text& text, const Call&) const { text.decimal(value == ~0u ? -1 : i64{value}); }
void Fd::print(Text& text, const Call&) const { text.decimal(value); }
void FdOrNew::print(Text& text, const Call&) const { text.decimal(value); }
void DirFd::print(Text& text, const Call&) const { value == AT_FDCWD ? text.add("AT_FDCWD") : text.decimal(value); }
void IpcKey::print(Text& text, const Call&) const {
  value == IPC_PRIVATE ? text.add("IPC_PRIVATE") : text.hex(static_cast<u32>(value));
}
void String::print(Text& text, const Call&) const { print_string(text, value, 255); }

void Signal::print(Text& text, const Call&) const {
  if (const char* name = signal_name(value)) return text.add(name);
  if (value > 32 && value <= 64) return text.format("SIGRT_%d", value - 32);
  text.decimal(value);
}

void CloneFlags::print(Text& text, const Call& call) const {
  u64 flags = value & ~u64{0xff};
  if (flags != 0) print_flags(text, flags, clone_flags);
  if ((value & 0xff) == 0 && flags != 0) return;
  if (flags != 0) text.add("|");
  Signal{value & 0xff}.print(text, call);
}

void FutexOperation::print(Text& text, const Call&) const {
  int operation = value & FUTEX_CMD_MASK;
  print_enum(text, static_cast<u64>(operation), futex_operations);
  if ((value & FUTEX_PRIVATE_FLAG) != 0) text.add("_PRIVATE");
  if ((value & FUTEX_CLOCK_REALTIME) != 0) text.add("|FUTEX_CLOCK_REALTIME");
}

namespace {
enum class FutexForm { wake, wait, wait_bits, second };
FutexForm futex_form(const Call& call) {
  switch (call.arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAKE:
    case FUTEX_UNLOCK_PI:
    case FUTEX_TRYLOCK_PI:
      return FutexForm::wake;
    case FUTEX_WAIT:
    case FUTEX_LOCK_PI:
      return FutexForm::wait;
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAKE_BITSET:
      return FutexForm::wait_bits;
    default:
      return FutexForm::second;
  }
}
}  // namespace

bool FutexTimeout::present(const Call& call) const { return futex_form(call) != FutexForm::wake; }
void FutexTimeout::print(Text& text, const Call& call) const {
  if (futex_form(call) == FutexForm::second) return text.decimal(static_cast<i32>(value));
  print_pointed(text, GuestPtr<Timespec>{GuestAddr{value}});
}
bool FutexSecond::present(const Call& call) const { return futex_form(call) >= FutexForm::wait_bits; }
void FutexSecond::print(Text& text, const Call&) const { print_pointer(text, value); }
bool FutexValue::present(const Call& call) const { return futex_form(call) >= FutexForm::wait_bits; }
void FutexValue::print(Text& text, const Call&) const {
  static_cast<u32>(value) == ~0u ? text.add("FUTEX_BITSET_MATCH_ANY") : text.hex(static_cast<u32>(value));
}

bool FcntlArgument::present(const Call& call) const {
  switch (static_cast<int>(call.arguments[1])) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
      return false;
    default:
      return true;
  }
}
void FcntlArgument::print(Text& text, const Call& call) const {
  switch (static_cast<int>(call.arguments[1])) {
    case F_SETFD:
      return value == FD_CLOEXEC ? text.add("FD_CLOEXEC") : text.hex(value);
    case F_SETFL:
      return print_flags(text, static_cast<u32>(value), open_flags);
    case 5:
    case 6:
    case 7:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      break;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETOWN:
    case F_SETPIPE_SZ:
    case F_SETSIG:
      return text.decimal(static_cast<i32>(value));
    default:
      return text.hex(value);
  }
  Result<Flock> lock = read(GuestPtr<Flock>{GuestAddr{value}});
  if (!lock) return print_pointer(text, value);
  text.add("{l_type=");
  print_enum(text, static_cast<u16>(lock->type), lock_types);
  text.add(", l_whence=");
  print_enum(text, static_cast<u16>(lock->whence), seek_whence);
  text.format(", l_start=%lld, l_len=%lld}", static_cast<long long>(lock->start), static_cast<long long>(lock->length));
}

bool creates_file(u64 flags) { return (flags & O_CREAT) != 0 || (flags & 020000000 /* __O_TMPFILE */) != 0; }

void StringArray::print(Text& text, const Call&) const {
  if (raw(value) == 0) return print_pointer(text, 0);
  text.add("[");
  for (u64 i = 0;; i++) {
    Result<u64> entry = read(GuestPtr<u64>{value} + i);
    if (!entry || *entry == 0) break;
    if (i != 0) text.add(", ");
    if (i == list_limit) {
      text.add("...");
      break;
    }
    print_string(text, GuestAddr{*entry}, string_limit);
  }
  text.add("]");
}

void Environment::print(Text& text, const Call&) const {
  print_pointer(text, raw(value));
  u64 count = 0;
  for (GuestPtr<u64> p{value}; p; p = p + 1, count++) {
    Result<u64> entry = read(p);
    if (!entry || *entry == 0) break;
  }
  text.format(" /* %llu var%s */", static_cast<unsigned long long>(count), count == 1 ? "" : "s");
}

void OutBuffer::print(Text& text, const Call& call) const {
  if (call.failed()) return print_pointer(text, raw(value));
  print_bytes(text, value, static_cast<u64>(call.result));
}
void OutString::print(Text& text, const Call& call) const {
  if (call.failed()) return print_pointer(text, raw(value));
  print_path(text, value);
}

void OutDirents::print(Text& text, const Call& call) const {
  print_pointer(text, raw(value));
  if (call.failed()) return;
  u64 count = 0;
  for (u64 at = 0; at < static_cast<u64>(call.result); count++) {
    Result<u16> length = read(GuestPtr<u16>{value + at + 16});  // d_reclen of struct linux_dirent64
    if (!length || *length == 0) break;
    at += *length;
  }
  text.format(" /* %llu entr%s */", static_cast<unsigned long long>(count), count == 1 ? "y" : "ies");
}

void print_cpu_set(Text& text, GuestAddr from, u64 length) {
  u8 bytes[128];
  if (length > sizeof bytes) length = sizeof bytes;
  if (raw(from) == 0 || !copy_from_guest(bytes, from, length)) return print_pointer(text, raw(from));
  text.add("[");
  const char* separator = "";
  for (u64 cpu = 0; cpu < length * 8; cpu++) {
    if ((bytes[cpu / 8] >> (cpu % 8) & 1) == 0) continue;
    text.format("%s%llu", separator, static_cast<unsigned long long>(cpu));
    separator = " ";
  }
  text.add("]");
}
void OutCpuSet::print(Text& text, const Call& call) const {
  if (call.failed()) return print_pointer(text, raw(value));
  print_cpu_set(text, value, static_cast<u64>(call.result));
}
void print_fd_set(Text& text, GuestAddr from, i64 count) {
  u64 bytes = count <= 0 ? 0 : (static_cast<u64>(count) + 63) / 64 * 8;
  print_cpu_set(text, from, bytes);
}

void print_iovec(Text& text, GuestAddr from, u64 count, u64 limit) {
  if (raw(from) == 0) return print_pointer(text, 0);
  text.add("[");
  for (u64 i = 0; i < count; i++) {
    if (i != 0) text.add(", ");
    Result<Iovec> element = i < list_limit ? read(GuestPtr<Iovec>{from} + i) : fail(EFAULT);
    if (!element) {
      text.add("...");
      break;
    }
    u64 valid = element->length < limit ? element->length : limit;
    limit -= valid;
    text.add("{iov_base=");
    print_bytes(text, GuestAddr{element->base}, valid);
    text.format(", iov_len=%llu}", static_cast<unsigned long long>(element->length));
  }
  text.add("]");
}

template <int count>
void PollArray<count>::print(Text& text, const Call& call) const {
  print_array(text, value, call.arguments[count]);
}
template struct PollArray<1>;

void print_sockaddr(Text& text, GuestAddr from, u64 length) {
  union {
    sockaddr_storage storage;
    sockaddr_in ip4;
    sockaddr_in6 ip6;
    char bytes[sizeof(sockaddr_storage)];
  } address = {};
  if (length > sizeof address.storage) length = sizeof address.storage;
  if (raw(from) == 0 || length < 2 || !copy_from_guest(&address, from, length)) return print_pointer(text, raw(from));
  text.add("{sa_family=");
  print_enum(text, address.storage.ss_family, address_families);
  switch (address.storage.ss_family) {
    case AF_UNIX:
      if (length == 2) break;
      text.add(address.bytes[2] == 0 ? ", sun_path=@" : ", sun_path=");
      if (address.bytes[2] == 0) {
        text.quoted({address.bytes + 3, length - 3});
      } else {
        text.quoted({address.bytes + 2, strnlen(address.bytes + 2, length - 2)});
      }
      break;
    case AF_INET: {
      auto* octets = reinterpret_cast<const u8*>(&address.ip4.sin_addr);
      text.format(", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")", __builtin_bswap16(address.ip4.sin_port),
                  octets[0], octets[1], octets[2], octets[3]);
      break;
    }
    case AF_INET6: {
      text.format(", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"",
                  __builtin_bswap16(address.ip6.sin6_port), __builtin_bswap32(address.ip6.sin6_flowinfo));
      for (int i = 0; i < 16; i += 2)
        text.format("%s%x", i == 0 ? "" : ":",
                    address.ip6.sin6_addr.s6_addr[i] << 8 | address.ip6.sin6_addr.s6_addr[i + 1]);
      text.format("\", &sin6_addr), sin6_scope_id=%u", address.ip6.sin6_scope_id);
      break;
    }
    case AF_NETLINK: {
      u32 words[3];
      memcpy(words, address.bytes, sizeof words);
      text.format(", nl_pid=%u, nl_groups=%08x", words[1], words[2]);
      break;
    }
    default:
      text.add(", sa_data=");
      text.quoted({address.bytes + 2, length - 2 < 14 ? length - 2 : 14});
  }
  text.add("}");
}

void print_out_sockaddr(Text& text, GuestAddr from, GuestAddr length, const Call& call) {
  Result<u32> size = read(GuestPtr<u32>{length});
  if (call.failed() || !size) return print_pointer(text, raw(from));
  print_sockaddr(text, from, *size);
}

template <int level>
void SocketOption<level>::print(Text& text, const Call& call) const {
  switch (call.arguments[level]) {
    case SOL_SOCKET:
      return print_enum(text, static_cast<u32>(value), socket_options);
    case IPPROTO_TCP:
      return print_enum(text, static_cast<u32>(value), tcp_options);
    case IPPROTO_IP:
      return print_enum(text, static_cast<u32>(value), ip_options);
    case IPPROTO_IPV6:
      return print_enum(text, static_cast<u32>(value), ipv6_options);
    default:
      text.hex(static_cast<u32>(value));
  }
}
template struct SocketOption<1>;

void print_option_value(Text& text, GuestAddr from, u64 length) {
  if (length != sizeof(i32)) return print_bytes(text, from, length);
  print_pointed(text, GuestPtr<Integer32>{from});
}
template <int length>
void OutOptionValue<length>::print(Text& text, const Call& call) const {
  Result<u32> size = read(GuestPtr<u32>{GuestAddr{call.arguments[length]}});
  if (call.failed() || !size) return print_pointer(text, raw(value));
  print_option_value(text, value, *size);
}
template struct OutOptionValue<4>;

namespace {
void print_message(Text& text, GuestAddr from, u64 limit) {
  Result<MessageHeader> message = raw(from) == 0 ? fail(EFAULT) : read(GuestPtr<MessageHeader>{from});
  if (!message) return print_pointer(text, raw(from));
  text.add("{msg_name=");
  print_sockaddr(text, GuestAddr{message->name}, message->name_length);
  text.format(", msg_namelen=%u, msg_iov=", message->name_length);
  print_iovec(text, GuestAddr{message->iov}, message->iov_count, limit);
  text.format(", msg_iovlen=%llu, msg_controllen=%llu, msg_flags=", static_cast<unsigned long long>(message->iov_count),
              static_cast<unsigned long long>(message->control_length));
  print_flags(text, static_cast<u32>(message->flags), message_flags);
  text.add("}");
}
}  // namespace

void InMessage::print(Text& text, const Call&) const { print_message(text, value, ~u64{0}); }
void OutMessage::print(Text& text, const Call& call) const {
  if (call.failed()) return print_pointer(text, raw(value));
  print_message(text, value, static_cast<u64>(call.result));
}

}  // namespace ferry::syscalls
