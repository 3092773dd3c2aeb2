// Guest code assembled from rows of the encodings table into memory of its own, and a guest thread to run it: for the tests of the
// translator as a machine.
#pragma once
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <string_view>

#include "guest/memory.h"
#include "tests/translator/signal_stack.h"
#include "translator/aarch64/decode.h"
#include "translator/stencil/host.h"
#include "translator/translator.h"

namespace ferry::test {

using translator::Cpu;

inline thread_local Cpu* running;
inline thread_local u64 located;  // what translator::locate() said of the last fault

inline void on_fault(int signal, siginfo_t* info, void* context) {
  if (fix_up_guest_access(context)) return;
  // A region's fault edges and polls end in a trap.
  if (running != nullptr && (signal == SIGSEGV || signal == SIGBUS))
    located = raw(translator::locate(*running, stencil::interrupted_pc(context)));
  if (running != nullptr && translator::handle_fault(*running, info, context)) return;
  ::signal(signal, SIG_DFL);
}

inline void handle_guest_faults() {
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  sigaction(SIGILL, &action, nullptr);
  sigaction(SIGTRAP, &action, nullptr);
}

// A page of guest code, written word by word.
class Code {
 public:
  explicit Code(size_t size = 1 << 16) : size_(size) {
    words_ = static_cast<u32*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  ~Code() {
    translator::invalidate(GuestAddr{begin()}, GuestAddr{begin() + size_});
    munmap(words_, size_);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  Code& add(const char* row, std::string_view fields = "") {
    auto word = aarch64::assemble(*aarch64::row_named(row), fields);
    EXPECT_TRUE(word.has_value()) << row << " " << fields;
    return add_word(word.value_or(0));
  }
  Code& add_word(u32 word) {
    words_[count_++] = word;
    return *this;
  }
  void replace(size_t index, const char* row, std::string_view fields) {
    words_[index] = *aarch64::assemble(*aarch64::row_named(row), fields);
  }
  u64 begin() const { return reinterpret_cast<u64>(words_); }
  u64 at(size_t index) const { return begin() + 4 * index; }
  size_t count() const { return count_; }
  void invalidate(size_t index) { translator::invalidate(GuestAddr{at(index)}, GuestAddr{at(index) + 4}); }

 private:
  size_t size_, count_ = 0;
  u32* words_;
};

class Guest {
 public:
  Guest() : cpu(*new(std::align_val_t{alignof(Cpu)}) Cpu{}) {
    use_signal_stack();
    translator::attach(cpu);
    running = &cpu;
  }
  ~Guest() {
    translator::detach(cpu);
    running = nullptr;
    operator delete(&cpu, std::align_val_t{alignof(Cpu)});
  }
  translator::Exit run(u64 pc) {
    cpu.pc = pc;
    return translator::run(cpu);
  }
  // The status, below 256, that `act` gives a forked child to end with.
  template <class F>
  int in_child(F&& act) {
    translator::before_fork(cpu);
    pid_t child = fork();
    if (child == 0) {
      translator::after_fork_in_child(cpu);
      _exit(act());
    }
    translator::after_fork_in_parent(cpu);
    int status;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    return WEXITSTATUS(status);
  }
  Cpu& cpu;
};

// x0 += x1 iterations of a two-block loop: x0 counts up, x1 down to 0.
inline void add_counting_loop(Code& code) {
  code.add("add_imm", "sf=1 imm12=1 rn=0 rd=0")
      .add("sub_imm", "sf=1 imm12=1 rn=1 rd=1")
      .add("cbnz", "sf=1 imm19=-2 rt=1")
      .add("svc");
}

}  // namespace ferry::test
