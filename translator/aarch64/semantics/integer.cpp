// Data processing on general registers: DDI 0487 C6.2.
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/integer.def"
#define FERRY_SECTION_NAME integer
#define FERRY_SECTION_FLAGS_ARE_SEPARATE
#define FERRY_SECTION_HAS_PAIRS

namespace ferry::aarch64 {

// ---- Add and subtract.

template <class W>
using SignedWord = SignedOf<sizeof(W) == 8>;

// AddWithCarry() for a + b, and for a - b, where C is "no borrow".
template <class W>
FERRY_INLINE W add_with_flags(Cpu& cpu, W a, W b) {
#if defined(FERRY_STENCIL) && defined(__x86_64__)
  // The host instruction's flags are the guest's; clang would compute N and V from the result.
  asm("add %5, %0" : "+r"(a), "=@ccs"(cpu.n), "=@cce"(cpu.z), "=@ccc"(cpu.c), "=@cco"(cpu.v) : "r"(b));
  return a;
#else
  W result = a + b;
  set_nz(cpu, result);
  cpu.c = result < a;
  SignedWord<W> ignored;
  cpu.v = __builtin_add_overflow(static_cast<SignedWord<W>>(a), static_cast<SignedWord<W>>(b), &ignored);
  return result;
#endif
}
template <class W>
FERRY_INLINE W subtract_with_flags(Cpu& cpu, W a, W b) {
#if defined(FERRY_STENCIL) && defined(__x86_64__)
  if (!flags_are_lazy(cpu)) {
    asm("sub %5, %0" : "+r"(a), "=@ccs"(cpu.n), "=@cce"(cpu.z), "=@ccae"(cpu.c), "=@cco"(cpu.v) : "r"(b));
    return a;
  }
#endif
  W result = a - b;
  set_nz(cpu, result);
  cpu.c = a >= b;
  // N differs from V where a < b: said like this, so that the conditions that ask for it become that comparison.
  cpu.v = cpu.n ^ static_cast<u8>(static_cast<SignedWord<W>>(a) < static_cast<SignedWord<W>>(b));
  return result;
}

// What the flags that have been set are of: for the optimiser, where they are packed without it, and for stencils that leave them so.
[[maybe_unused]] FERRY_INLINE void note_flags([[maybe_unused]] Cpu& cpu, [[maybe_unused]] LazyFlags kind,
                                              [[maybe_unused]] u64 a, [[maybe_unused]] u64 b) {
#if defined(FERRY_BITCODE)
  ferry_lazy_flags(static_cast<u32>(kind), a, b);
#elif defined(FERRY_STENCIL)
  cpu.flags_kind = static_cast<u32>(kind);
  cpu.flags_a = a;
  cpu.flags_b = b;
#endif
}
template <class W>
inline constexpr LazyFlags of_difference = sizeof(W) == 8 ? LazyFlags::subtract_64 : LazyFlags::subtract_32;
template <class W>
inline constexpr LazyFlags of_result = sizeof(W) == 8 ? LazyFlags::logical_64 : LazyFlags::logical_32;

template <int flags, class W>
FERRY_INLINE W add_setting(Cpu& cpu, W a, W b) {
  if constexpr (flags)
    return add_with_flags(cpu, a, b);
  else
    return a + b;
}
template <int flags, class W>
FERRY_INLINE W subtract_setting(Cpu& cpu, W a, W b) {
  if constexpr (flags) {
    W result = subtract_with_flags(cpu, a, b);
    note_flags(cpu, of_difference<W>, a, b);
    return result;
  } else {
    return a - b;
  }
}

// AddWithCarry() for a + b + C.
template <int flags, class W>
FERRY_INLINE W add_carry_setting(Cpu& cpu, W a, W b) {
  W partial = a + b, result = partial + cpu.c;
  if constexpr (flags) {
    cpu.c = (partial < a) | (result < partial);
    set_nz(cpu, result);
    cpu.v = ((a ^ result) & (b ^ result)) >> (sizeof(W) * 8 - 1);
  }
  return result;
}

template <class W>
FERRY_INLINE W rotate_right(W value, u64 amount) {
  constexpr u64 mask = sizeof(W) * 8 - 1;
  return value >> (amount & mask) | value << (-amount & mask);
}

// ShiftReg(): 0 LSL, 1 LSR, 2 ASR, 3 ROR; the amount is less than the width.
template <int shift, class W>
FERRY_INLINE W shifted(W value, u64 amount) {
  if constexpr (shift == 0)
    return value << amount;
  else if constexpr (shift == 1)
    return value >> amount;
  else if constexpr (shift == 2)
    return static_cast<W>(static_cast<__make_signed(W)>(value) >> amount);
  else
    return rotate_right(value, amount);
}

// ExtendReg(): bits 1:0 of the option are the log2 size, bit 2 is signed.
template <int option, class W>
FERRY_INLINE W extended(u64 value, u64 shift) {
  u64 wide;
  switch (option) {
    case 0:
      wide = static_cast<u8>(value);
      break;
    case 1:
      wide = static_cast<u16>(value);
      break;
    case 2:
      wide = static_cast<u32>(value);
      break;
    case 4:
      wide = static_cast<u64>(i64{static_cast<i8>(value)});
      break;
    case 5:
      wide = static_cast<u64>(i64{static_cast<i16>(value)});
      break;
    case 6:
      wide = static_cast<u64>(i64{static_cast<i32>(value)});
      break;
    default:
      wide = value;
      break;
  }
  return static_cast<W>(wide << shift);
}

template <int sf>
SEM add_imm(Cpu&, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = rn + imm;
}
template <int sf>
SEM sub_imm(Cpu&, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = rn - imm;
}
template <int sf, int flags>
SEM adds_imm(Cpu& cpu, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = add_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm));
}
template <int sf, int flags>
SEM subs_imm(Cpu& cpu, Dst<sf> rd, Src<sf> rn, UImm imm) {
  rd = subtract_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm));
}
template <int sf, int flags>
SEM cmp_imm(Cpu& cpu, Src<sf> rn, UImm imm) {
  subtract_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm));
}

