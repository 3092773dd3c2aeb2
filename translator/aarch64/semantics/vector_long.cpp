// Advanced SIMD instructions that widen or narrow, and those by element: DDI 0487 C7.2.
#include "translator/aarch64/helpers_vector.h"
#include "translator/aarch64/semantics/vector_arithmetic.h"
#include "translator/aarch64/semantics/vector_saturating.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_long.def"
#define FERRY_SECTION_NAME vector_long

namespace ferry::aarch64 {

// ---- Operations that saturate, on lanes already widened; the others are in vector_arithmetic.h.

constexpr auto doubling_multiply = FERRY_OPERATION(Cpu & cpu, auto a, auto b) { return double_saturating(cpu, a * b); };
constexpr auto doubling_multiply_add = FERRY_OPERATION(Cpu & cpu, auto d, auto a, auto b) {
  return add_saturating(cpu, d, double_saturating(cpu, a * b));
};
constexpr auto doubling_multiply_subtract = FERRY_OPERATION(Cpu & cpu, auto d, auto a, auto b) {
  return subtract_saturating(cpu, d, double_saturating(cpu, a * b));
};

constexpr bool up_to_word(int size) { return size < 3; }
constexpr bool half_or_word(int size) { return size == 1 || size == 2; }

// ---- Three registers of different types.

#define LONG(name, Sign, allowed, operation)                                                              \
  template <int part, int size>                                                                           \
    requires(allowed(size))                                                                               \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                                         \
    put(vd, apply(cpu, operation, get_widened<Sign<size>, part>(vn), get_widened<Sign<size>, part>(vm))); \
  }
#define LONG_ACCUMULATE(name, Sign, allowed, operation)                                         \
  template <int part, int size>                                                                 \
    requires(allowed(size))                                                                     \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                               \
    put(vd, apply(cpu, operation, get<Wide<Sign<size>>>(vd), get_widened<Sign<size>, part>(vn), \
                  get_widened<Sign<size>, part>(vm)));                                          \
  }
#define WIDE(name, Sign, operation)                                                   \
  template <int part, int size>                                                       \
    requires(up_to_word(size))                                                        \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {                                         \
    put(vd, operation(get<Wide<Sign<size>>>(vn), get_widened<Sign<size>, part>(vm))); \
  }

LONG(saddl, Signed, up_to_word, add)
LONG(uaddl, Unsigned, up_to_word, add)
WIDE(saddw, Signed, add)
WIDE(uaddw, Unsigned, add)
LONG(ssubl, Signed, up_to_word, subtract)
LONG(usubl, Unsigned, up_to_word, subtract)
WIDE(ssubw, Signed, subtract)
WIDE(usubw, Unsigned, subtract)
LONG_ACCUMULATE(sabal, Signed, up_to_word, difference_accumulate)
LONG_ACCUMULATE(uabal, Unsigned, up_to_word, difference_accumulate)
LONG(sabdl, Signed, up_to_word, difference)
LONG(uabdl, Unsigned, up_to_word, difference)
LONG_ACCUMULATE(smlal, Signed, up_to_word, multiply_add)
LONG_ACCUMULATE(umlal, Unsigned, up_to_word, multiply_add)
LONG_ACCUMULATE(smlsl, Signed, up_to_word, multiply_subtract)
LONG_ACCUMULATE(umlsl, Unsigned, up_to_word, multiply_subtract)
LONG(smull, Signed, up_to_word, multiply)
LONG(umull, Unsigned, up_to_word, multiply)
LONG(sqdmull, Signed, half_or_word, doubling_multiply)
LONG_ACCUMULATE(sqdmlal, Signed, half_or_word, doubling_multiply_add)
LONG_ACCUMULATE(sqdmlsl, Signed, half_or_word, doubling_multiply_subtract)

// The upper halves of sums and differences.
#define HIGH_NARROW(name, operation, rounding)                                                                \
  template <int part, int size>                                                                               \
    requires(up_to_word(size))                                                                                \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {                                                                 \
    using T = Unsigned<size>;                                                                                 \
    using W = Wide<T>;                                                                                        \
    auto result = (get<W>(vn) operation get<W>(vm)) + splat(static_cast<W>(W{rounding} << (bits_of<T> - 1))); \
    put_narrowed<part>(vd, convert<T>(result >> bits_of<T>));                                                 \
  }
HIGH_NARROW(addhn, +, 0)
HIGH_NARROW(raddhn, +, 1)
HIGH_NARROW(subhn, -, 0)
HIGH_NARROW(rsubhn, -, 1)

// Polynomials over {0,1}: bytes here, doublewords out of line.
template <int part, int size>
  requires(size == 0)
SEM pmull(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  auto n = get_widened<u8, part>(vn), m = get_widened<u8, part>(vm), product = decltype(n){};
  for (int i = 0; i < 8; i++) product ^= (n << i) & as<Lanes<u16>>(as<Lanes<i16>>(m << (15 - i)) < 0);
  put(vd, product);
}
template <int part, int size>
  requires(size == 3)
SEM pmull(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  put(vd, call_out<ferry_a64_polynomial_multiply>(get<u64>(vn)[part], get<u64>(vm)[part]));
}

// ---- Scalars: one lane, widened.

#define LONG_SCALAR(name, operation)                                                        \
  template <int size>                                                                       \
    requires(half_or_word(size))                                                            \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                           \
    using T = Signed<size>;                                                                 \
    constexpr int bytes = 1 << size;                                                        \
    put<2 * bytes>(vd, apply(cpu, operation, convert<Wide<T>>(low_half(get<T, bytes>(vn))), \
                             convert<Wide<T>>(low_half(get<T, bytes>(vm)))));               \
  }
