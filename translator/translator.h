// The translator's whole face: runs guest code until something needs the guest's kernel.
// One translator a process (one guest address space), shared by all guest threads.
#pragma once
#include <functional>
#include <string>

#include "guest/aarch64/cpu.h"
#include "guest/types.h"
#include "translator/exit_reason.h"

namespace ferry::translator {

using Cpu = aarch64::Cpu;

struct Exit {
  ExitReason reason;
  int signal = 0;      // fault: SIGSEGV or SIGBUS
  int code = 0;        // fault: si_code (SEGV_MAPERR, SEGV_ACCERR, BUS_ADRALN, BUS_ADRERR ...)
  u64 address = 0;     // fault: si_addr; undefined: the word
  bool write = false;  // fault: a store (for ESR in the signal frame)
  bool fetch = false;  // fault: an instruction fetch
};

struct Options {
  bool chain = true;             // direct chaining of blocks; off to see every block in the log
  bool reference = false;        // run every instruction through its semantic function instead of stencils
  bool stats = false;            // measure the time spent translating
  std::string dump_directory{};  // where regions are shown to people (optimizer/dump.h); empty: nowhere
  std::function<std::string(u64 pc)> name_of{};  // the guest function, for people; may be empty
  size_t code_memory =
      size_t{128} << 20;  // bytes of code memory before a flush; at most 128 MiB (AArch64's branch range)
};

// Once, before any guest thread runs.
void start(const Options& options);

// AT_HWCAP / AT_HWCAP2 of what is implemented (arch/arm64/include/uapi/asm/hwcap.h).
u64 hwcap();
u64 hwcap2();

// Per guest thread, on that thread: before its first run() and after its last.
void attach(Cpu& cpu);
void detach(Cpu& cpu);

// Runs guest code from cpu.pc until an exit; on return cpu.pc is the exit's pc and every register is exact.
// Host signals may arrive throughout; the handler calls request_poll() or handle_fault().
Exit run(Cpu& cpu);

// Runs one instruction by its semantic function, the reference; a completed one is an exit with reason poll.
Exit step(Cpu& cpu);

// Makes run() on that thread return with ExitReason::poll soon: within one budget of blocks, immediately when called from
// a signal handler on the same thread. Async-signal-safe; any thread.
void request_poll(Cpu& cpu);

// For the host handler of SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE (siginfo_t*, ucontext_t*): when the interrupted host pc is
// translated code (or a helper it called), arranges that run() returns a fault exit when the handler returns, and says true.
// False: not the guest's doing. Async-signal-safe.
bool handle_fault(Cpu& cpu, void* siginfo, void* ucontext);

// Guest code in [begin, end) has changed or gone: drops translations made from it. Any thread; blocks briefly.
// For IC IVAU, munmap, mprotect, mmap over existing pages. Cheap when nothing was translated there.
void invalidate(GuestAddr begin, GuestAddr end);

// Whether the guest may execute what lies in [begin, end), whole pages: elsewhere a fetch is SIGSEGV with SEGV_ACCERR. Before
// anything is declared executable all of memory is. Taking the permission away drops the translations too. Any thread.
void set_executable(GuestAddr begin, GuestAddr end, bool executable);

// Around fork() (not around clone with CLONE_VM): before it on the forking thread, after it in both processes. Between them
// no other thread translates. In the child only the calling thread lives on.
void before_fork(Cpu& cpu);
void after_fork_in_parent(Cpu& cpu);
void after_fork_in_child(Cpu& cpu);

// The Cpu was lent to a process that shares this one's memory (vfork) and may have ended anywhere, also in translated code.
void after_lending(Cpu& cpu);

struct Stats {
  u64 translated_blocks, translated_instructions, translate_ns, code_bytes, flushes, invalidated_blocks;
  // Regions: formed of hot code, asked for; answered by code, by a refusal for good, by nothing; found in the store; put in place; not
  // put in place since the guest's code was another; dropped.
  u64 formed_regions, asked_regions, received_regions, refused_regions, lost_regions;
  u64 loaded_regions, installed_regions, discarded_regions, invalidated_regions;
  u64 region_bytes;                       // of those put in place
  u64 loaded_pages, loaded_instructions;  // translated pages of the store, and the instructions of their blocks
  u64 region_ns;                          // forming, asking for and installing them
  u64 answer_ns;                          // that answers took in all; nobody waits for them
  // The guest's threads' time outside the kernel, where the kernel tells it; elsewhere: in ferry, helpers among it.
  u64 baseline_ms, regions_ms, elsewhere_ms;
};
Stats stats();

// Async-signal-safe: the guest pc whose translation contains this host pc, or 0.
GuestAddr locate(const Cpu& cpu, u64 host_pc);

// FPCR/FPSR as the guest reads and writes them (the host's sticky flags are folded in): for signal frames and ptrace.
u32 read_fpsr(const Cpu& cpu);
void write_fpsr(Cpu& cpu, u32 value);
u32 read_fpcr(const Cpu& cpu);
void write_fpcr(Cpu& cpu, u32 value);

}  // namespace ferry::translator