template <int sf>
SEM add_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn + rm;
}
template <int sf>
SEM sub_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn - rm;
}
template <int sf, int flags>
SEM adds_reg(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = add_setting<flags>(cpu, rn.get(), rm.get());
}
template <int sf, int flags>
SEM subs_reg(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = subtract_setting<flags>(cpu, rn.get(), rm.get());
}
template <int sf, int flags>
SEM cmp_reg(Cpu& cpu, Src<sf> rn, Src<sf> rm) {
  subtract_setting<flags>(cpu, rn.get(), rm.get());
}

template <int sf, int shift>
SEM add_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn + shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM sub_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn - shifted<shift>(rm.get(), amount);
}
template <int sf, int shift, int flags>
SEM adds_shifted(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = add_setting<flags>(cpu, rn.get(), shifted<shift>(rm.get(), amount));
}
template <int sf, int shift, int flags>
SEM subs_shifted(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = subtract_setting<flags>(cpu, rn.get(), shifted<shift>(rm.get(), amount));
}

template <int sf, int option>
SEM add_ext(Cpu&, Dst<sf> rd, Src<sf> rn, Src<1> rm, UImm shift) {
  rd = rn + extended<option, UnsignedOf<sf>>(rm, shift);
}
template <int sf, int option>
SEM sub_ext(Cpu&, Dst<sf> rd, Src<sf> rn, Src<1> rm, UImm shift) {
  rd = rn - extended<option, UnsignedOf<sf>>(rm, shift);
}
template <int sf, int option, int flags>
SEM adds_ext(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<1> rm, UImm shift) {
  rd = add_setting<flags>(cpu, rn.get(), extended<option, UnsignedOf<sf>>(rm, shift));
}
template <int sf, int option, int flags>
SEM subs_ext(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<1> rm, UImm shift) {
  rd = subtract_setting<flags>(cpu, rn.get(), extended<option, UnsignedOf<sf>>(rm, shift));
}