#define LONG_SCALAR_ACCUMULATE(name, operation)                                                                      \
  template <int size>                                                                                                \
    requires(half_or_word(size))                                                                                     \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                                                    \
    using T = Signed<size>;                                                                                          \
    constexpr int bytes = 1 << size;                                                                                 \
    put<2 * bytes>(vd,                                                                                               \
                   apply(cpu, operation, get<Wide<T>, 2 * bytes>(vd), convert<Wide<T>>(low_half(get<T, bytes>(vn))), \
                         convert<Wide<T>>(low_half(get<T, bytes>(vm)))));                                            \
  }
LONG_SCALAR(sqdmull_scalar, doubling_multiply)
LONG_SCALAR_ACCUMULATE(sqdmlal_scalar, doubling_multiply_add)
LONG_SCALAR_ACCUMULATE(sqdmlsl_scalar, doubling_multiply_subtract)
// An element is in the low bits of its own slot: by element is the same.
LONG_SCALAR(sqdmull_element_scalar, doubling_multiply)
LONG_SCALAR_ACCUMULATE(sqdmlal_element_scalar, doubling_multiply_add)
LONG_SCALAR_ACCUMULATE(sqdmlsl_element_scalar, doubling_multiply_subtract)

// ---- By element.

template <class T>
FERRY_INLINE Lanes<T> get_element(VSrc element) {
  return splat(static_cast<T>(element.as<Unsigned<size_of<T>>>()));
}

#define BY_ELEMENT(name, Sign, operation, ...)                                                     \
  template <int q, int size>                                                                       \
    requires(half_or_word(size))                                                                   \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc element) {                                             \
    using T = Sign<size>;                                                                          \
    constexpr int bytes = 8 << q;                                                                  \
    put<bytes>(vd, apply(cpu, operation, __VA_ARGS__ get<T, bytes>(vn), get_element<T>(element))); \
  }
#define OLD get<T, bytes>(vd),
BY_ELEMENT(mul_element, Unsigned, multiply)
BY_ELEMENT(mla_element, Unsigned, multiply_add, OLD)
BY_ELEMENT(mls_element, Unsigned, multiply_subtract, OLD)
BY_ELEMENT(sqdmulh_element, Signed, doubling_multiply_high<false>)
BY_ELEMENT(sqrdmulh_element, Signed, doubling_multiply_high<true>)
BY_ELEMENT(sqrdmlah_element, Signed, doubling_multiply_high_accumulate<false>, OLD)
BY_ELEMENT(sqrdmlsh_element, Signed, doubling_multiply_high_accumulate<true>, OLD)

#define BY_ELEMENT_SCALAR(name, operation, ...)                                                   \
  template <int size>                                                                             \
    requires(half_or_word(size))                                                                  \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc element) {                                            \
    using T = Signed<size>;                                                                       \
    constexpr int bytes = 1 << size;                                                              \
    put<bytes>(vd, apply(cpu, operation, __VA_ARGS__ get<T, bytes>(vn), get<T, bytes>(element))); \
  }
BY_ELEMENT_SCALAR(sqdmulh_element_scalar, doubling_multiply_high<false>)
BY_ELEMENT_SCALAR(sqrdmulh_element_scalar, doubling_multiply_high<true>)
BY_ELEMENT_SCALAR(sqrdmlah_element_scalar, doubling_multiply_high_accumulate<false>, OLD)
BY_ELEMENT_SCALAR(sqrdmlsh_element_scalar, doubling_multiply_high_accumulate<true>, OLD)

#define LONG_BY_ELEMENT(name, Sign, operation, ...)                               \
  template <int part, int size>                                                   \
    requires(half_or_word(size))                                                  \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc element) {                            \
    using T = Sign<size>;                                                         \
    auto factor = convert<Wide<T>>(low_half(get_element<T>(element)));            \
    put(vd, apply(cpu, operation, __VA_ARGS__ get_widened<T, part>(vn), factor)); \
  }
#define OLD_WIDE get<Wide<T>>(vd),
LONG_BY_ELEMENT(smull_element, Signed, multiply)
LONG_BY_ELEMENT(umull_element, Unsigned, multiply)
LONG_BY_ELEMENT(smlal_element, Signed, multiply_add, OLD_WIDE)
LONG_BY_ELEMENT(umlal_element, Unsigned, multiply_add, OLD_WIDE)
LONG_BY_ELEMENT(smlsl_element, Signed, multiply_subtract, OLD_WIDE)
LONG_BY_ELEMENT(umlsl_element, Unsigned, multiply_subtract, OLD_WIDE)
LONG_BY_ELEMENT(sqdmull_element, Signed, doubling_multiply)
LONG_BY_ELEMENT(sqdmlal_element, Signed, doubling_multiply_add, OLD_WIDE)
LONG_BY_ELEMENT(sqdmlsl_element, Signed, doubling_multiply_subtract, OLD_WIDE)

template <int q>
SEM sdot_element(Cpu&, VDst vd, VSrc vn, VSrc element) {
  put<8 << q>(vd, dot_product(get<i32>(vd), get<i32>(vn), get_element<i32>(element)));
}
template <int q>
SEM udot_element(Cpu&, VDst vd, VSrc vn, VSrc element) {
  put<8 << q>(vd, dot_product(get<u32>(vd), get<u32>(vn), get_element<u32>(element)));
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
