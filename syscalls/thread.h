// A guest thread, which is a host thread with the same tid, and the process its threads share.
// Thread::run is the only loop: run translated code, serve what it stopped for, deliver signals. Nothing else delivers.
#pragma once
#include <memory>
#include <string>

#include "guest/types.h"
#include "syscalls/host_syscall.h"
#include "syscalls/signals.h"
#include "translator/translator.h"

namespace ferry::syscalls {

struct ExecRequest;

// Shared by all threads of the guest process. What may change after start-up has its lock beside it.
struct Process {
  // The running program, set once before it starts (execve starts a new ferry).
  std::string executable;       // guest view, absolute: what /proc/self/exe says
  std::string executable_host;  // the file actually opened on the host
  std::string command;          // what was to be run, before #! lines: its last component is the thread's name
  u64 signal_trampoline = 0;    // __kernel_rt_sigreturn in the guest's vDSO
  SignalActions actions;
};

// The last exits from translated code, for describe_state.
struct ExitHistory {
  static constexpr u32 size = 8;
  struct Entry {
    u64 pc, operand;  // operand: the system call's number, the word, the faulting address
    translator::ExitReason reason;
  };
  Entry entries[size] = {};
  u32 next = 0;
};

struct Thread {
  translator::Cpu cpu{};  // aligned to 64; the first member
  Process* process = nullptr;
  SignalActions* actions = nullptr;  // process->actions, or a vfork child's own
  i32 tid = 0;
  ThreadSignals signals;
  u64 clear_child_tid = 0;      // CLONE_CHILD_CLEARTID / set_tid_address
  u64 robust_list = 0;          // set_robust_list's head
  u64 syscall_x0 = 0;           // x0 at the svc being served, for restarts and traces
  bool keep_registers = false;  // set by a handler that has written x0 itself (rt_sigreturn): dispatch leaves x0 alone
  bool exiting = false;         // set by exit: run() returns
  int exit_status = 0;
  ExecRequest* exec_request =
      nullptr;  // what an execve under way has allocated; a vfork child's is freed by its parent
  std::unique_ptr<u8[]> host_signal_stack;
  ExitHistory exits;

  // Runs guest code from cpu.pc until this thread exits. On the thread itself, after attach_thread().
  void run();
};

// The calling host thread's guest thread; null on none.
extern thread_local constinit Thread* current_thread;

// On the host thread that will run it: tid, alternate stack, translator::attach / the reverse. Signals are blocked around both.
void attach_thread(Thread& thread);
void detach_thread(Thread& thread);

// The whole life of the main thread, whose process is filled and whose cpu (pc, sp) the loader has set: runs the guest and
// ends the process with its status.
[[noreturn]] void run_main_thread(Thread& thread);

// Registers and other state that the guest sees of a Cpu, without the translator's part.
void copy_guest_state(translator::Cpu& to, const translator::Cpu& from);

// dispatch() of dispatch.h serves the call in x8. A handler's Errno may be restart_always: dispatch writes -restart_always
// to x0 like any other, and Thread::run turns it into a second svc.

}  // namespace ferry::syscalls
