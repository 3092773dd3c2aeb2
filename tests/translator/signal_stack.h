// Signal handlers of the tests run on a stack of their own, as ferry's do: regions have their variables below the stack pointer.
#pragma once
#include <signal.h>

#include <cstddef>

namespace ferry::test {

// Of the calling thread, whose handlers are to be installed with SA_ONSTACK.
inline void use_signal_stack() {
  constexpr size_t size = 64 << 10;
  static thread_local char memory[size];
  stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = size};
  sigaltstack(&stack, nullptr);
}

}  // namespace ferry::test
