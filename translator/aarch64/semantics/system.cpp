// System instructions: DDI 0487 C5 (registers) and C6.2.
#include "translator/aarch64/features.h"
#include "translator/aarch64/fp_control.h"
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/system.def"
#define FERRY_SECTION_NAME system

namespace ferry::aarch64 {

// ---- Hints and barriers.

template <int...>
SEM yield(Cpu&) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}
template <int op2>
SEM hint_0(Cpu&) {}
template <int...>
SEM hint(Cpu&) {}

// On x86 only a later load can overtake an earlier store, so that barriers of one kind cost nothing.
template <int types>
FERRY_INLINE void barrier() {
#if defined(__x86_64__)
  if constexpr (types == 1 || types == 2)
    asm volatile("" ::: "memory");
  else
    asm volatile("lock orl $0, -8(%%rsp)" ::: "memory", "cc");  // MFENCE would order more, and is slower
#else
  if constexpr (types == 1)
    asm volatile("dmb ishld" ::: "memory");
  else if constexpr (types == 2)
    asm volatile("dmb ishst" ::: "memory");
  else
    asm volatile("dmb ish" ::: "memory");
#endif
}

template <int types>
SEM dmb(Cpu&) {
  barrier<types>();
}
template <int types>
SEM dsb(Cpu&) {
  barrier<types>();
}
template <int...>
SEM isb(Cpu&) {
  asm volatile("" ::: "memory");
}
template <int...>
SEM clrex(Cpu& cpu) {
  cpu.exclusive_address = ~u64{0};
}

// ---- Registers.

template <int...>
SEM mrs_id(Cpu&, Dst<1> rt, Imm64 value) {
  rt = value;
}
template <int...>
SEM mrs_ctr_el0(Cpu&, Dst<1> rt) {
  rt = ctr_el0;
}
template <int...>
SEM mrs_dczid_el0(Cpu&, Dst<1> rt) {
  rt = dczid_el0;
}

template <int...>
SEM mrs_nzcv(Cpu& cpu, Dst<1> rt) {
  rt = u64{cpu.n} << 31 | cpu.z << 30 | cpu.c << 29 | cpu.v << 28;
}
template <int flags>
SEM msr_nzcv(Cpu& cpu, Src<1> rt) {
  if constexpr (flags) {
    u64 value = rt;
    cpu.n = value >> 31 & 1;
    cpu.z = value >> 30 & 1;
    cpu.c = value >> 29 & 1;
    cpu.v = value >> 28 & 1;
  }
}

template <int...>
SEM mrs_fpcr(Cpu& cpu, Dst<1> rt) {
  rt = cpu.fpcr;
}
template <int...>
SEM msr_fpcr(Cpu& cpu, Src<1> rt) {
  call_out<ferry_a64_write_fpcr>(&cpu, rt.get());
}
template <int...>
SEM mrs_fpsr(Cpu& cpu, Dst<1> rt) {
  rt = call_out<ferry_a64_read_fpsr>(&cpu);
}
template <int...>
SEM msr_fpsr(Cpu& cpu, Src<1> rt) {
  call_out<ferry_a64_write_fpsr>(&cpu, rt.get());
}

template <int...>
SEM mrs_tpidr_el0(Cpu& cpu, Dst<1> rt) {
  rt = cpu.tpidr_el0;
}
template <int...>
SEM msr_tpidr_el0(Cpu& cpu, Src<1> rt) {
  cpu.tpidr_el0 = rt;
}
template <int...>
SEM mrs_tpidrro_el0(Cpu&, Dst<1> rt) {
  rt = 0;
}  // Linux keeps it zero

template <int...>
SEM mrs_cntfrq_el0(Cpu&, Dst<1> rt) {
  rt = call_out<ferry_a64_counter_frequency>();
}
template <int...>
SEM mrs_cntvct_el0(Cpu&, Dst<1> rt) {
  rt = call_out<ferry_a64_counter>();
}

// ---- Caches. The host's are coherent; what is left is that the address must be accessible.

template <int...>
SEM dc_zva(Cpu&, Src<1> rt) {
  u64 line = rt & ~u64{zeroed_block - 1};
  for (u64 i = 0; i < zeroed_block; i += 16) store(line + i, RawVector{});
}
template <int...>
SEM dc_cvac(Cpu&, Src<1> rt) {
  (void)load<u8>(rt);
}
template <int...>
SEM dc_cvau(Cpu&, Src<1> rt) {
  (void)load<u8>(rt);
}
template <int...>
SEM dc_civac(Cpu&, Src<1> rt) {
  (void)load<u8>(rt);
}
template <int...>
SEM ic_ivau(Cpu&, Src<1> rt) {
  call_out<ferry_a64_ic_ivau>(rt.get());
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
