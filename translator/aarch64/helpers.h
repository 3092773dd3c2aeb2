// Functions that stencils and regions call out of line (semantic::call_out): what is rare or too large to paste.
// extern "C" so that a stencil can name them; defined in helpers.cpp, never inlined, no locks, no allocation.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"

// Of helpers that hardly ever are called where they might be: they keep all registers, so that the code around the calls need not be
// ready to save its own.
#if defined(__x86_64__)
#define FERRY_KEEPS_REGISTERS __attribute__((preserve_all))
#else
#define FERRY_KEEPS_REGISTERS
#endif

extern "C" {
// Makes the condition flags of what translated code left of them (lazy_flags.h).
FERRY_KEEPS_REGISTERS void ferry_a64_settle_flags(ferry::aarch64::Cpu* cpu);

// IC IVAU: drops translations of the cache line at `address`. Ends up in translator::invalidate().
void ferry_a64_ic_ivau(ferry::u64 address);

// CRC32 and CRC32C: a checksum gone on with over the low `size` bytes (1, 2, 4, 8) of value.
ferry::u32 ferry_a64_crc32(ferry::u32 checksum, ferry::u64 value, ferry::u32 size);
ferry::u32 ferry_a64_crc32c(ferry::u32 checksum, ferry::u64 value, ferry::u32 size);

// CNTFRQ_EL0 (Hz) and CNTVCT_EL0.
ferry::u64 ferry_a64_counter_frequency();
ferry::u64 ferry_a64_counter();
}
