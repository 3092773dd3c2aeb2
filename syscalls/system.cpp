// What the guest is told of the machine, the clocks and its process: uname, prctl, limits, and the clock calls that must be fast.
#include <linux/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>

#include "guest/log.h"
#include "syscalls/forward.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

Result<i64> sys_uname(Thread&, Out<Utsname> out) {
  utsname host;
  if (uname(&host) != 0) return fail(errno);
  static_assert(sizeof(utsname) == sizeof(Utsname));
  Utsname guest;
  memcpy(&guest, &host, sizeof guest);
  memset(guest.machine, 0, sizeof guest.machine);
  memcpy(guest.machine, guest_abi::machine, sizeof guest_abi::machine);
  TRY_VOID(write(out.value, guest));
  return 0;
}

// Through the C library, and so the host's vDSO: no system call.
Result<i64> sys_clock_gettime(Thread&, Enum<clocks> clock, Out<Timespec> out) {
  timespec now;
  if (clock_gettime(clock.value, &now) != 0) return fail(errno);
  TRY_VOID(write(out.value, {now.tv_sec, now.tv_nsec}));
  return 0;
}

Result<i64> sys_clock_getres(Thread&, Enum<clocks> clock, Out<Timespec> out) {
  timespec resolution;
  if (clock_getres(clock.value, &resolution) != 0) return fail(errno);
  if (out) TRY_VOID(write(out.value, {resolution.tv_sec, resolution.tv_nsec}));
  return 0;
}

Result<i64> sys_gettimeofday(Thread&, Out<Timeval> out, Out<Timezone> zone) {
  timeval now;
  struct timezone host_zone{};
  if (gettimeofday(&now, zone ? &host_zone : nullptr) != 0) return fail(errno);
  if (out) TRY_VOID(write(out.value, {now.tv_sec, now.tv_usec}));
  if (zone) TRY_VOID(write(zone.value, {host_zone.tz_minuteswest, host_zone.tz_dsttime}));
  return 0;
}

Result<i64> sys_getcpu(Thread&, Out<Integer32> cpu, Out<Integer32> node, Addr) {
  unsigned host_cpu, host_node;
  if (getcpu(&host_cpu, &host_node) != 0) return fail(errno);
  if (cpu) TRY_VOID(write(cpu.value, {static_cast<i32>(host_cpu)}));
  if (node) TRY_VOID(write(node.value, {static_cast<i32>(host_node)}));
  return 0;
}

Result<i64> sys_rseq(Thread&, Addr, Uint, Int, Hex32) { return fail(ENOSYS); }

namespace {
// True for the options that mean the same for ferry's process as for the guest's. What is not here changes how host code runs
// (speculation and tagging controls, memory layout, write-xor-execute) or belongs to an architecture.
bool is_shared_option(int option) {
  switch (option) {
    case PR_SET_PDEATHSIG:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_SET_KEEPCAPS:
    case PR_GET_TIMING:
    case PR_SET_TIMING:
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
    case PR_GET_SECUREBITS:
    case PR_SET_SECUREBITS:
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
    case PR_MCE_KILL:
    case PR_MCE_KILL_GET:
    case static_cast<int>(PR_SET_PTRACER):
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_CHILD_SUBREAPER:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_SET_THP_DISABLE:
    case PR_GET_THP_DISABLE:
    case PR_CAP_AMBIENT:
    case PR_GET_SPECULATION_CTRL:
    case PR_SET_SPECULATION_CTRL:
    case PR_SET_IO_FLUSHER:
    case PR_GET_IO_FLUSHER:
    case PR_SCHED_CORE:
    case PR_SET_VMA:
      return true;
    default:
      return false;
  }
}
}  // namespace