template <int sf>
SEM adc(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = add_carry_setting<0>(cpu, rn.get(), rm.get());
}
template <int sf, int flags>
SEM adcs(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = add_carry_setting<flags>(cpu, rn.get(), rm.get());
}
template <int sf>
SEM sbc(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = add_carry_setting<0>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(~rm));
}
template <int sf, int flags>
SEM sbcs(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = add_carry_setting<flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(~rm));
}

// ---- Logical.

template <int flags, class W>
FERRY_INLINE W logical_setting(Cpu& cpu, W result) {
  if constexpr (flags) {
    set_nz(cpu, result);
    cpu.c = 0;
    cpu.v = 0;
    note_flags(cpu, of_result<W>, result, 0);
  }
  return result;
}

// A 32-bit bitmask fits an immediate of a host instruction.
template <int sf>
struct BitmaskType {
  using Type = UImm;
};
template <>
struct BitmaskType<1> {
  using Type = Imm64;
};
template <int sf>
using Bitmask = typename BitmaskType<sf>::Type;

template <int sf>
SEM and_imm(Cpu&, Dst<sf> rd, Src<sf> rn, Bitmask<sf> mask) {
  rd = rn & mask;
}
template <int sf>
SEM orr_imm(Cpu&, Dst<sf> rd, Src<sf> rn, Bitmask<sf> mask) {
  rd = rn | mask;
}
template <int sf>
SEM eor_imm(Cpu&, Dst<sf> rd, Src<sf> rn, Bitmask<sf> mask) {
  rd = rn ^ mask;
}
template <int sf, int flags>
SEM ands_imm(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Bitmask<sf> mask) {
  rd = logical_setting<flags>(cpu, static_cast<UnsignedOf<sf>>(rn & mask));
}
template <int sf, int flags>
SEM tst_imm(Cpu& cpu, Src<sf> rn, Bitmask<sf> mask) {
  logical_setting<flags>(cpu, static_cast<UnsignedOf<sf>>(rn & mask));
}

template <int sf>
SEM and_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn & rm;
}
template <int sf>
SEM bic_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn & ~rm;
}
template <int sf>
SEM orr_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn | rm;
}
template <int sf>
SEM mov_reg(Cpu&, Dst<sf> rd, Src<sf> rm) {
  rd = rm;
}
template <int sf>
SEM orn_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn | ~rm;
}
template <int sf>
SEM eor_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn ^ rm;
}
template <int sf>
SEM eon_reg(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn ^ ~rm;
}
template <int sf, int flags>
SEM ands_reg(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = logical_setting<flags>(cpu, rn & rm);
}
template <int sf, int flags>
SEM tst_reg(Cpu& cpu, Src<sf> rn, Src<sf> rm) {
  logical_setting<flags>(cpu, rn & rm);
}
template <int sf, int flags>
SEM bics_reg(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = logical_setting<flags>(cpu, rn & ~rm);
}

template <int sf, int shift>
SEM and_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn & shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM bic_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn & ~shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM orr_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn | shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM orn_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn | ~shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM eor_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn ^ shifted<shift>(rm.get(), amount);
}
template <int sf, int shift>
SEM eon_shifted(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = rn ^ ~shifted<shift>(rm.get(), amount);
}
template <int sf, int shift, int flags>
SEM ands_shifted(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = logical_setting<flags>(cpu, rn & shifted<shift>(rm.get(), amount));
}
template <int sf, int shift, int flags>
SEM bics_shifted(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm amount) {
  rd = logical_setting<flags>(cpu, rn & ~shifted<shift>(rm.get(), amount));
}

// ---- Constants and addresses.

template <bool small>
struct ConstantType {
  using Type = Imm64;
};
template <>
struct ConstantType<true> {
  using Type = UImm;
};

template <int sf, int hw>
  requires(sf == 1 || hw < 2)
SEM movn(Cpu&, Dst<sf> rd, typename ConstantType<sf == 0>::Type value) {
  rd = value;
}
template <int sf, int hw>
  requires(sf == 1 || hw < 2)
