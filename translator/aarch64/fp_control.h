// FPCR and FPSR (DDI 0487 C5.2.7, C5.2.8) kept in the host's own control and status registers while translated code runs,
// so that rounding, flushing and sticky flags cost nothing. Freestanding.
#pragma once
#include "guest/aarch64/cpu.h"

namespace ferry::aarch64 {

inline constexpr u32 fpcr_fz = 1u << 24, fpcr_dn = 1u << 25, fpcr_ahp = 1u << 26, fpcr_rmode = 3u << 22;
inline constexpr u32 fpcr_writable = fpcr_fz | fpcr_dn | fpcr_ahp | fpcr_rmode;  // the others are RES0 in Armv8.0
inline constexpr u32 fpsr_ioc = 1, fpsr_dzc = 2, fpsr_ofc = 4, fpsr_ufc = 8, fpsr_ixc = 16, fpsr_idc = 128,
                     fpsr_qc = 1u << 27;
inline constexpr u32 fpsr_writable = fpsr_ioc | fpsr_dzc | fpsr_ofc | fpsr_ufc | fpsr_ixc | fpsr_idc | fpsr_qc;

// On a stopped CPU (translated code is not running on it).
u32 fpcr_of(const Cpu& cpu);
u32 fpsr_of(const Cpu& cpu);
void set_fpcr(Cpu& cpu, u32 value);
void set_fpsr(Cpu& cpu, u32 value);

}  // namespace ferry::aarch64

extern "C" {
// The same from translated code: the host's registers are live.
ferry::u32 ferry_a64_read_fpsr(ferry::aarch64::Cpu* cpu);
void ferry_a64_write_fpcr(ferry::aarch64::Cpu* cpu, ferry::u64 value);
void ferry_a64_write_fpsr(ferry::aarch64::Cpu* cpu, ferry::u64 value);
}
