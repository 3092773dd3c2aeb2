// On x86-64 Cpu::guest_fp_control is MXCSR (SDM 10.2.3): its sticky flags are the guest's, except that IDC has no counterpart
// (with denormals-are-zero x86 reports nothing) and QC lives in Cpu::fpsr. On AArch64 Cpu::fpcr and fpsr are the registers.
#include "translator/aarch64/fp_control.h"

#include "translator/translator.h"

namespace ferry::aarch64 {

#if defined(__x86_64__)

namespace {
constexpr u32 mxcsr_flags = 0x3f, mxcsr_masks = 0x1f80, mxcsr_daz = 1u << 6, mxcsr_ftz = 1u << 15;

struct FlagPair {
  u32 mxcsr, fpsr;
};
constexpr FlagPair flag_pairs[] = {{1, fpsr_ioc}, {4, fpsr_dzc}, {8, fpsr_ofc}, {16, fpsr_ufc}, {32, fpsr_ixc}};

u32 mxcsr_control(u32 fpcr) {
  // RMode: nearest, +inf, -inf, zero; MXCSR.RC: nearest, -inf, +inf, zero.
  u32 mode = fpcr >> 22 & 3;
  u32 rounding = (mode >> 1 | mode << 1) & 3;
  return mxcsr_masks | rounding << 13 | ((fpcr & fpcr_fz) != 0 ? mxcsr_ftz | mxcsr_daz : 0);
}
}  // namespace

u32 fpcr_of(const Cpu& cpu) { return cpu.fpcr; }

u32 fpsr_of(const Cpu& cpu) {
  u32 result = cpu.fpsr;
  for (FlagPair pair : flag_pairs) {
    if ((cpu.guest_fp_control & pair.mxcsr) != 0) result |= pair.fpsr;
  }
  return result;
}

void set_fpcr(Cpu& cpu, u32 value) {
  cpu.fpcr = value & fpcr_writable;
  cpu.guest_fp_control = (cpu.guest_fp_control & mxcsr_flags) | mxcsr_control(cpu.fpcr);
}

void set_fpsr(Cpu& cpu, u32 value) {
  u32 flags = 0;
  for (FlagPair pair : flag_pairs) {
    if ((value & pair.fpsr) != 0) flags |= pair.mxcsr;
  }
  cpu.fpsr = value & (fpsr_qc | fpsr_idc);
  cpu.guest_fp_control = (cpu.guest_fp_control & ~mxcsr_flags) | flags;
}

namespace {
void save_live(Cpu& cpu) { asm volatile("stmxcsr %0" : "=m"(cpu.guest_fp_control)); }
void load_live(const Cpu& cpu) { asm volatile("ldmxcsr %0" : : "m"(cpu.guest_fp_control)); }
}  // namespace

#else

u32 fpcr_of(const Cpu& cpu) { return cpu.fpcr; }
u32 fpsr_of(const Cpu& cpu) { return cpu.fpsr; }
void set_fpcr(Cpu& cpu, u32 value) { cpu.fpcr = value & fpcr_writable; }
void set_fpsr(Cpu& cpu, u32 value) { cpu.fpsr = value & fpsr_writable; }

namespace {
// Saturation is noted in Cpu::fpsr by the semantic functions, so the two are merged.
void save_live(Cpu& cpu) {
  u64 fpcr, fpsr;
  asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
  cpu.fpcr = static_cast<u32>(fpcr);
  cpu.fpsr |= static_cast<u32>(fpsr);
}
void load_live(const Cpu& cpu) {
  asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(u64{cpu.fpcr}), "r"(u64{cpu.fpsr}));
}
}  // namespace

#endif

}  // namespace ferry::aarch64

using ferry::aarch64::Cpu;

ferry::u32 ferry_a64_read_fpsr(Cpu* cpu) {
  ferry::aarch64::save_live(*cpu);
  return ferry::aarch64::fpsr_of(*cpu);
}

void ferry_a64_write_fpcr(Cpu* cpu, ferry::u64 value) {
  ferry::aarch64::save_live(*cpu);
  ferry::aarch64::set_fpcr(*cpu, static_cast<ferry::u32>(value));
  ferry::aarch64::load_live(*cpu);
}

void ferry_a64_write_fpsr(Cpu* cpu, ferry::u64 value) {
  ferry::aarch64::save_live(*cpu);
  ferry::aarch64::set_fpsr(*cpu, static_cast<ferry::u32>(value));
  ferry::aarch64::load_live(*cpu);
}

namespace ferry::translator {
u32 read_fpsr(const Cpu& cpu) { return aarch64::fpsr_of(cpu); }
void write_fpsr(Cpu& cpu, u32 value) { aarch64::set_fpsr(cpu, value); }
u32 read_fpcr(const Cpu& cpu) { return aarch64::fpcr_of(cpu); }
void write_fpcr(Cpu& cpu, u32 value) { aarch64::set_fpcr(cpu, value); }
}  // namespace ferry::translator
