// How the kernel's structures print in --strace lines: the field names and abbreviations of strace(1).
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>

#include "syscalls/arguments.h"

namespace ferry::syscalls {

namespace {
using ll = long long;
using ull = unsigned long long;

void print_limit(Text& text, u64 value) {
  if (value == ~u64{0}) return text.add("RLIM64_INFINITY");
  // strace shows a multiple of 1024 as a product.
  value > 1024 && value % 1024 == 0 ? text.format("%llu*1024", static_cast<ull>(value / 1024))
                                    : text.format("%llu", static_cast<ull>(value));
}

void print_signal_number(Text& text, i32 signal) { Signal{static_cast<u32>(signal)}.print(text, {}); }

void print_file_mode(Text& text, u32 mode) {
  print_flags(text, mode & ~0777u, file_types);
  text.format("|%#03o", mode & 0777);
}
}  // namespace

void print_value(Text& text, const Integer32& v) { text.format("[%d]", v.value); }
void print_value(Text& text, const Integer64& v) { text.format("[%lld]", static_cast<ll>(v.value)); }
void print_value(Text& text, const Hex64& v) { text.format("[%#llx]", static_cast<ull>(v.value)); }
void print_value(Text& text, const FdPair& v) { text.format("[%d, %d]", v.fd[0], v.fd[1]); }
void print_value(Text& text, const Timespec& v) {
  text.format("{tv_sec=%lld, tv_nsec=%lld}", static_cast<ll>(v.seconds), static_cast<ll>(v.nanoseconds));
}
void print_value(Text& text, const Timeval& v) {
  text.format("{tv_sec=%lld, tv_usec=%lld}", static_cast<ll>(v.seconds), static_cast<ll>(v.microseconds));
}
void print_value(Text& text, const Timezone& v) {
  text.format("{tz_minuteswest=%d, tz_dsttime=%d}", v.minutes_west, v.dst_time);
}

void print_value(Text& text, const WaitStatus& v) {
  int status = v.value;
  if (WIFEXITED(status)) return text.format("[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
  if (WIFSTOPPED(status) || WIFSIGNALED(status)) {
    text.add(WIFSTOPPED(status) ? "[{WIFSTOPPED(s) && WSTOPSIG(s) == " : "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
    print_signal_number(text, WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status));
    return text.add(WIFSIGNALED(status) && WCOREDUMP(status) ? " && WCOREDUMP(s)}]" : "}]");
  }
  if (WIFCONTINUED(status)) return text.add("[{WIFCONTINUED(s)}]");
  text.format("[%#x]", static_cast<u32>(status));
}

void print_value(Text& text, const Sigset& v) {
  // A mostly full set is shown as what is missing, as strace does.
  bool inverted = __builtin_popcountll(v.bits) > 40;
  u64 bits = inverted ? ~v.bits : v.bits;
  text.add(inverted ? "~[" : "[");
  const char* separator = "";
  for (int signal = 1; signal <= 64; signal++) {
    if ((bits >> (signal - 1) & 1) == 0) continue;
    text.add(separator);
    separator = " ";
    if (const char* name = signal_name(signal)) {
      text.add(name + 3);
    } else {
      text.format("RT_%d", signal - 32);
    }
  }
  text.add("]");
}

void print_value(Text& text, const TimespecPair& v) {
  auto one = [&](const Timespec& t) {
    constexpr i64 now = (1 << 30) - 1, omit = (1 << 30) - 2;  // UTIME_NOW, UTIME_OMIT
    if (t.nanoseconds == now) return text.add("UTIME_NOW");
    if (t.nanoseconds == omit) return text.add("UTIME_OMIT");
    print_value(text, t);
  };
  text.add("[");
  one(v.access);
  text.add(", ");
  one(v.modification);
  text.add("]");
}

void print_value(Text& text, const Itimerspec& v) {
  text.add("{it_interval=");
  print_value(text, v.interval);
  text.add(", it_value=");
  print_value(text, v.value);
  text.add("}");
}
void print_value(Text& text, const Itimerval& v) {
  text.add("{it_interval=");
  print_value(text, v.interval);
  text.add(", it_value=");
  print_value(text, v.value);
  text.add("}");
}

void print_value(Text& text, const Rlimit& v) {
  text.add("{rlim_cur=");
  print_limit(text, v.current);
  text.add(", rlim_max=");
  print_limit(text, v.maximum);
  text.add("}");
}

void print_value(Text& text, const Tms& v) {
  text.format("{tms_utime=%lld, tms_stime=%lld, tms_cutime=%lld, tms_cstime=%lld}", static_cast<ll>(v.user),
              static_cast<ll>(v.system), static_cast<ll>(v.children_user), static_cast<ll>(v.children_system));
}
void print_value(Text& text, const Sembuf& v) {
  text.format("{sem_num=%u, sem_op=%d, sem_flg=%#x}", v.number, v.operation, static_cast<u16>(v.flags));
}
void print_value(Text& text, const MqAttr& v) {
  text.add("{mq_flags=");
  print_flags(text, static_cast<u64>(v.flags), open_flags);
  text.format(", mq_maxmsg=%lld, mq_msgsize=%lld, mq_curmsgs=%lld}", static_cast<ll>(v.maximum_messages),
              static_cast<ll>(v.message_size), static_cast<ll>(v.current_messages));
}
void print_value(Text& text, const OpenHow& v) {
  text.add("{flags=");
  print_flags(text, v.flags, open_flags);
  if (creates_file(v.flags)) text.format(", mode=%#03llo", static_cast<ull>(v.mode));
  text.format(", resolve=%#llx}", static_cast<ull>(v.resolve));
}

void print_value(Text& text, const SignalStack& v) {
  text.add("{ss_sp=");
  text.pointer(v.base);
  text.add(", ss_flags=");
  print_flags(text, static_cast<u32>(v.flags), signal_stack_flags);
  text.format(", ss_size=%llu}", static_cast<ull>(v.size));
}

void print_value(Text& text, const SignalAction& v) {
  text.add((v.flags & 4) != 0 ? "{sa_sigaction=" : "{sa_handler=");
  if (v.handler <= 1) {
    text.add(v.handler == 0 ? "SIG_DFL" : "SIG_IGN");
  } else {
    text.pointer(v.handler);
  }
  text.add(", sa_mask=");
  print_value(text, Sigset{v.mask});
  text.add(", sa_flags=");
  print_flags(text, v.flags, signal_action_flags);
  if ((v.flags & 0x04000000) != 0) {
    text.add(", sa_restorer=");
    text.pointer(v.restorer);
  }
  text.add("}");
}

void print_value(Text& text, const Utsname& v) {
  auto field = [&](const char* name, const char* value) {
    text.add(name);
    text.quoted({value, strnlen(value, 65)});
  };
  field("{sysname=", v.system);
  field(", nodename=", v.node);
  field(", release=", v.release);
  field(", version=", v.version);
  field(", machine=", v.machine);
  field(", domainname=", v.domain);
  text.add("}");
}

void print_value(Text& text, const Sigevent& v) {
  static constexpr char notifications[][13] = {"SIGEV_SIGNAL", "SIGEV_NONE", "SIGEV_THREAD"};
  text.format("{sigev_value={sival_int=%d, sival_ptr=", static_cast<i32>(v.value));
  text.pointer(v.value);
  text.add("}, sigev_signo=");
  print_signal_number(text, v.signal);
  text.format(", sigev_notify=%s}", v.notify >= 0 && v.notify < 3 ? notifications[v.notify] : "SIGEV_THREAD_ID");
}

void print_value(Text& text, const Siginfo& v) {
  text.add("{si_signo=");
  print_signal_number(text, v.signal);
  const char* code = v.code == 0      ? "SI_USER"
                     : v.code == 0x80 ? "SI_KERNEL"
                     : v.code == -1   ? "SI_QUEUE"
                     : v.code == -2   ? "SI_TIMER"
                     : v.code == -6   ? "SI_TKILL"
                                      : nullptr;
  code != nullptr ? text.format(", si_code=%s", code) : text.format(", si_code=%d", v.code);
  i32 words[3];
  memcpy(words, v.fields, sizeof words);
  if (v.signal == 11 || v.signal == 7 || v.signal == 4 || v.signal == 8 || v.signal == 5) {
    u64 address;
    memcpy(&address, v.fields, sizeof address);
    if (v.code > 0) {
      text.add(", si_addr=");
      text.pointer(address);
    }
  } else if (v.signal == 17) {
    text.format(", si_pid=%d, si_uid=%d, si_status=%d", words[0], words[1], words[2]);
  } else if (v.code <= 0) {
    text.format(", si_pid=%d, si_uid=%d", words[0], words[1]);
  }
  text.add("}");
}

void print_value(Text& text, const Rusage& v) {
  text.add("{ru_utime=");
  print_value(text, v.user);
  text.add(", ru_stime=");
  print_value(text, v.system);
  text.add(", ...}");
}
void print_value(Text& text, const Sysinfo& v) {
  text.format(
      "{uptime=%lld, loads=[%llu, %llu, %llu], totalram=%llu, freeram=%llu, sharedram=%llu, bufferram=%llu, "
      "totalswap=%llu, "
      "freeswap=%llu, procs=%u, totalhigh=%llu, freehigh=%llu, mem_unit=%u}",
      static_cast<ll>(v.uptime), static_cast<ull>(v.loads[0]), static_cast<ull>(v.loads[1]),
      static_cast<ull>(v.loads[2]), static_cast<ull>(v.total_ram), static_cast<ull>(v.free_ram),
      static_cast<ull>(v.shared_ram), static_cast<ull>(v.buffer_ram), static_cast<ull>(v.total_swap),
      static_cast<ull>(v.free_swap), v.processes, static_cast<ull>(v.total_high), static_cast<ull>(v.free_high),
      v.unit);
}
void print_value(Text& text, const Statfs& v) {
  text.format(
      "{f_type=%#llx, f_bsize=%llu, f_blocks=%llu, f_bfree=%llu, f_bavail=%llu, f_files=%llu, f_ffree=%llu, ...}",
      static_cast<ull>(v.type), static_cast<ull>(v.block_size), static_cast<ull>(v.blocks),
      static_cast<ull>(v.free_blocks), static_cast<ull>(v.available_blocks), static_cast<ull>(v.files),
      static_cast<ull>(v.free_files));
}

void print_value(Text& text, const Statx& v) {
  text.add("{stx_mask=");
  print_flags(text, v.mask, statx_mask);
  text.format(", stx_attributes=%llu, stx_mode=", static_cast<ull>(v.attributes));
  print_file_mode(text, v.mode);
  text.format(", stx_size=%llu, ...}", static_cast<ull>(v.size));
}
void print_value(Text& text, const Stat& v) {
  text.add("{st_mode=");
  print_file_mode(text, v.mode);
  if (S_ISCHR(v.mode) || S_ISBLK(v.mode)) {
    text.add(", st_rdev=");
    Device{v.rdev}.print(text, {});
    return text.add(", ...}");
  }
  text.format(", st_size=%lld, ...}", static_cast<ll>(v.size));
}

void print_value(Text& text, const EpollEvent& v) {
  text.add("{events=");
  print_flags(text, v.events, epoll_events);
  text.format(", data={u32=%u, u64=%llu}}", static_cast<u32>(v.data), static_cast<ull>(v.data));
}
void print_value(Text& text, const PollFd& v) {
  text.format("{fd=%d, events=", v.fd);
  print_flags(text, static_cast<u16>(v.events), poll_events);
  text.add("}");
}

void print_value(Text& text, const CloneArguments& v) {
  text.add("{flags=");
  print_flags(text, v.flags, clone_flags);
  text.add(", exit_signal=");
  print_signal_number(text, static_cast<i32>(v.exit_signal));
  text.add(", stack=");
  text.pointer(v.stack);
  text.format(", stack_size=%#llx, tls=%#llx}", static_cast<ull>(v.stack_size), static_cast<ull>(v.tls));
}

}  // namespace ferry::syscalls
