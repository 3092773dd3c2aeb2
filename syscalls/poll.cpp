// Waiting for descriptors with a signal mask of its own. While the host's kernel waits with the guest's mask, a signal for the
// guest ends the wait as it would on hardware; the five signals that ferry needs itself are never blocked (signals.h).
#include <algorithm>
#include <memory>

#include "syscalls/forward.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/signals.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

namespace {

// The host's mask for a call that takes an optional guest mask; address() is what the kernel gets.
struct HostMask {
  Sigset set{};
  bool given = false;
  u64 address() const { return given ? reinterpret_cast<u64>(&set) : 0; }
};

Result<HostMask> host_mask(GuestPtr<Sigset> guest, u64 size) {
  HostMask mask;
  if (!guest) return mask;
  if (size != sizeof(Sigset)) return fail(EINVAL);
  mask.set = {TRY(read(guest)).bits & ~fault_signal_set};
  mask.given = true;
  return mask;
}

constexpr int usual_events = 64;        // fit on the stack
constexpr int most_events = 64 * 1024;  // in one answer; more wait for the next call, which the interface allows

template <class Wait>
Result<i64> wait_for_events(Fd fd, GuestPtr<EpollEvent> events, int maximum, Wait wait) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  if (maximum <= 0) return fail(EINVAL);
  using HostEvent = HostLayout<EpollEvent>;
  maximum = std::min(maximum, most_events);
  HostEvent usual[usual_events];
  std::unique_ptr<HostEvent[]> many;
  if (maximum > usual_events) many = std::make_unique_for_overwrite<HostEvent[]>(static_cast<size_t>(maximum));
  const HostEvent* host = many ? many.get() : usual;
  i64 count = TRY(from_raw(wait(reinterpret_cast<u64>(host), static_cast<u64>(maximum))));
  for (i64 i = 0; i < count; i++) {
    EpollEvent event;
    convert_epoll_event(host[i], event);
    TRY_VOID(write(events + static_cast<u64>(i), event));
  }
  return count;
}

}  // namespace

Result<i64> sys_epoll_ctl(Thread&, Fd fd, Enum<epoll_operations> operation, Fd target, In<EpollEvent> event) {
  if (is_protected_descriptor(fd.value) || is_protected_descriptor(target.value)) return fail(EBADF);
  HostLayout<EpollEvent> host{};
  constexpr int remove = 2;  // EPOLL_CTL_DEL takes no event, whatever the pointer
  if (operation.value != remove) convert_epoll_event(TRY(read(event.value)), host);
  return from_raw(raw_syscall(host_number::epoll_ctl, static_cast<u64>(fd.value), static_cast<u64>(operation.value),
                              static_cast<u64>(target.value), reinterpret_cast<u64>(&host)));
}

Result<i64> sys_epoll_pwait(Thread&, Fd fd, OutArray<EpollEvent, result> events, Int maximum, Int timeout,
                            In<Sigset> mask, Size mask_size) {
  HostMask host = TRY(host_mask(mask.value, mask_size.value));
  return wait_for_events(fd, events.value, maximum.value, [&](u64 buffer, u64 count) {
    return host_syscall(host_number::epoll_pwait, static_cast<u64>(fd.value), buffer, count,
                        static_cast<u64>(timeout.value), host.address(), sizeof(Sigset));
  });
}

Result<i64> sys_epoll_pwait2(Thread&, Fd fd, OutArray<EpollEvent, result> events, Int maximum, In<Timespec> timeout,
                             In<Sigset> mask, Size mask_size) {
  HostMask host = TRY(host_mask(mask.value, mask_size.value));
  return wait_for_events(fd, events.value, maximum.value, [&](u64 buffer, u64 count) {
    return host_syscall(host_number::epoll_pwait2, static_cast<u64>(fd.value), buffer, count,
                        raw(timeout.value.address), host.address(), sizeof(Sigset));
  });
}

Result<i64> sys_ppoll(Thread&, PollArray<1> descriptors, Uint count, InOut<Timespec> timeout, In<Sigset> mask,
                      Size mask_size) {
  HostMask host = TRY(host_mask(mask.value, mask_size.value));
  return from_raw(host_syscall(host_number::ppoll, raw(descriptors.value.address), count.value,
                               raw(timeout.value.address), host.address(), sizeof(Sigset)));
}

Result<i64> sys_pselect6(Thread&, Int count, FdSet<0> in, FdSet<0> out, FdSet<0> exceptional, InOut<Timespec> timeout,
                         Addr mask) {
  struct Mask {
    u64 set, size;
  };
  Mask guest{};
  if (raw(mask.value) != 0) guest = TRY(read(GuestPtr<Mask>{mask.value}));
  HostMask host = TRY(host_mask({GuestAddr{guest.set}}, guest.size));
  Mask host_argument{host.address(), sizeof(Sigset)};
  return from_raw(host_syscall(host_number::pselect6, static_cast<u64>(count.value), raw(in.value), raw(out.value),
                               raw(exceptional.value), raw(timeout.value.address),
                               reinterpret_cast<u64>(&host_argument)));
}

Result<i64> sys_signalfd4(Thread&, FdOrNew fd, In<Sigset> mask, Size size, Flags<signalfd_flags> flags) {
  if (is_protected_descriptor(fd.value)) return fail(EBADF);
  if (size.value != sizeof(Sigset)) return fail(EINVAL);
  Sigset host{TRY(read(mask.value)).bits & ~fault_signal_set};
  return from_raw(raw_syscall(host_number::signalfd4, static_cast<u64>(fd.value), reinterpret_cast<u64>(&host),
                              sizeof host, flags.value));
}

}  // namespace ferry::syscalls