SEM movz(Cpu&, Dst<sf> rd, typename ConstantType<hw == 0 || sf == 0>::Type value) {
  rd = value;
}
template <int sf, int hw>
  requires(sf == 1 || hw < 2)
SEM movk(Cpu&, Dst<sf> rd, Src<sf> old, UImm value) {
  rd = (old & ~(u64{0xffff} << (16 * hw))) | value << (16 * hw);
}
template <int...>
SEM adr(Cpu&, Dst<1> rd, Imm64 address) {
  rd = address;
}
template <int...>
SEM adrp(Cpu&, Dst<1> rd, Imm64 address) {
  rd = address;
}

// ---- Bitfields.

template <int sf>
SEM sbfm(Cpu&, Dst<sf> rd, Src<sf> rn, UImm left, UImm right) {
  rd = static_cast<UnsignedOf<sf>>(static_cast<SignedOf<sf>>(rn << left) >> right);
}
template <int sf>
SEM sxt(Cpu&, Dst<sf> rd, Src<sf> rn, UImm left) {
  rd = static_cast<UnsignedOf<sf>>(static_cast<SignedOf<sf>>(rn << left) >> left);
}
template <int sf>
SEM sxtw(Cpu&, Dst<sf> rd, Src<0> rn, UImm) {
  rd = static_cast<UnsignedOf<sf>>(static_cast<i32>(rn));
}
template <int sf>
SEM bfm(Cpu&, Dst<sf> rd, Src<sf> old, Src<sf> rn, UImm rotation, Bitmask<sf> mask) {
  rd = old ^ ((old ^ rotate_right(rn.get(), rotation)) & mask);
}
template <int...>
SEM ubfm_w(Cpu&, Dst<0> rd, Src<0> rn, UImm left, UImm right) {
  rd = rn << left >> right;
}
template <int...>
SEM ubfm_x(Cpu&, Dst<1> rd, Src<1> rn, UImm left, UImm right) {
  rd = rn << left >> right;
}
template <int...>
SEM lsr_w(Cpu&, Dst<0> rd, Src<0> rn, UImm amount) {
  rd = rn >> amount;
}
template <int...>
SEM lsr_x(Cpu&, Dst<1> rd, Src<1> rn, UImm amount) {
  rd = rn >> amount;
}
template <int sf>
SEM uxt(Cpu&, Dst<sf> rd, Src<sf> rn, Bitmask<sf> mask) {
  rd = rn & mask;
}
template <int sf>
SEM extr(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, UImm lsb, UImm rest) {
  rd = rm >> lsb | rn << 1 << rest;
}

// ---- Two sources.

template <int sf>
SEM udiv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  UnsignedOf<sf> divisor = rm;
  rd = divisor == 0 ? 0 : rn / divisor;
}
template <int sf>
SEM sdiv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  UnsignedOf<sf> dividend = rn;
  auto divisor = static_cast<SignedOf<sf>>(rm);
  // The host traps on MIN / -1, whose quotient is MIN.
  if (divisor == 0)
    rd = 0;
  else if (divisor == -1)
    rd = -dividend;
  else
    rd = static_cast<UnsignedOf<sf>>(static_cast<SignedOf<sf>>(dividend) / divisor);
}
template <int sf>
SEM lslv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn << (rm & (sf ? 63 : 31));
}
template <int sf>
SEM lsrv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rn >> (rm & (sf ? 63 : 31));
}
template <int sf>
SEM asrv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = shifted<2>(rn.get(), rm & (sf ? 63 : 31));
}
template <int sf>
SEM rorv(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = rotate_right(rn.get(), rm);
}

template <int sf, int sz>
  requires((sf == 1) == (sz == 3))
SEM crc32(Cpu&, Dst<0> rd, Src<0> rn, Src<sf> rm) {
  rd = call_out<ferry_a64_crc32>(rn.get(), u64{rm}, u32{1} << sz);
}
template <int sf, int sz>
  requires((sf == 1) == (sz == 3))
