// futex and robust lists. A guest address is a host address, so the host's kernel does all of it, robust lists of threads that
// are killed included; only a thread that exits by itself has its list walked here, before ferry clears its tid.
// kernel/futex/core.c, Documentation/locking/robust-futex-ABI.rst.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "guest/memory.h"
#include "syscalls/handlers.h"
#include "syscalls/host/context.h"
#include "syscalls/process.h"

namespace ferry::syscalls {

namespace {

u64 argument(i32 value) { return static_cast<u64>(i64{value}); }

struct RobustListHead {
  u64 first;  // struct robust_list*: bit 0 marks a PI futex
  i64 futex_offset;
  u64 pending;
};

// handle_futex_death(): the lock's owner is gone, the next one to take it must know.
void abandon_lock(u64 entry, const RobustListHead& head, i32 tid, bool pending) {
  if (entry & 1) return;  // PI futexes are the kernel's: it has their state and hands them on itself
  u64 address = entry + static_cast<u64>(head.futex_offset);
  if (address % 4 != 0) return;
  for (;;) {
    Result<u32> word = read(GuestPtr<u32>{GuestAddr{address}});
    if (!word) return;
    u32 owner = *word & FUTEX_TID_MASK;
    if (pending && owner == 0) break;  // it died between unlocking and waking
    if (owner != static_cast<u32>(tid)) return;
    u32 outcome =
        ferry_guarded_exchange(reinterpret_cast<u32*>(address), *word, (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    if (outcome == 2 || (outcome == 0 && !(*word & FUTEX_WAITERS))) return;
    if (outcome == 0) break;
  }
  raw_syscall(SYS_futex, address, FUTEX_WAKE, 1);
}

}  // namespace

void walk_robust_list(Thread& thread) {
  constexpr int limit = 2048;  // ROBUST_LIST_LIMIT: a guest's list may be a circle
  if (thread.robust_list == 0) return;
  Result<RobustListHead> head = read(GuestPtr<RobustListHead>{GuestAddr{thread.robust_list}});
  if (!head) return;
  u64 pending = head->pending;
  u64 entry = head->first;
  bool priority_inheriting = pending & 1;
  for (int i = 0; i < limit && (entry & ~u64{1}) != thread.robust_list; i++) {
    priority_inheriting |= entry & 1;
    Result<u64> next = read(GuestPtr<u64>{GuestAddr{entry & ~u64{1}}});
    if (entry != pending) abandon_lock(entry, *head, thread.tid, false);
    if (!next) return;
    entry = *next;
  }
  if (pending != 0) abandon_lock(pending, *head, thread.tid, true);
  // The memory is the guest's to reuse once its tid is cleared: the kernel must not find the list there again.
  if (!priority_inheriting) raw_syscall(SYS_set_robust_list, 0, sizeof(RobustListHead));
}

Result<i64> sys_futex(Thread&, Addr address, FutexOperation operation, Uint value, FutexTimeout timeout,
                      FutexSecond address2, FutexValue value3) {
  return from_raw(host_syscall(SYS_futex, raw(address.value), argument(operation.value), value.value, timeout.value,
                               address2.value, value3.value));
}

Result<i64> sys_futex_waitv(Thread&, Addr waiters, Uint count, Hex flags, In<Timespec> timeout, Enum<clocks> clock) {
  return from_raw(host_syscall(449, raw(waiters.value), count.value, flags.value, raw(timeout.value.address),
                               argument(clock.value)));
}

Result<i64> sys_set_robust_list(Thread& thread, Addr head, Size size) {
  TRY(from_raw(raw_syscall(SYS_set_robust_list, raw(head.value), size.value)));
  thread.robust_list = raw(head.value);
  return 0;
}

Result<i64> sys_get_robust_list(Thread&, Int pid, Out<Hex64> head, Out<Integer64> size) {
  return from_raw(
      raw_syscall(SYS_get_robust_list, argument(pid.value), raw(head.value.address), raw(size.value.address)));
}

}  // namespace ferry::syscalls
