// Signal handlers of the tests run on a stack of their own, as ferry's do: regions have their variables below the stack pointer.
#pragma once
#include <signal.h>

#include <cstddef>

namespace ferry::test {

// Of the calling thread, whose handlers are to be installed with SA_ONSTACK. Sanitizers have set one already, and take it back.
inline void use_signal_stack() {
  stack_t there{};
  if (sigaltstack(nullptr, &there) == 0 && (there.ss_flags & SS_DISABLE) == 0) return;
  constexpr size_t size = 64 << 10;
  static thread_local char memory[size];
  stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = size};
  sigaltstack(&stack, nullptr);
}

}  // namespace ferry::test