Result<i64> sys_prctl(Thread& thread, Enum<prctl_options> option, Hex a, Hex b, Hex c, Hex d) {
  constexpr int get_mdwe = 66;
  switch (option.value) {
    case PR_GET_SECCOMP:
    case get_mdwe:
      return 0;
    case PR_GET_TID_ADDRESS:
      TRY_VOID(write(GuestPtr<u64>{GuestAddr{a.value}}, thread.clear_child_tid));
      return 0;
    case PR_SET_MM:
      return fail(EPERM);
    default:
      break;
  }
  if (!is_shared_option(option.value)) return fail(EINVAL);
  return from_raw(host_syscall(host_number::prctl, static_cast<u64>(option.value), a.value, b.value, c.value, d.value));
}

namespace {
// Limits that would strike ferry's own memory are kept here instead.
struct RememberedLimits {
  std::mutex mutex;
  bool set[RLIM_NLIMITS] = {};
  Rlimit values[RLIM_NLIMITS] = {};
};
RememberedLimits remembered;

Result<Rlimit> current_limit(int resource) {
  {
    std::lock_guard lock(remembered.mutex);
    if (remembered.set[resource]) return remembered.values[resource];
  }
  rlimit host;
  if (getrlimit(static_cast<__rlimit_resource>(resource), &host) != 0) return fail(errno);
  return Rlimit{host.rlim_cur, host.rlim_max};
}

Result<i64> remember_limit(int resource, GuestPtr<Rlimit> next, GuestPtr<Rlimit> old) {
  Rlimit before = TRY(current_limit(resource));
  if (next) {
    Rlimit wanted = TRY(read(next));
    if (wanted.current > wanted.maximum) return fail(EINVAL);
    if (wanted.maximum > before.maximum && geteuid() != 0) return fail(EPERM);
    std::lock_guard lock(remembered.mutex);
    remembered.set[resource] = true;
    remembered.values[resource] = wanted;
  }
  if (old) TRY_VOID(write(old, before));
  return 0;
}
}  // namespace

Result<i64> sys_prlimit64(Thread&, Int process, Enum<resources> resource, In<Rlimit> next, Out<Rlimit> old) {
  bool own = process.value == 0 || process.value == getpid();
  if (own && (resource.value == RLIMIT_AS || resource.value == RLIMIT_DATA))
    return remember_limit(resource.value, next.value, old.value);
  return from_raw(raw_syscall(host_number::prlimit64, static_cast<u64>(process.value), static_cast<u64>(resource.value),
                              raw(next.value.address), raw(old.value.address)));
}
Result<i64> sys_getrlimit(Thread& thread, Enum<resources> resource, Out<Rlimit> out) {
  if (!out) return fail(EFAULT);
  return sys_prlimit64(thread, Int{0}, resource, In<Rlimit>{0}, out);
}
Result<i64> sys_setrlimit(Thread& thread, Enum<resources> resource, In<Rlimit> next) {
  if (!next) return fail(EFAULT);
  return sys_prlimit64(thread, Int{0}, resource, next, Out<Rlimit>{0});
}

// The union semun is a pointer to a semid64_ds for these commands only, and that is laid out differently on x86_64.
Result<i64> sys_semctl(Thread&, Int set, Int number, Enum<ipc_commands> command, Addr argument) {
  bool status = command.value == IPC_STAT || command.value == SEM_STAT || command.value == SEM_STAT_ANY;
  u64 value = raw(argument.value);
  HostLayout<SemaphoreSet> host{};
  if (status || command.value == IPC_SET) value = reinterpret_cast<u64>(&host);
  if (command.value == IPC_SET) convert(TRY(read(GuestPtr<SemaphoreSet>{argument.value})), host);
  i64 result = TRY(from_raw(raw_syscall(host_number::semctl, static_cast<u64>(set.value),
                                        static_cast<u64>(number.value), static_cast<u64>(command.value), value)));
  if (status) {
    SemaphoreSet guest;
    convert(host, guest);
    TRY_VOID(write(GuestPtr<SemaphoreSet>{argument.value}, guest));
  }
  return result;
}

}  // namespace ferry::syscalls
