// What the guest's processor says of itself: AT_HWCAP, and the identification registers as Linux shows them to EL0
// (Documentation/arch/arm64/cpu-feature-registers.rst, elf_hwcaps.rst). Only what the encodings table has.
#pragma once
#include "guest/types.h"

namespace ferry::aarch64 {

// arch/arm64/include/uapi/asm/hwcap.h
inline constexpr u64 hwcap_fp = 1 << 0, hwcap_asimd = 1 << 1, hwcap_aes = 1 << 3, hwcap_pmull = 1 << 4,
                     hwcap_sha1 = 1 << 5, hwcap_sha2 = 1 << 6, hwcap_crc32 = 1 << 7, hwcap_atomics = 1 << 8,
                     hwcap_cpuid = 1 << 11, hwcap_asimdrdm = 1 << 12, hwcap_lrcpc = 1 << 15, hwcap_asimddp = 1 << 20;
inline constexpr u64 hwcap = hwcap_fp | hwcap_asimd | hwcap_aes | hwcap_pmull | hwcap_sha1 | hwcap_sha2 | hwcap_crc32 |
                             hwcap_atomics | hwcap_cpuid | hwcap_asimdrdm | hwcap_lrcpc | hwcap_asimddp;
inline constexpr u64 hwcap2 = 0;

// Caches: lines of 64 bytes; the data cache needs no cleaning for instruction fetch (IDC), the instruction cache needs IC IVAU.
inline constexpr u64 ctr_el0 = 1u << 31 | 1u << 28 | 4u << 24 | 4u << 20 | 4u << 16 | 3u << 14 | 4u;
inline constexpr u64 zeroed_block = 64;  // bytes that DC ZVA zeroes
inline constexpr u64 dczid_el0 = 4;      // log2 of them in words

// The identification registers that Linux emulates for EL0 (arch/arm64/kernel/cpufeature.c): op0 3, op1 0, CRn 0.
constexpr bool id_register_emulated(u32 crm, u32 op2) {
  return crm == 0 ? op2 == 0 || op2 == 5 || op2 == 6 : crm >= 2 && crm <= 7;
}
constexpr u64 id_register_value(u32 crm, u32 op2) {
  switch (crm << 3 | op2) {
    case 0 << 3 | 0:
      return 0x000f0000;  // MIDR_EL1: implementer 0, software: nobody's errata and tunings apply
    case 0 << 3 | 5:
      return 1u << 31;  // MPIDR_EL1
    case 4 << 3 | 0:
      return 0x11;  // ID_AA64PFR0_EL1: EL0 and EL1 are AArch64; FP and AdvSIMD without halves
    // ID_AA64ISAR0_EL1: AES with PMULL, SHA1, SHA2, CRC32, Atomic, RDM, DP
    case 6 << 3 | 0:
      return 2 << 4 | 1 << 8 | 1 << 12 | 1 << 16 | 2 << 20 | 1 << 28 | u64{1} << 44;
    case 6 << 3 | 1:
      return 1 << 20;  // ID_AA64ISAR1_EL1: LRCPC
    default:
      return 0;
  }
}

}  // namespace ferry::aarch64
