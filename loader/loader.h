// The loader's face: from a path and arguments to a mapped program whose first instruction can run.
// Two steps, as execve needs them: prepare() opens and checks everything and changes nothing; map() lays out the memory.
// What Linux does for a native program: fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c.
#pragma once
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "guest/types.h"
#include "loader/elf.h"
#include "loader/file.h"

namespace ferry::loader {

// Why a program cannot be run: for execve the errno, for a person the text and what to do about it.
struct LoadError {
  int error;           // errno: ENOEXEC, ENOENT, EACCES, ELIBBAD, ELOOP, E2BIG, ENOMEM ...
  std::string text;    // one line without a full stop: "PROG: truncated: segment 2 ends at ..."
  std::string remedy;  // may be empty

  int exit_status() const { return error == ENOENT ? 127 : 126; }  // as shells have it
};

// The host path of a path the guest names (in the sysroot when it is there). Relative paths stay relative.
using ResolvePath = std::function<std::string(const std::string& guest_path)>;

struct LoadRequest {
  std::string path;       // as the guest or the user names the program: for messages, AT_EXECFN and #! arguments
  std::string host_path;  // the file to open; empty: resolve(path)
  int fd = -1;            // an open descriptor of the program instead of host_path; stays the caller's
  std::vector<std::string> arguments, environment;  // no arguments at all: one empty one, as Linux has it since 5.18
  ResolvePath resolve;                              // null: a path is the host's
  Isa guest = Isa::aarch64;                         // what this process can translate
  u64 hwcap = 0, hwcap2 = 0;                        // AT_HWCAP, AT_HWCAP2
  std::optional<bool> randomize;  // layout and stack; nothing: unless personality(2) says ADDR_NO_RANDOMIZE
};

// A range of the guest's memory that the loader mapped, with the protection the guest sees. The host's differs: no PROT_EXEC
// (guest code is read and translated, never run), and PROT_READ wherever the guest has PROT_EXEC.
struct Mapping {
  GuestAddr begin, end;
  int protection;  // PROT_*
};

struct LoadedProgram;

// A program that was opened and checked. Holds its files open (close-on-exec) until it is destroyed.
class Program {
 public:
  // Not a foreign program but one the host runs itself (possible as a script's interpreter, too): pass it to execve with
  // host_path() and arguments(). map() refuses it.
  bool native() const { return isa_ != guest_; }
  Isa isa() const { return isa_; }
  // After #! lines: the interpreter's, with its arguments before the script's.
  const std::vector<std::string>& arguments() const { return arguments_; }
  const std::vector<std::string>& environment() const { return environment_; }
  const std::string& path() const { return path_; }            // guest view of the ELF that runs: /proc/self/exe
  const std::string& host_path() const { return host_path_; }  // the file that was opened; empty: from a descriptor
  const std::string& execfn() const { return execfn_; }        // what was asked for: the script, not its interpreter
  const std::string& interpreter() const { return interpreter_path_; }  // PT_INTERP; empty: none

 private:
  friend std::expected<Program, LoadError> prepare(LoadRequest request);
  friend std::expected<LoadedProgram, LoadError> map(const Program& program);

  Isa isa_{}, guest_{};
  std::string path_, host_path_, execfn_, interpreter_path_;
  std::vector<std::string> arguments_, environment_;
  u64 hwcap_ = 0, hwcap2_ = 0;
  bool randomize_ = true;
  File file_, interpreter_file_;
  Elf elf_;
  std::optional<Elf> interpreter_;
};

struct LoadedProgram {
  Isa isa;
  GuestAddr entry;                               // where execution begins: the interpreter's entry when there is one
  GuestAddr stack_pointer;                       // at argc
  GuestAddr brk_start;                           // page-aligned
  GuestAddr signal_trampoline;                   // __kernel_rt_sigreturn in the vDSO
  GuestAddr program_entry;                       // AT_ENTRY
  GuestAddr interpreter_base;                    // AT_BASE; 0: none
  GuestAddr vdso;                                // AT_SYSINFO_EHDR
  std::string executable;                        // Program::path()
  std::vector<Mapping> mappings;                 // everything mapped, in no order: image, interpreter, stack, vDSO
  Mapping stack;                                 // also in `mappings`
  GuestAddr arguments_begin, arguments_end;      // the strings on the stack: /proc/self/cmdline
  GuestAddr environment_begin, environment_end;  // /proc/self/environ
  GuestAddr auxv_begin, auxv_end;                // the vector on the stack with AT_NULL
  std::vector<u64> auxv;                         // a copy: type, value, ... : /proc/self/auxv
};

// Opens the program, follows #! lines, finds the interpreter and checks all of it. Any thread; no effect but open files.
std::expected<Program, LoadError> prepare(LoadRequest request);

// Maps the program, its interpreter, the vDSO and the stack. A failure may leave some of it mapped:
// the process is of no use then.
std::expected<LoadedProgram, LoadError> map(const Program& program);

// Both.
std::expected<LoadedProgram, LoadError> load(LoadRequest request);

}  // namespace ferry::loader
