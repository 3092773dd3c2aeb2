// --strace: one line a system call in the format of strace(1), from the rows of syscalls.def.
#pragma once
#include "syscalls/arguments.h"

namespace ferry::syscalls {

extern bool strace_enabled;  // tested before every call; set by start_strace only

// Traces to `file` (appended to), or to standard error when null. False with errno when the file cannot be opened.
// The descriptor is moved out of the guest's way and kept through execve.
bool start_strace(const char* file);
// In a ferry that another one executed: goes on writing to its strace_descriptor(), with "[pid N] " before each line.
void continue_strace(int descriptor);
int strace_descriptor();  // -1 when not tracing

// Every line begins with "[pid N] " from now on: this process has more than one thread, or is a child.
void strace_several_tasks();

// For a handler that may not return (execve, exit_group): prints the pending line of the calling thread with this result
// ("execve(...) = 0"; without a value "= ?"). The line is then not printed again.
void strace_finish_pending(i64 result);
void strace_finish_pending();
// "execve("/bin/true", ["true"], 0x7ffe10 /* 12 vars */) = 0" for the program that ferry itself was started with; nothing in a
// ferry that another one executed, which has said it. The strings lie one after the other, as on a new program's stack.
void strace_started(const char* path, GuestAddr arguments, GuestAddr arguments_end, GuestAddr environment,
                    GuestAddr environment_end);
// "+++ exited with 3 +++", "+++ killed by SIGSEGV +++", "--- SIGINT {...} ---".
void strace_exited(int status);
void strace_killed(int signal);
void strace_signal(const Siginfo& info);

// What dispatch() does when tracing. The first prints what the guest hands in, the second the rest and the whole line.
struct StraceLine {
  Text arguments[6];
  u64 number = 0;
  long task = 0;
  bool printed = false;
  StraceLine* outer = nullptr;
};
void strace_begin(StraceLine& line, u64 number, const Call& call);
void strace_end(StraceLine& line, const Call& call);

}  // namespace ferry::syscalls
