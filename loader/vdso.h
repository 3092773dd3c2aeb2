// The shared object that the kernel maps into every program: time functions and the return from a signal handler. ferry's is
// assembled for the guest at build time (loader/vdso/). man 7 vdso; arch/arm64/kernel/vdso/.
#pragma once
#include <expected>
#include <span>

#include "loader/loader.h"

namespace ferry::loader {

// The object's bytes; empty for an instruction set that has none yet.
std::span<const u8> vdso_image(Isa isa);

struct Vdso {
  GuestAddr base;               // AT_SYSINFO_EHDR
  GuestAddr signal_trampoline;  // __kernel_rt_sigreturn; 0: none
  Mapping mapping;
};

// Maps it where the host's kernel likes, readable and executable to the guest.
std::expected<Vdso, LoadError> map_vdso(Isa isa);

}  // namespace ferry::loader
