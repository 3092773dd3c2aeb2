// Lines of --strace. A line is built on the stack of the calling thread and written with one write().
#include "syscalls/strace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "syscalls/descriptors.h"
#include "syscalls/forward.h"
#include "syscalls/numbers.h"

namespace ferry::syscalls {

bool strace_enabled = false;

namespace {

int trace_fd = -1;
std::atomic<bool> several_tasks = false;
bool handed_over = false;  // another ferry has begun the trace
thread_local StraceLine* pending = nullptr;

void write_line(Text& body) {
  Text line;
  if (several_tasks) line.format("[pid %5d] ", gettid());
  line.add(body.view());
  line.add("\n");
  // What a full pipe or a closed terminal swallows is lost, as strace's own lines are.
  if (::write(trace_fd, line.view().data(), line.view().size()) < 0) return;
}

template <class Kind>
bool is_present(const Kind& kind, const Call& call) {
  if constexpr (requires { kind.present(call); }) return kind.present(call);
  return true;
}

template <class... K, int... index>
void print_kinds(StraceLine& line, const Call& call, When when, KindList<K...>, std::integer_sequence<int, index...>) {
  auto one = [&](auto kind, int i) {
    if (kind.when == when && is_present(kind, call)) kind.print(line.arguments[i], call);
  };
  (one(K(call.arguments[index]), index), ...);
}
template <class... K>
const char* print_row(const char* name, StraceLine& line, const Call& call, When when, KindList<K...> kinds) {
  print_kinds(line, call, when, kinds, std::make_integer_sequence<int, sizeof...(K)>{});
  return name;
}

// Prints the arguments of that time; the row's name, or null when the number is unknown.
const char* print_arguments(StraceLine& line, const Call& call, When when) {
  switch (line.number) {
#define FORWARD(name, x86_64, aarch64, ...) \
  case number::name:                        \
    return print_row(#name, line, call, when, KindList<__VA_ARGS__>{});
#define EMULATE FORWARD
#define PARTIAL(name, x86_64, aarch64, limit, ...) FORWARD(name, x86_64, aarch64, __VA_ARGS__)
#define REFUSE(name, x86_64, aarch64, error, why, ...) FORWARD(name, x86_64, aarch64, __VA_ARGS__)
#include "syscalls/syscalls.def"
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE
    default:
      return nullptr;
  }
}

void print_call(Text& text, StraceLine& line, const char* name) {
  if (name == nullptr) {
    text.format("syscall_%#llx(", static_cast<unsigned long long>(line.number));
  } else {
    text.add(name);
    text.add("(");
  }
  bool first = true;
  for (const Text& argument : line.arguments) {
    if (argument.empty()) continue;
    if (!first) text.add(", ");
    text.add(argument.view());
    first = false;
  }
  text.add(")");
}

// What poll found, in the form of strace: " ([{fd=0, revents=POLLIN}])".
void print_ready(Text& text, const Call& call) {
  text.add(" ([");
  const char* separator = "";
  for (u64 i = 0; i < call.arguments[1] && i < 64; i++) {
    Result<PollFd> entry = read(GuestPtr<PollFd>{GuestAddr{call.arguments[0]}} + i);
    if (!entry || entry->revents == 0) continue;
    text.format("%s{fd=%d, revents=", separator, entry->fd);
    print_flags(text, static_cast<u16>(entry->revents), poll_events);
    text.add("}");
    separator = ", ";
  }
  text.add("])");
}

void print_success(Text& text, u64 number, const Call& call) {
  switch (number) {
    case number::mmap:
    case number::brk:
    case number::mremap:
    case number::shmat:
      return text.hex(static_cast<u64>(call.result));
    case number::umask:
      return text.format("%#03llo", static_cast<unsigned long long>(call.result));
    case number::ppoll:
      text.decimal(call.result);
      return call.result == 0 ? text.add(" (Timeout)") : print_ready(text, call);
    case number::pselect6:
      text.decimal(call.result);
      return call.result == 0 ? text.add(" (Timeout)") : void();
    case number::fcntl:
      if (call.arguments[1] == F_GETFD && call.result == FD_CLOEXEC) return text.add("0x1 (flags FD_CLOEXEC)");
      if (call.arguments[1] == F_GETFL) {
        text.hex(static_cast<u64>(call.result));
        text.add(" (flags ");
        print_flags(text, static_cast<u64>(call.result), open_flags);
        return text.add(")");
      }
      [[fallthrough]];
    default:
      text.decimal(call.result);
  }
}

void print_result(Text& text, u64 number, const Call& call) {
  text.add(" = ");
  if (!call.failed()) return print_success(text, number, call);
  int error = static_cast<int>(-call.result);
  if (error >= 512 && error <= 516) return text.add("? ERESTARTSYS (To be restarted if SA_RESTART is set)");
  const char* name = errno_name(error);
  text.format("-1 %s (%s)", name != nullptr ? name : "E???", name != nullptr ? errno_text(error) : "Unknown error");
}

}  // namespace

int strace_descriptor() { return trace_fd; }
void strace_several_tasks() { several_tasks = true; }

bool start_strace(const char* file) {
  int fd = file != nullptr ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : dup(2);
  if (fd < 0) return false;
  trace_fd = take_descriptor(fd, false);
  several_tasks = false;
  strace_enabled = trace_fd >= 0;
  return strace_enabled;
}

void continue_strace(int descriptor) {
  trace_fd = descriptor;
  protect_descriptor(descriptor);
  several_tasks = true;
  handed_over = true;
  strace_enabled = true;
}

void strace_begin(StraceLine& line, u64 number, const Call& call) {
  line.number = number;
  line.task = gettid();
  line.outer = pending;
  pending = &line;
  if (print_arguments(line, call, When::before) != nullptr) return;
  for (int i = 0; i < 6; i++) Hex{call.arguments[i]}.print(line.arguments[i], call);
}

void strace_end(StraceLine& line, const Call& call) {
  pending = line.outer;
  if (line.number == number::clone || line.number == number::clone3)
    several_tasks = several_tasks.load() || !call.failed();
  // A child returns here too, with its parent's line; and what was printed as succeeding and then failed is said again.
  if (line.task != gettid() || (line.printed && !call.failed())) return;
  Text text;
  print_call(text, line, print_arguments(line, call, When::after));
  print_result(text, line.number, call);
  write_line(text);
}

namespace {
void finish_pending(const Call* call) {
  if (pending == nullptr) return;
  Text text;
  Call none{};
  print_call(text, *pending, print_arguments(*pending, none, When::after));
  if (call != nullptr) {
    print_result(text, pending->number, *call);
  } else {
    text.add(" = ?");
  }
  write_line(text);
  pending->printed = true;
}
}  // namespace

void strace_finish_pending(i64 result) {
  Call call{{}, result};
  finish_pending(&call);
}
void strace_finish_pending() { finish_pending(nullptr); }

namespace {
// Calls back for each of the NUL-terminated strings in a range of the guest's memory.
template <class Visit>
void for_each_string(GuestAddr begin, GuestAddr end, Visit visit) {
  while (raw(begin) < raw(end)) {
    Result<std::string> text = read_guest_string(begin, end - begin);
    if (!text) return;
    visit(*text);
    begin += text->size() + 1;
  }
}
}  // namespace

void strace_started(const char* path, GuestAddr arguments, GuestAddr arguments_end, GuestAddr environment,
                    GuestAddr environment_end) {
  if (!strace_enabled || handed_over) return;
  Text text;
  text.add("execve(");
  text.quoted(path);
  text.add(", [");
  const char* separator = "";
  for_each_string(arguments, arguments_end, [&](const std::string& argument) {
    text.add(separator);
    text.quoted(std::string_view(argument).substr(0, 32), argument.size() > 32);
    separator = ", ";
  });
  u64 count = 0;
  for_each_string(environment, environment_end, [&](const std::string&) { count++; });
  text.format("], %#llx /* %llu var%s */) = 0", static_cast<unsigned long long>(raw(environment)),
              static_cast<unsigned long long>(count), count == 1 ? "" : "s");
  write_line(text);
}

void strace_exited(int status) {
  if (!strace_enabled) return;
  Text text;
  text.format("+++ exited with %d +++", status);
  write_line(text);
}

void strace_killed(int signal) {
  if (!strace_enabled) return;
  Text text;
  text.add("+++ killed by ");
  Signal{static_cast<u32>(signal)}.print(text, {});
  text.add(" +++");
  write_line(text);
}

void strace_signal(const Siginfo& info) {
  if (!strace_enabled) return;
  Text text;
  text.add("--- ");
  Signal{static_cast<u32>(info.signal)}.print(text, {});
  text.add(" ");
  print_value(text, info);
  text.add(" ---");
  write_line(text);
}

}  // namespace ferry::syscalls
