// Advanced SIMD shifts: DDI 0487 C7.2. Host shifts are undefined from the element's width on, so an immediate right shift
// comes less 1 and is done in two steps, and amounts from registers are kept in range.
#include "translator/aarch64/semantics/vector_narrow.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_shift.def"
#define FERRY_SECTION_NAME vector_shift

namespace ferry::aarch64 {

// ---- By immediate. The amount is one of 0 .. bits - 1; for right shifts but SSHR and SSRA it is the
// instruction's less 1.

template <class V>
FERRY_INLINE V shift_left(V v, u64 amount) {
  return v << splat(static_cast<ElementOf<V>>(amount));
}
template <class V>
FERRY_INLINE V shift_right(V v, u64 less_1) {
  return v >> splat(static_cast<ElementOf<V>>(less_1)) >> 1;
}
// Rounded to nearest, halves up: the last bit shifted out is added.
template <class V>
FERRY_INLINE V shift_right_rounding(V v, u64 less_1) {
  V before = v >> splat(static_cast<ElementOf<V>>(less_1));
  return (before >> 1) + (before & 1);
}

template <class V>
FERRY_INLINE V insert_left(V old, V v, u64 amount) {
  return (old & ~shift_left(~V{}, amount)) | shift_left(v, amount);
}
template <class V>
FERRY_INLINE V insert_right(V old, V v, u64 less_1) {
  return (old & ~shift_right(~V{}, less_1)) | shift_right(v, less_1);
}

// `shifted`, or the limit of v's sign where shifting back shows that bits were lost.
template <class V>
FERRY_INLINE V saturate_left(Cpu& cpu, V v, V shifted, V back) {
  constexpr auto lowest = lowest_of<ElementOf<V>>, highest = highest_of<ElementOf<V>>;
  V lost = v ^ back;
  note_saturation(cpu, lost);
  V limit = splat(highest);
  if constexpr (lowest != 0) limit = v < 0 ? splat(lowest) : limit;
  return lost != 0 ? limit : shifted;
}

template <class V>
FERRY_INLINE V shift_left_saturating(Cpu& cpu, V v, u64 amount) {
  V by = splat(static_cast<ElementOf<V>>(amount)), shifted = v << by;
  return saturate_left(cpu, v, shifted, shifted >> by);
}

// From signed to unsigned: what is negative becomes 0.
template <class V>
FERRY_INLINE auto shift_left_saturating_unsigned(Cpu& cpu, V v, u64 amount) {
  using U = UnsignedLanes<V>;
  V positive = v > 0 ? v : V{};
  U result = shift_left_saturating(cpu, as<U>(positive), amount);
  note_saturation(cpu, v ^ positive);
  return result;
}

#define SHIFT(name, Sign, expression)                                     \
  template <int q, int size>                                              \
    requires(arrangement(q, size, 3))                                     \
  SEM name([[maybe_unused]] Cpu& cpu, VDst vd, VSrc vn, UImm amount) {    \
    constexpr int bytes = 8 << q;                                         \
    using T = Sign<size>;                                                 \
    [[maybe_unused]] auto v = get<T, bytes>(vn), old = get<T, bytes>(vd); \
    put<bytes>(vd, expression);                                           \
  }
#define SHIFT_SCALAR_DOUBLEWORD(name, Sign, expression)                   \
  template <int...>                                                       \
  SEM name([[maybe_unused]] Cpu& cpu, VDst vd, VSrc vn, UImm amount) {    \
    constexpr int bytes = 8;                                              \
    using T = Sign<3>;                                                    \
    [[maybe_unused]] auto v = get<T, bytes>(vn), old = get<T, bytes>(vd); \
    put<bytes>(vd, expression);                                           \
  }
#define SHIFT_SCALAR(name, Sign, expression)                              \
  template <int size>                                                     \
  SEM name([[maybe_unused]] Cpu& cpu, VDst vd, VSrc vn, UImm amount) {    \
    constexpr int bytes = 1 << size;                                      \
    using T = Sign<size>;                                                 \
    [[maybe_unused]] auto v = get<T, bytes>(vn), old = get<T, bytes>(vd); \
    put<bytes>(vd, expression);                                           \
  }
#define SHIFT_BOTH(name, Sign, expression) \
  SHIFT(name, Sign, expression)            \
  SHIFT_SCALAR_DOUBLEWORD(name##_scalar, Sign, expression)

SHIFT_BOTH(sshr, Signed, v >> splat(static_cast<T>(amount)))
SHIFT_BOTH(ushr, Unsigned, shift_right(v, amount))
SHIFT_BOTH(ssra, Signed, old + (v >> splat(static_cast<T>(amount))))
SHIFT_BOTH(usra, Unsigned, old + shift_right(v, amount))
SHIFT_BOTH(srshr, Signed, shift_right_rounding(v, amount))
SHIFT_BOTH(urshr, Unsigned, shift_right_rounding(v, amount))
SHIFT_BOTH(srsra, Signed, old + shift_right_rounding(v, amount))
SHIFT_BOTH(ursra, Unsigned, old + shift_right_rounding(v, amount))
SHIFT_BOTH(sri, Unsigned, insert_right(old, v, amount))
SHIFT_BOTH(shl, Unsigned, shift_left(v, amount))
SHIFT_BOTH(sli, Unsigned, insert_left(old, v, amount))

SHIFT(sqshl_imm, Signed, shift_left_saturating(cpu, v, amount))
SHIFT(uqshl_imm, Unsigned, shift_left_saturating(cpu, v, amount))
SHIFT(sqshlu, Signed, shift_left_saturating_unsigned(cpu, v, amount))
SHIFT_SCALAR(sqshl_imm_scalar, Signed, shift_left_saturating(cpu, v, amount))
SHIFT_SCALAR(uqshl_imm_scalar, Unsigned, shift_left_saturating(cpu, v, amount))
SHIFT_SCALAR(sqshlu_scalar, Signed, shift_left_saturating_unsigned(cpu, v, amount))

// ---- Narrowing: from lanes of twice the size.

#define NARROW(name, Sign, narrowing, Result, shifting)                                                \
  template <int part, int size>                                                                        \
    requires(size < 3)                                                                                 \
  SEM name([[maybe_unused]] Cpu& cpu, VDst vd, VSrc vn, UImm amount) {                                 \
    put_narrowed<part>(vd, narrowing<Result<size>>(cpu, shifting(get<Wide<Sign<size>>>(vn), amount))); \
  }
#define NARROW_SCALAR(name, Sign, narrowing, Result, shifting)                                                         \
  template <int size>                                                                                                  \
    requires(size < 3)                                                                                                 \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, UImm amount) {                                                                  \
    vd =                                                                                                               \
        as<Unsigned<size>>(narrowing<Result<size>>(cpu, shifting(get<Wide<Sign<size>>, (2 << size)>(vn), amount))[0]); \
  }
#define NARROW_BOTH(name, Sign, narrowing, Result, shifting) \
  NARROW(name, Sign, narrowing, Result, shifting)            \
  NARROW_SCALAR(name##_scalar, Sign, narrowing, Result, shifting)

NARROW(shrn, Unsigned, narrow, Unsigned, shift_right)
NARROW(rshrn, Unsigned, narrow, Unsigned, shift_right_rounding)
NARROW_BOTH(sqshrn, Signed, narrow_saturating, Signed, shift_right)
NARROW_BOTH(sqrshrn, Signed, narrow_saturating, Signed, shift_right_rounding)
NARROW_BOTH(uqshrn, Unsigned, narrow_saturating, Unsigned, shift_right)
NARROW_BOTH(uqrshrn, Unsigned, narrow_saturating, Unsigned, shift_right_rounding)
NARROW_BOTH(sqshrun, Signed, narrow_saturating, Unsigned, shift_right)
NARROW_BOTH(sqrshrun, Signed, narrow_saturating, Unsigned, shift_right_rounding)

template <int part, int size>
  requires(size < 3)
SEM sshll(Cpu&, VDst vd, VSrc vn, UImm amount) {
  put(vd, shift_left(get_widened<Signed<size>, part>(vn), amount));
}
template <int part, int size>
  requires(size < 3)
SEM ushll(Cpu&, VDst vd, VSrc vn, UImm amount) {
  put(vd, shift_left(get_widened<Unsigned<size>, part>(vn), amount));
}

// ---- By register.

// The signed low byte of each lane, kept within one more than the lane's bits either way; that is as good as any beyond.
template <class S>
struct Amounts {
  S left, right;  // one of them is 0
};
template <class V>
FERRY_INLINE auto amounts_of(V v) {
  using S = SignedLanes<V>;
  using E = ElementOf<S>;
  constexpr int bits = bits_of<E>;
  S by = as<S>(v) << (bits - 8) >> (bits - 8);
  constexpr E limit = bits + 1;
  by = __builtin_elementwise_max(__builtin_elementwise_min(by, splat<E>(limit)), splat<E>(-limit));
  return Amounts<S>{__builtin_elementwise_max(by, S{}), __builtin_elementwise_max(-by, S{})};
}

// Shifts by lane amounts in 0 .. bits + 1.
template <class V, class S>
FERRY_INLINE V shifted_left(V v, S by) {
  constexpr int bits = bits_of<ElementOf<V>>;
  return by < bits ? v << as<V>(by & (bits - 1)) : V{};
}
template <class V, class S>
FERRY_INLINE V shifted_right(V v, S by) {
  constexpr int bits = bits_of<ElementOf<V>>;
  V beyond{};
  if constexpr (is_signed<ElementOf<V>>) beyond = v >> (bits - 1);
  return by < bits ? v >> as<V>(by & (bits - 1)) : beyond;
}
template <class V, class S>
FERRY_INLINE V shifted_right_rounding(V v, S by) {
  V before = shifted_right(v, by - 1);
  return by == 0 ? v : shifted_right(before, (by & 0) + 1) + (before & 1);
}

template <bool rounding, bool saturating, class V>
FERRY_INLINE V shift_by_register(Cpu& cpu, V v, V amounts) {
  auto by = amounts_of(amounts);
  V right;
  if constexpr (rounding)
    right = shifted_right_rounding(v, by.right);
  else
    right = shifted_right(v, by.right);
  V left = shifted_left(v, by.left);
  if constexpr (saturating) left = saturate_left(cpu, v, left, shifted_right(left, by.left));
  return by.right > 0 ? right : left;
}

template <bool rounding, bool saturating>
constexpr auto shifting = FERRY_OPERATION(Cpu & cpu, auto v, auto amounts) {
  return shift_by_register<rounding, saturating>(cpu, v, amounts);
};

#define SHIFT_REGISTER(name, Sign, rounding, saturating)                             \
  template <int q, int size>                                                         \
    requires(arrangement(q, size, 3))                                                \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                    \
    three_same<8 << q, Sign<size>>(cpu, vd, vn, vm, shifting<rounding, saturating>); \
  }
#define SHIFT_REGISTER_DOUBLEWORD(name, Sign, rounding)                 \
  template <int...>                                                     \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                       \
    three_same<8, Sign<3>>(cpu, vd, vn, vm, shifting<rounding, false>); \
  }
