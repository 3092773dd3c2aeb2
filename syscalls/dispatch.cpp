// From a number to the row's code. The table becomes one switch: a jump table of offsets, which needs no relocation at start-up.
#include "syscalls/dispatch.h"

#include <atomic>

#include "guest/log.h"
#include "syscalls/forward.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/strace.h"
#include "syscalls/thread.h"

namespace ferry::syscalls {

namespace {

template <class... K, int... index, class Handler>
i64 emulate_indexed(Thread& thread, const Call& call, KindList<K...>, std::integer_sequence<int, index...>,
                    Handler handler) {
  return to_raw(handler(thread, K(call.arguments[index])...));
}
template <class... K, class Handler>
i64 emulate(Thread& thread, const Call& call, KindList<K...> kinds, Handler handler) {
  return emulate_indexed(thread, call, kinds, std::make_integer_sequence<int, sizeof...(K)>{}, handler);
}

// True the first time for each number.
bool first_time(u32 number) {
  static std::atomic<u64> seen[number_limit / 64 + 1];
  u32 slot = number < number_limit ? number : number_limit;
  u64 bit = u64{1} << (slot % 64);
  return (seen[slot / 64].fetch_or(bit) & bit) == 0;
}

[[gnu::cold]] i64 refuse(u32 number, const char* name, int error, const char* why) {
  if (error == ENOSYS && first_time(number)) {
    log(Log::warning, "system call %s (%u) is not supported: %s; it fails with %s", name, number, why,
        errno_name(error));
  }
  return -error;
}

[[gnu::cold]] i64 unknown(u64 number) {
  if (first_time(number < number_limit ? static_cast<u32>(number) : number_limit)) {
    log(Log::warning, "system call %llu is not known; it fails with ENOSYS", static_cast<unsigned long long>(number));
  }
  return -ENOSYS;
}

i64 serve(Thread& thread, u64 number, const Call& call) {
  switch (number) {
#define FORWARD(name, x86_64, aarch64, ...) \
  case number::name:                        \
    return forward<host_number::name __VA_OPT__(, ) __VA_ARGS__>(call);
#define EMULATE(name, x86_64, aarch64, ...) \
  case number::name:                        \
    return emulate(thread, call, KindList<__VA_ARGS__>{}, [](Thread& t, auto... a) { return sys_##name(t, a...); });
#define PARTIAL(name, x86_64, aarch64, limit, ...) EMULATE(name, x86_64, aarch64, __VA_ARGS__)
#define REFUSE(name, x86_64, aarch64, error, why, ...) \
  case number::name:                                   \
    return refuse(number::name, #name, error, why);
#include "syscalls/syscalls.def"
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE
    default:
      return unknown(number);
  }
}

[[gnu::cold, gnu::noinline]] i64 serve_traced(Thread& thread, u64 number, Call& call) {
  StraceLine line;
  strace_begin(line, number, call);
  if (number == number::exit || number == number::exit_group) {
    strace_finish_pending();
    strace_exited(static_cast<int>(call.arguments[0]) & 0xff);
  }
  call.result = serve(thread, number, call);
  strace_end(line, call);
  return call.result;
}

}  // namespace

void dispatch(Thread& thread) {
  translator::Cpu& cpu = thread.cpu;
  Call call{{cpu.x[0], cpu.x[1], cpu.x[2], cpu.x[3], cpu.x[4], cpu.x[5]}};
  u64 number = static_cast<u32>(cpu.x[8]);  // the kernel takes the number as an int
  thread.keep_registers = false;
  i64 result = strace_enabled ? serve_traced(thread, number, call) : serve(thread, number, call);
  if (!thread.keep_registers) cpu.x[0] = static_cast<u64>(result);
}

}  // namespace ferry::syscalls
