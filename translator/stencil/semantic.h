// What a semantic function is written with, and the readings clang makes of it. A semantic function says once what
// a guest instruction does; this header turns it into
//   - a stencil (FERRY_STENCIL): host code whose operands are holes, undefined symbols that the paster patches;
//   - the reference (default): a plain call with operand values, which tests compare everything with;
//   - bitcode (FERRY_BITCODE): a function with constant operands that the optimiser inlines.
// An operand that names a register is a byte offset into Cpu, so it is never a dynamic index.
// Rules: guest memory first, guest state last; no jump tables; no calls but call_out().
// Freestanding: compiled for both hosts without a C library.
#pragma once
#include "guest/aarch64/cpu.h"
#include "guest/types.h"
#include "translator/stencil/cpu_bias.h"

#define SEM [[gnu::always_inline, maybe_unused]] static inline void
#define SEM_AS(type) [[gnu::always_inline, maybe_unused]] static inline type
#define FERRY_INLINE [[gnu::always_inline]] static inline
#define PRESERVE_NONE __attribute__((preserve_none))

namespace ferry::semantic {

using aarch64::Cpu;
using aarch64::Vector;

inline constexpr int max_operands = 6;

// ---- Holes: the symbols that stand for operands in a stencil.
#if defined(FERRY_STENCIL)
extern "C" {
extern char hole_0, hole_1, hole_2, hole_3, hole_4, hole_5;
extern char hole_signed_0, hole_signed_1, hole_signed_2, hole_signed_3, hole_signed_4, hole_signed_5;
// What travels in host registers from stencil to stencil, beside its place in Cpu, so that the next one need not wait for a load:
// `last`, the value of the general register that was written last, and the flags. The baseline knows when they are
// valid (not at a block's entry), and selects forms that use them. Before or behind `last` is the Cpu.
struct BiasedCpu;  // where the Cpu is, and cpu_bias more
#define FERRY_TRAVELLERS FERRY_CPU_AND_ARGUMENT(BiasedCpu* biased, u64 last), u64 z, u64 c, u64 n, u64 v
#define FERRY_PASS_ON FERRY_CPU_AND_ARGUMENT(biased, last), z, c, n, v
PRESERVE_NONE void next(FERRY_TRAVELLERS);   // the following stencil
PRESERVE_NONE void taken(FERRY_TRAVELLERS);  // the branch target's code
}
template <int index>
FERRY_INLINE char* hole() {
  if constexpr (index == 0) return &hole_0;
  if constexpr (index == 1) return &hole_1;
  if constexpr (index == 2) return &hole_2;
  if constexpr (index == 3) return &hole_3;
  if constexpr (index == 4) return &hole_4;
  if constexpr (index == 5) return &hole_5;
}
// The same for values that may be negative: the forge refuses an instruction that zero-extends one.
template <int index>
FERRY_INLINE char* signed_hole() {
  if constexpr (index == 0) return &hole_signed_0;
  if constexpr (index == 1) return &hole_signed_1;
  if constexpr (index == 2) return &hole_signed_2;
  if constexpr (index == 3) return &hole_signed_3;
  if constexpr (index == 4) return &hole_signed_4;
  if constexpr (index == 5) return &hole_signed_5;
}
using Offset = char*;  // the address of a hole: its relocation becomes the operand
#else
using Offset = u64;
#endif

// ---- Slots: reading and writing Cpu at an operand's offset.
template <class T>
using SlotType [[gnu::may_alias]] = T;

template <class T>
FERRY_INLINE T read_slot(Cpu* cpu, Offset offset) {
#if defined(FERRY_STENCIL) && defined(__aarch64__)
  T value;
  // The offset is an instruction field, so the instruction has to be spelled out.
  if constexpr (sizeof(T) == 16) {
    asm("ldr %q0, [%1, #:lo12:%c2]" : "=w"(value) : "r"(cpu), "i"(offset), "m"(*cpu));
  } else if constexpr (__is_floating_point(T) && sizeof(T) == 8) {
    asm("ldr %d0, [%1, #:lo12:%c2]" : "=w"(value) : "r"(cpu), "i"(offset), "m"(*cpu));
  } else if constexpr (__is_floating_point(T) && sizeof(T) == 4) {
    asm("ldr %s0, [%1, #:lo12:%c2]" : "=w"(value) : "r"(cpu), "i"(offset), "m"(*cpu));
  } else if constexpr (sizeof(T) == 8) {
    asm("ldr %x0, [%1, #:lo12:%c2]" : "=r"(value) : "r"(cpu), "i"(offset), "m"(*cpu));
  } else if constexpr (sizeof(T) == 4) {
    asm("ldr %w0, [%1, #:lo12:%c2]" : "=r"(value) : "r"(cpu), "i"(offset), "m"(*cpu));
  } else if constexpr (sizeof(T) == 2) {
    u32 wide;
    asm("ldrh %w0, [%1, #:lo12:%c2]" : "=r"(wide) : "r"(cpu), "i"(offset), "m"(*cpu));
    u16 narrow = static_cast<u16>(wide);
    value = __builtin_bit_cast(T, narrow);
  } else {
    u32 wide;
    asm("ldrb %w0, [%1, #:lo12:%c2]" : "=r"(wide) : "r"(cpu), "i"(offset), "m"(*cpu));
    u8 narrow = static_cast<u8>(wide);
    value = __builtin_bit_cast(T, narrow);
  }
  return value;
#else
  return *reinterpret_cast<SlotType<T>*>(reinterpret_cast<char*>(cpu) + (u64)(offset));
#endif
}

template <class T>
FERRY_INLINE void write_slot(Cpu* cpu, Offset offset, T value) {
#if defined(FERRY_STENCIL) && defined(__aarch64__)
  if constexpr (sizeof(T) == 16) {
    asm volatile("str %q1, [%2, #:lo12:%c3]" : "+m"(*cpu) : "w"(value), "r"(cpu), "i"(offset));
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("str %x1, [%2, #:lo12:%c3]" : "+m"(*cpu) : "r"(value), "r"(cpu), "i"(offset));
  } else if constexpr (sizeof(T) == 4) {
    asm volatile("str %w1, [%2, #:lo12:%c3]" : "+m"(*cpu) : "r"(value), "r"(cpu), "i"(offset));
  } else if constexpr (sizeof(T) == 2) {
    asm volatile("strh %w1, [%2, #:lo12:%c3]" : "+m"(*cpu) : "r"(static_cast<u32>(value)), "r"(cpu), "i"(offset));
  } else {
    asm volatile("strb %w1, [%2, #:lo12:%c3]" : "+m"(*cpu) : "r"(static_cast<u32>(value)), "r"(cpu), "i"(offset));
  }
#else
  *reinterpret_cast<SlotType<T>*>(reinterpret_cast<char*>(cpu) + (u64)(offset)) = value;
#endif
}

// ---- Operands. A parameter of a semantic function is one of these; its n-th operand parameter is hole n.
// from_hole<n> is the stencil's reading of it, from_value the reference's.

// An immediate in [0, 2^31): folds into the host's addressing modes. Use it in arithmetic only, never in a comparison:
// clang takes the address of a hole for non-null. What depends on a value being zero is a variant of the row.
struct UImm {
  u64 value;
  [[gnu::always_inline]] operator u64() const { return value; }
  template <int index>
  [[gnu::always_inline]] static UImm from_hole();
  [[gnu::always_inline]] static UImm from_value(u64 value) { return {value}; }
};

// A signed immediate of 32 bits, sign-extended. Like UImm for arithmetic and addresses only.
struct SImm {
  i64 value;
  [[gnu::always_inline]] operator i64() const { return value; }
  template <int index>
  [[gnu::always_inline]] static SImm from_hole();
  [[gnu::always_inline]] static SImm from_value(u64 value) { return {static_cast<i64>(value)}; }
};

// Any 64-bit immediate: bitmasks, addresses.
struct Imm64 {
  u64 value;
  [[gnu::always_inline]] operator u64() const { return value; }
  template <int index>
  [[gnu::always_inline]] static Imm64 from_hole();
  [[gnu::always_inline]] static Imm64 from_value(u64 value) { return {value}; }
};

// The target of a direct branch. In a stencil it is not a value: the paster makes it the jump to `taken`.
struct Target {
  u64 value;
  template <int index>
  [[gnu::always_inline]] static Target from_hole() {
    return {0};
  }
  [[gnu::always_inline]] static Target from_value(u64 value) { return {value}; }
};

struct SlotOperand {
  Cpu* cpu;
  Offset offset;
#if defined(FERRY_STENCIL)
  const u64* forwarded = nullptr;  // the slot's value, where this form of the stencil takes it from `last`
  u64* result = nullptr;           // where a written value becomes `last`
#endif

