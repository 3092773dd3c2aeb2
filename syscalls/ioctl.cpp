// ioctl: the requests of ioctls.def. Their numbers and structures are asm-generic's on both architectures, so none is converted;
// the table says which are known to be so, and how --strace shows them.
#include <asm/ioctls.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/vm_sockets.h>
#include <linux/vt.h>

// <asm/termbits.h> has the structures TCGETS2 and its like are sized by, but clashes with libc's <termios.h>: not included together.
#include <asm/termbits.h>

#include <atomic>

#include "guest/log.h"
#include "syscalls/forward.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/thread.h"

#ifndef FS_IOC_FIEMAP
#define FS_IOC_FIEMAP _IOWR('f', 11, struct fiemap)
#endif

namespace ferry::syscalls {

namespace {

enum class Transfer : u8 { none, value, in, out, in_out };
struct Opaque {};

enum class Shape : u8 { opaque, integer32, integer64, winsize, termios };
template <class T>
constexpr Shape shape_of = Shape::opaque;
template <>
constexpr Shape shape_of<Integer32> = Shape::integer32;
template <>
constexpr Shape shape_of<Integer64> = Shape::integer64;
template <>
constexpr Shape shape_of<Winsize> = Shape::winsize;
template <>
constexpr Shape shape_of<Termios> = Shape::termios;

struct IoctlRow {
  u32 request;
  Transfer transfer;
  Shape shape;
  char name[34];
};
constexpr IoctlRow rows[] = {
#define IOCTL(request, transfer, type) {static_cast<u32>(request), Transfer::transfer, shape_of<type>, #request},
#include "syscalls/ioctls.def"
#undef IOCTL
};

constexpr bool all_different() {
  for (const IoctlRow& a : rows) {
    for (const IoctlRow& b : rows) {
      if (&a != &b && a.request == b.request) return false;
    }
  }
  return true;
}
static_assert(all_different(), "two rows of ioctls.def have the same number");

const IoctlRow* find_row(u32 request) {
  for (const IoctlRow& row : rows) {
    if (row.request == request) return &row;
  }
  return nullptr;
}

// Remembers a few requests, so that a program that repeats one is told once.
bool first_time(u32 request) {
  static std::atomic<u32> seen[32];
  for (std::atomic<u32>& slot : seen) {
    u32 expected = 0;
    if (slot.compare_exchange_strong(expected, request)) return true;
    if (expected == request) return false;
  }
  return false;
}

void print_termios(Text& text, const Termios& t) {
  static constexpr char speeds[][8] = {"B0",   "B50",   "B75",   "B110",  "B134",  "B150",  "B200",   "B300",
                                       "B600", "B1200", "B1800", "B2400", "B4800", "B9600", "B19200", "B38400"};
  u32 speed = t.control & CBAUD;
  text.add("{");
  speed < 16 ? text.add(speeds[speed]) : text.format("B%#x", speed);
  // strace's abbreviation: five flags, a minus before those that are off.
  text.add((t.output & OPOST) != 0 ? " opost" : " -opost");
  text.add((t.local & ISIG) != 0 ? " isig" : " -isig");
  text.add((t.local & ICANON) != 0 ? " icanon" : " -icanon");
  text.add((t.local & ECHO) != 0 ? " echo" : " -echo");
  text.add(" ...}");
}

void print_shape(Text& text, Shape shape, GuestAddr address) {
  switch (shape) {
    case Shape::integer32:
      return print_pointed(text, GuestPtr<Integer32>{address});
    case Shape::integer64:
      return print_pointed(text, GuestPtr<Integer64>{address});
    case Shape::winsize:
      if (Result<Winsize> size = read(GuestPtr<Winsize>{address})) {
        return text.format("{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", size->rows, size->columns,
                           size->x_pixels, size->y_pixels);
      }
      break;
    case Shape::termios:
      if (Result<Termios> termios = read(GuestPtr<Termios>{address})) return print_termios(text, *termios);
      break;
    case Shape::opaque:
      break;
  }
  print_pointer(text, raw(address));
}

}  // namespace

void IoctlRequest::print(Text& text, const Call&) const {
  if (const IoctlRow* row = find_row(value)) return text.add(row->name);
  static constexpr char directions[][22] = {"_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"};
  text.format("_IOC(%s, %#x, %#x, %#x)", directions[_IOC_DIR(value)], _IOC_TYPE(value), _IOC_NR(value),
              _IOC_SIZE(value));
}

bool IoctlArgument::present(const Call& call) const {
  const IoctlRow* row = find_row(static_cast<u32>(call.arguments[1]));
  return row == nullptr || row->transfer != Transfer::none;
}
void IoctlArgument::print(Text& text, const Call& call) const {
  const IoctlRow* row = find_row(static_cast<u32>(call.arguments[1]));
  if (row == nullptr) return text.hex(value);
  if (row->transfer == Transfer::value) return text.decimal(static_cast<i32>(value));
  if (row->transfer == Transfer::out && call.failed()) return print_pointer(text, value);
  print_shape(text, row->shape, GuestAddr{value});
}

Result<i64> sys_ioctl(Thread&, Fd fd, IoctlRequest request, IoctlArgument argument) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  i64 result = host_syscall(host_number::ioctl, static_cast<u64>(fd.value), request.value, argument.value);
  // One that nothing on the host knows (ENOTTY) cannot have been misunderstood.
  if (result != -ENOTTY && find_row(request.value) == nullptr && first_time(request.value)) {
    log(Log::warning, "ioctl 0x%x is not in ferry's table; it is passed to the kernel as it is", request.value);
  }
  return from_raw(result);
}

}  // namespace ferry::syscalls