SEM crc32c(Cpu&, Dst<0> rd, Src<0> rn, Src<sf> rm) {
#if defined(__SSE4_2__)
  if constexpr (sz == 0)
    rd = __builtin_ia32_crc32qi(rn, static_cast<u8>(rm));
  else if constexpr (sz == 1)
    rd = __builtin_ia32_crc32hi(rn, static_cast<u16>(rm));
  else if constexpr (sz == 2)
    rd = __builtin_ia32_crc32si(rn, rm);
  else
    rd = static_cast<u32>(__builtin_ia32_crc32di(rn, rm));
#else
  rd = call_out<ferry_a64_crc32c>(rn.get(), u64{rm}, u32{1} << sz);
#endif
}

// ---- One source.

template <int sf>
SEM rbit(Cpu&, Dst<sf> rd, Src<sf> rn) {
  if constexpr (sf)
    rd = __builtin_bitreverse64(rn);
  else
    rd = __builtin_bitreverse32(rn);
}
template <int sf>
SEM rev16(Cpu&, Dst<sf> rd, Src<sf> rn) {
  UnsignedOf<sf> value = rn;
  constexpr auto even = static_cast<UnsignedOf<sf>>(0x00ff00ff00ff00ff);
  rd = (value >> 8 & even) | (value & even) << 8;
}
template <int...>
SEM rev_w(Cpu&, Dst<0> rd, Src<0> rn) {
  rd = __builtin_bswap32(rn);
}
template <int...>
SEM rev32(Cpu&, Dst<1> rd, Src<1> rn) {
  rd = rotate_right(__builtin_bswap64(rn), 32);
}
template <int...>
SEM rev_x(Cpu&, Dst<1> rd, Src<1> rn) {
  rd = __builtin_bswap64(rn);
}
template <int sf>
SEM clz(Cpu&, Dst<sf> rd, Src<sf> rn) {
  rd = static_cast<u32>(__builtin_clzg(rn.get(), sf ? 64 : 32));
}
template <int sf>
SEM cls(Cpu&, Dst<sf> rd, Src<sf> rn) {
  UnsignedOf<sf> value = rn, changes = value ^ shifted<2>(value, 1);  // its top bit is 0
  rd = static_cast<u32>(__builtin_clzg(changes, sf ? 64 : 32) - 1);
}

// ---- Three sources.

template <int sf>
SEM madd(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, Src<sf> ra) {
  rd = ra + rn * rm;
}
template <int sf>
SEM msub(Cpu&, Dst<sf> rd, Src<sf> rn, Src<sf> rm, Src<sf> ra) {
  rd = ra - rn * rm;
}

FERRY_INLINE u64 signed_product(u32 a, u32 b) {
  return static_cast<u64>(i64{static_cast<i32>(a)} * static_cast<i32>(b));
}
FERRY_INLINE u64 unsigned_product(u32 a, u32 b) { return u64{a} * b; }

template <int...>
SEM smaddl(Cpu&, Dst<1> rd, Src<0> rn, Src<0> rm, Src<1> ra) {
  rd = ra + signed_product(rn, rm);
}
template <int...>
SEM smsubl(Cpu&, Dst<1> rd, Src<0> rn, Src<0> rm, Src<1> ra) {
  rd = ra - signed_product(rn, rm);
}
template <int...>
SEM smulh(Cpu&, Dst<1> rd, Src<1> rn, Src<1> rm) {
  rd = static_cast<u64>(i128{static_cast<i64>(rn.get())} * static_cast<i64>(rm.get()) >> 64);
}
template <int...>
SEM umaddl(Cpu&, Dst<1> rd, Src<0> rn, Src<0> rm, Src<1> ra) {
  rd = ra + unsigned_product(rn, rm);
}
template <int...>
SEM umsubl(Cpu&, Dst<1> rd, Src<0> rn, Src<0> rm, Src<1> ra) {
  rd = ra - unsigned_product(rn, rm);
}
template <int...>
SEM umulh(Cpu&, Dst<1> rd, Src<1> rn, Src<1> rm) {
  rd = static_cast<u64>(u128{rn.get()} * rm.get() >> 64);
}

