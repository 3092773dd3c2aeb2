// The loop that a guest thread lives in, and what check() prints of it when ferry fails.
#include "syscalls/thread.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "guest/check.h"
#include "guest/log.h"
#include "syscalls/dispatch.h"
#include "syscalls/process.h"
#include "syscalls/signal_frame.h"
#include "syscalls/strace.h"

namespace ferry::syscalls {

thread_local constinit Thread* current_thread = nullptr;

namespace {

using translator::Exit;
using translator::ExitReason;

void serve_syscall(Thread& thread) {
  translator::Cpu& cpu = thread.cpu;
  thread.syscall_x0 = cpu.x[0];
  thread.keep_registers = false;
  dispatch(thread);
  if (!thread.keep_registers && cpu.x[0] == static_cast<u64>(-i64{restart_always})) {
    cpu.x[0] = thread.syscall_x0;
    cpu.pc -= 4;
  }
}

void raise_fault(Thread& thread, const Exit& exit) {
  thread.signals.fault_address = exit.address;
  thread.signals.fault_syndrome = fault_syndrome(exit);
  // si_addr is without the tag of top-byte-ignore (no SA_EXPOSE_TAGBITS).
  u64 address = static_cast<u64>(static_cast<i64>(exit.address << 8) >> 8);
  force_signal(thread, exit.signal, exit.code, address);
}

void raise_undefined(Thread& thread, const Exit& exit) {
  // A program with a handler is probing the processor; without one it is about to die, and the user should know of what.
  bool probing = thread.actions->actions[SIGILL].handler > 1;
  log(probing ? Log::signals : Log::warning, "undefined instruction %08x at guest pc %#lx",
      static_cast<u32>(exit.address), thread.cpu.pc);
  thread.signals.fault_address = thread.signals.fault_syndrome = 0;
  force_signal(thread, SIGILL, ILL_ILLOPC, thread.cpu.pc);
}

const char* name_of(ExitReason reason) {
  switch (reason) {
    case ExitReason::syscall:
      return "syscall";
    case ExitReason::poll:
      return "poll";
    case ExitReason::undefined:
      return "undefined";
    case ExitReason::breakpoint:
      return "breakpoint";
    case ExitReason::fault:
      return "fault";
    default:
      return "?";
  }
}

void record(Thread& thread, const Exit& exit) {
  ExitHistory& history = thread.exits;
  history.entries[history.next % ExitHistory::size] = {
      thread.cpu.pc, exit.reason == ExitReason::syscall ? thread.cpu.x[8] : exit.address, exit.reason};
  history.next++;
  log(Log::exits, "%s at pc %#lx", name_of(exit.reason), thread.cpu.pc);
}

// check()'s report; from any signal handler, so formatted into the stack.
void describe_current_thread(int fd) {
  const Thread* thread = current_thread;
  if (thread == nullptr) return;
  const translator::Cpu& cpu = thread->cpu;
  dprintf(fd, "  guest thread %d: pc %016lx sp %016lx flags %d%d%d%d (exact only outside translated code)\n",
          thread->tid, cpu.pc, cpu.sp, cpu.n, cpu.z, cpu.c, cpu.v);
  for (int i = 0; i < 31; i++)
    dprintf(fd, "%s x%-2d %016lx%s", i % 4 == 0 ? " " : "", i, cpu.x[i], i % 4 == 3 || i == 30 ? "\n" : "");
  const ExitHistory& history = thread->exits;
  u32 count = history.next < ExitHistory::size ? history.next : ExitHistory::size;
  for (u32 i = 1; i <= count; i++) {
    const ExitHistory::Entry& entry = history.entries[(history.next - i) % ExitHistory::size];
    dprintf(fd, "  exit -%u: %s at %#lx, %#lx\n", i, name_of(entry.reason), entry.pc, entry.operand);
  }
}

}  // namespace

void Thread::run() {
  while (!exiting) {
    if (signals.pending) deliver_signals(*this);
    Exit exit = translator::run(cpu);
    record(*this, exit);
    switch (exit.reason) {
      case ExitReason::syscall:
        serve_syscall(*this);
        break;
      case ExitReason::poll:
        break;
      case ExitReason::undefined:
        raise_undefined(*this, exit);
        break;
      case ExitReason::breakpoint:
        force_signal(*this, SIGTRAP, TRAP_BRKPT, cpu.pc);
        break;
      case ExitReason::fault:
        raise_fault(*this, exit);
        break;
      default:
        check(!"an exit of the translator's own");
    }
  }
}

void attach_thread(Thread& thread) {
  thread.tid = static_cast<i32>(raw_syscall(SYS_gettid));
  thread.cpu.thread = &thread;
  attach_signal_stack(thread);
  translator::attach(thread.cpu);
  current_thread = &thread;
}

void detach_thread(Thread& thread) {
  current_thread = nullptr;
  translator::detach(thread.cpu);
  detach_signal_stack(thread);
}

void run_main_thread(Thread& thread) {
  describe_state = describe_current_thread;
  const std::string& command = thread.process->command;
  prctl(PR_SET_NAME, command.c_str() + (command.rfind('/') + 1));  // npos + 1 is 0
  thread.actions = &thread.process->actions;
  attach_thread(thread);
  start_signals(thread);
  thread.run();
  end_thread(thread);
  // Other threads may live on, and the process's status is this thread's: only the kernel's own exit does that.
  raw_syscall(SYS_exit, static_cast<u64>(thread.exit_status));
  __builtin_unreachable();
}

void copy_guest_state(translator::Cpu& to, const translator::Cpu& from) {
  __builtin_memcpy(to.x, from.x, sizeof to.x);
  to.sp = from.sp;
  to.pc = from.pc;
  to.n = from.n, to.z = from.z, to.c = from.c, to.v = from.v;
  __builtin_memcpy(to.vectors, from.vectors, sizeof to.vectors);
  to.tpidr_el0 = from.tpidr_el0;
  to.exclusive_address = ~u64{0};
  translator::write_fpcr(to, translator::read_fpcr(from));
  translator::write_fpsr(to, translator::read_fpsr(from));
}

}  // namespace ferry::syscalls