#define SHIFT_REGISTER_SCALAR(name, Sign, rounding)                               \
  template <int size>                                                             \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                                 \
    three_same<1 << size, Sign<size>>(cpu, vd, vn, vm, shifting<rounding, true>); \
  }

SHIFT_REGISTER(sshl, Signed, false, false)
SHIFT_REGISTER(ushl, Unsigned, false, false)
SHIFT_REGISTER(srshl, Signed, true, false)
SHIFT_REGISTER(urshl, Unsigned, true, false)
SHIFT_REGISTER(sqshl_reg, Signed, false, true)
SHIFT_REGISTER(uqshl_reg, Unsigned, false, true)
SHIFT_REGISTER(sqrshl, Signed, true, true)
SHIFT_REGISTER(uqrshl, Unsigned, true, true)
SHIFT_REGISTER_DOUBLEWORD(sshl_scalar, Signed, false)
SHIFT_REGISTER_DOUBLEWORD(ushl_scalar, Unsigned, false)
SHIFT_REGISTER_DOUBLEWORD(srshl_scalar, Signed, true)
SHIFT_REGISTER_DOUBLEWORD(urshl_scalar, Unsigned, true)
SHIFT_REGISTER_SCALAR(sqshl_reg_scalar, Signed, false)
SHIFT_REGISTER_SCALAR(uqshl_reg_scalar, Unsigned, false)
SHIFT_REGISTER_SCALAR(sqrshl_scalar, Signed, true)
SHIFT_REGISTER_SCALAR(uqrshl_scalar, Unsigned, true)

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