// ---- Conditional.

// Without a branch: compilers use these where a branch would not be predicted.
template <int cond, class W>
FERRY_INLINE W choose(const Cpu& cpu, W yes, W no) {
  return __builtin_unpredictable(condition_holds<cond>(cpu)) ? yes : no;
}

template <int sf, int cond>
SEM csel(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = choose<cond>(cpu, rn.get(), rm.get());
}
template <int sf, int cond>
SEM csinc(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = choose<cond>(cpu, rn.get(), rm.get() + 1);
}
template <int sf, int cond>
SEM csinv(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = choose<cond>(cpu, rn.get(), ~rm.get());
}
template <int sf, int cond>
SEM csneg(Cpu& cpu, Dst<sf> rd, Src<sf> rn, Src<sf> rm) {
  rd = choose<cond>(cpu, rn.get(), -rm.get());
}

[[maybe_unused]] FERRY_INLINE void set_nzcv_bytes(Cpu& cpu, u64 bytes) {
  *reinterpret_cast<SlotType<u32>*>(&cpu.n) = static_cast<u32>(bytes);
}

// The flags that `otherwise` spells, unless `holds`: then those that are there.
[[maybe_unused]] FERRY_INLINE void keep_flags_if(Cpu& cpu, bool holds, u64 otherwise) {
  cpu.n = holds ? cpu.n : otherwise & 1;
  cpu.z = holds ? cpu.z : otherwise >> 8 & 1;
  cpu.c = holds ? cpu.c : otherwise >> 16 & 1;
  cpu.v = holds ? cpu.v : otherwise >> 24 & 1;
}

// For stencils a branch costs least; for the optimiser a choice, which it combines with the branch that comes of it.
template <int cond, int flags, class W>
FERRY_INLINE void compare_if(Cpu& cpu, W a, W b, UImm otherwise) {
  if constexpr (flags) {
    bool holds = condition_holds<cond>(cpu);
#if defined(FERRY_BITCODE)
    subtract_with_flags(cpu, a, b);
    keep_flags_if(cpu, holds, otherwise);
    note_flags(cpu, holds ? of_difference<W> : LazyFlags::packed, holds ? u64{a} : otherwise, b);
#else
    if (holds)
      subtract_setting<1>(cpu, a, b);
    else
      set_nzcv_bytes(cpu, otherwise);
#endif
  }
}
template <int cond, int flags, class W>
FERRY_INLINE void compare_negative_if(Cpu& cpu, W a, W b, UImm otherwise) {
  if constexpr (flags) {
    bool holds = condition_holds<cond>(cpu);
#if defined(FERRY_BITCODE)
    add_with_flags(cpu, a, b);
    keep_flags_if(cpu, holds, otherwise);
#else
    if (holds)
      add_setting<1>(cpu, a, b);
    else
      set_nzcv_bytes(cpu, otherwise);
#endif
  }
}

template <int sf, int cond, int flags>
SEM ccmp_reg(Cpu& cpu, Src<sf> rn, Src<sf> rm, UImm nzcv) {
  compare_if<cond, flags>(cpu, rn.get(), rm.get(), nzcv);
}
template <int sf, int cond, int flags>
SEM ccmp_imm(Cpu& cpu, Src<sf> rn, UImm imm, UImm nzcv) {
  compare_if<cond, flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm), nzcv);
}
template <int sf, int cond, int flags>
SEM ccmn_reg(Cpu& cpu, Src<sf> rn, Src<sf> rm, UImm nzcv) {
  compare_negative_if<cond, flags>(cpu, rn.get(), rm.get(), nzcv);
}
template <int sf, int cond, int flags>
SEM ccmn_imm(Cpu& cpu, Src<sf> rn, UImm imm, UImm nzcv) {
  compare_negative_if<cond, flags>(cpu, rn.get(), static_cast<UnsignedOf<sf>>(imm), nzcv);
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