  template <class T>
  [[gnu::always_inline]] T read_general() const {
#if defined(FERRY_STENCIL)
    if (forwarded != nullptr) return static_cast<T>(*forwarded);
#endif
    return read_slot<T>(cpu, offset);
  }
  [[gnu::always_inline]] void write_general(u64 value) const {
    write_slot<u64>(cpu, offset, value);
#if defined(FERRY_STENCIL)
    if (result != nullptr) *result = value;
#endif
  }
};

// Integers by log2 of their bytes.
template <int size>
struct IntegerOfSize;
template <>
struct IntegerOfSize<0> {
  using Unsigned = u8;
  using Signed = i8;
};
template <>
struct IntegerOfSize<1> {
  using Unsigned = u16;
  using Signed = i16;
};
template <>
struct IntegerOfSize<2> {
  using Unsigned = u32;
  using Signed = i32;
};
template <>
struct IntegerOfSize<3> {
  using Unsigned = u64;
  using Signed = i64;
};

// A general register: width 0 is W (32 bits; writing zeroes the upper half), width 1 is X.
template <int width>
using UnsignedOf = typename IntegerOfSize<width + 2>::Unsigned;
template <int width>
using SignedOf = typename IntegerOfSize<width + 2>::Signed;

template <int width>
struct Src : SlotOperand {
  using Value = UnsignedOf<width>;
  static constexpr bool general_read = true;
  [[gnu::always_inline]] Value get() const { return read_general<Value>(); }
  [[gnu::always_inline]] operator Value() const { return get(); }
};

template <int width>
struct Dst : SlotOperand {
  static constexpr bool general_written = true;
  [[gnu::always_inline]] void operator=(UnsignedOf<width> value) const { write_general(value); }
};

// A register that is read and written (base writeback, MOVK).
template <int width>
struct SrcDst : SlotOperand {
  using Value = UnsignedOf<width>;
  static constexpr bool general_read = true, general_written = true;
  [[gnu::always_inline]] Value get() const { return read_general<Value>(); }
  [[gnu::always_inline]] operator Value() const { return get(); }
  [[gnu::always_inline]] void operator=(Value value) const { write_general(value); }
};

typedef u64 RawVector __attribute__((vector_size(16)));
typedef double DoubleLanes __attribute__((vector_size(16)));
typedef float SingleLanes __attribute__((vector_size(16)));

// A vector register, read as any 16-byte vector type or as the scalar (or 8-byte vector) of type T in its low bits.
struct VSrc : SlotOperand {
  template <class T>
  [[gnu::always_inline]] T as() const {
    if constexpr (sizeof(T) == 8 && !__is_same(T, double))
      return __builtin_bit_cast(T, read_slot<u64>(cpu, offset));
    else
      return read_slot<T>(cpu, offset);
  }
};

// One element of a vector register, of an unsigned type: the operand function has added its place to the register's slot.
// Setting it leaves the other elements alone.
struct VElement : VSrc {
  template <class T>
  [[gnu::always_inline]] void set(T value) const {
    write_slot<T>(cpu, offset, value);
  }
};

// A vector register that is written: a whole vector, or a scalar or 8-byte vector whose upper bits become zero.
// as() reads the old value, for accumulators and inserts.
struct VDst : VSrc {
  template <class T>
  [[gnu::always_inline]] void operator=(T value) const {
    RawVector raw;
    if constexpr (sizeof(T) == 16) raw = __builtin_bit_cast(RawVector, value);
    // As integers these would go through a general register where floating point is compiled strictly.
    else if constexpr (__is_same(T, double))
      raw = __builtin_bit_cast(RawVector, DoubleLanes{value, 0.0});
    else if constexpr (__is_same(T, float))
      raw = __builtin_bit_cast(RawVector, SingleLanes{value, 0.0f, 0.0f, 0.0f});
    else if constexpr (sizeof(T) == 8)
      raw = RawVector{__builtin_bit_cast(u64, value), 0};
    else if constexpr (sizeof(T) == 4)
      raw = RawVector{__builtin_bit_cast(u32, value), 0};
    else if constexpr (sizeof(T) == 2)
      raw = RawVector{__builtin_bit_cast(u16, value), 0};
    else
      raw = RawVector{__builtin_bit_cast(u8, value), 0};
    write_slot<RawVector>(cpu, offset, raw);
  }
};

#if defined(FERRY_STENCIL)
#if defined(__x86_64__)
template <int index>
UImm UImm::from_hole() {
  return {(u64)hole<index>()};
}
template <int index>
SImm SImm::from_hole() {
  return {(i64)signed_hole<index>()};
}
#define FERRY_HOLE_64(value, symbol) asm("movabsq %1, %0" : "=r"(value) : "i"(symbol))
#else
template <int index>
UImm UImm::from_hole() {
  u64 value;
  asm("movz %w0, #:abs_g0_nc:%c1\n\tmovk %w0, #:abs_g1_nc:%c1" : "=r"(value) : "i"(hole<index>()));
  return {value};
}
#define FERRY_HOLE_64(value, symbol)                                                                              \
  asm("movz %0, #:abs_g0_nc:%c1\n\tmovk %0, #:abs_g1_nc:%c1\n\tmovk %0, #:abs_g2_nc:%c1\n\tmovk %0, #:abs_g3:%c1" \
      : "=r"(value)                                                                                               \
      : "i"(symbol))
template <int index>
SImm SImm::from_hole() {
  i64 value;
  asm("movz %w0, #:abs_g0_nc:%c1\n\tmovk %w0, #:abs_g1_nc:%c1\n\tsxtw %0, %w0"
      : "=r"(value)
      : "i"(signed_hole<index>()));
  return {value};
}
#endif
template <int index>
Imm64 Imm64::from_hole() {
  u64 value;
  FERRY_HOLE_64(value, hole<index>());
  return {value};
}
#endif

// ---- Guest memory: the one door. Accesses are volatile: never dropped, split, merged or moved over each other.
template <class T>
struct [[gnu::packed, gnu::may_alias]] Unaligned {
  T value;
};

#if defined(FERRY_BITCODE)
// The optimiser replaces these by accesses with a fault edge.
extern "C" {
u8 ferry_guest_load_1(u64 address);
u16 ferry_guest_load_2(u64 address);
u32 ferry_guest_load_4(u64 address);
u64 ferry_guest_load_8(u64 address);
RawVector ferry_guest_load_16(u64 address);
void ferry_guest_store_1(u64 address, u8 value);
void ferry_guest_store_2(u64 address, u16 value);
void ferry_guest_store_4(u64 address, u32 value);
void ferry_guest_store_8(u64 address, u64 value);
void ferry_guest_store_16(u64 address, RawVector value);
}
#endif

// Where an access goes. AArch64 ignores the top byte of an address (TBI), an x86-64 host faults on one; then the translator
// runs the instruction's reference, which clears it, so that untagged addresses cost nothing.
FERRY_INLINE u64 untagged(u64 address) {
#if defined(FERRY_STENCIL) || defined(FERRY_BITCODE)
  return address;
#else
  return static_cast<u64>(static_cast<i64>(address << 8) >> 8);
#endif
}

// T: an unsigned integer of 1 to 8 bytes, or a 16-byte vector type.
template <class T>
FERRY_INLINE T load(u64 address) {
#if defined(FERRY_BITCODE)
  if constexpr (sizeof(T) == 1)
    return __builtin_bit_cast(T, ferry_guest_load_1(address));
  else if constexpr (sizeof(T) == 2)
    return __builtin_bit_cast(T, ferry_guest_load_2(address));
  else if constexpr (sizeof(T) == 4)
    return __builtin_bit_cast(T, ferry_guest_load_4(address));
  else if constexpr (sizeof(T) == 8)
    return __builtin_bit_cast(T, ferry_guest_load_8(address));
  else
    return __builtin_bit_cast(T, ferry_guest_load_16(address));
#else
  return reinterpret_cast<volatile Unaligned<T>*>(untagged(address))->value;
#endif
}
template <class T>
FERRY_INLINE void store(u64 address, T value) {
#if defined(FERRY_BITCODE)
  if constexpr (sizeof(T) == 1)
    ferry_guest_store_1(address, __builtin_bit_cast(u8, value));
  else if constexpr (sizeof(T) == 2)
    ferry_guest_store_2(address, __builtin_bit_cast(u16, value));
  else if constexpr (sizeof(T) == 4)
    ferry_guest_store_4(address, __builtin_bit_cast(u32, value));
  else if constexpr (sizeof(T) == 8)
    ferry_guest_store_8(address, __builtin_bit_cast(u64, value));
  else
    ferry_guest_store_16(address, __builtin_bit_cast(RawVector, value));
#else
  reinterpret_cast<volatile Unaligned<T>*>(untagged(address))->value = value;
#endif
}

// ---- Calls out of line, for what is rare or large. Through an absolute address, so that code memory may be anywhere.
// `function` is extern "C" (helpers.h); a stencil refers to it by name and the forge lists it for the program to link.
template <auto function, class... A>
FERRY_INLINE auto call_out(A... arguments) {
#if defined(FERRY_STENCIL)
  decltype(function) address;
  FERRY_HOLE_64(address, function);
  return address(arguments...);
#else
  return function(arguments...);
#endif
}

}  // namespace ferry::semantic
