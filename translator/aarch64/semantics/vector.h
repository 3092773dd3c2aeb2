// What the Advanced SIMD sections share: lane types, reading and writing registers as lanes, and the frames that turn an
// operation on whole vectors into an instruction. Arm ARM (DDI 0487) C7.2, shared/functions/vector in J1.
// An instruction on `bytes` < 16 (D forms: 8; scalar forms: the element's size) works on whole host vectors whose other
// lanes read as zero, and writes zeros there.
#pragma once
#include "translator/aarch64/semantics/semantics.h"

// Long vectors are passed only between functions that are always inlined, so there is no ABI to change.
#pragma clang diagnostic ignored "-Wpsabi"

namespace ferry::aarch64 {

// Elements by the size field (log2 of the bytes) and by sign.
template <int size>
using Unsigned = typename IntegerOfSize<size>::Unsigned;
template <int size>
using Signed = typename IntegerOfSize<size>::Signed;

// The type of an access to memory of 1 << scale bytes.
template <int scale>
struct TransferHolder {
  using Type = Unsigned<scale>;
};
template <>
struct TransferHolder<4> {
  using Type = RawVector;
};
template <int scale>
using Transfer = typename TransferHolder<scale>::Type;

template <class T>
inline constexpr int size_of = sizeof(T) == 1   ? 0
                               : sizeof(T) == 2 ? 1
                               : sizeof(T) == 4 ? 2
                                                : 3;
template <class T>
inline constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
template <class T>
inline constexpr int bits_of = sizeof(T) * 8;
template <class T>
inline constexpr T lowest_of = is_signed<T> ? static_cast<T>(Unsigned<size_of<T>>{1} << (bits_of<T> - 1)) : T{0};
template <class T>
inline constexpr T highest_of = static_cast<T>(~lowest_of<T>);

template <class T, int count = 16 / sizeof(T)>
struct LanesHolder {
  typedef T Type __attribute__((vector_size(sizeof(T) * count)));
};
template <class T, int count = 16 / sizeof(T)>
using Lanes = typename LanesHolder<T, count>::Type;

using Bytes = Lanes<u8>;

template <class V>
using ElementOf = __remove_cvref(decltype(V{}[0]));
template <class V>
inline constexpr int count_of = sizeof(V) / sizeof(V{}[0]);
// The same lanes, unsigned or signed; lanes of twice or half the width.
template <class V>
using UnsignedLanes = Lanes<Unsigned<size_of<ElementOf<V>>>, count_of<V>>;
template <class V>
using SignedLanes = Lanes<Signed<size_of<ElementOf<V>>>, count_of<V>>;
template <class T>
struct WiderHolder {
  template <int size, bool sign>
  struct Pick {
    using Type = Unsigned<size>;
  };
  template <int size>
  struct Pick<size, true> {
    using Type = Signed<size>;
  };
  using Wide = typename Pick<(size_of<T> + 1) & 3, is_signed<T>>::Type;
  using Narrow = typename Pick<(size_of<T> - 1) & 3, is_signed<T>>::Type;
};
template <class T>
using Wide = typename WiderHolder<T>::Wide;
template <class T>
using Narrow = typename WiderHolder<T>::Narrow;

// Is the arrangement of Q and size allocated, for instructions on elements up to 1 << largest bytes? (1D is not.)
constexpr bool arrangement(int q, int size, int largest) { return size <= largest && (q == 1 || size < 3); }

template <class To, class From>
FERRY_INLINE To as(From value) {
  return __builtin_bit_cast(To, value);
}

// ---- Registers as lanes.

// The low `bytes` of a register; zeros above.
template <class T, int bytes = 16>
FERRY_INLINE Lanes<T> get(VSrc source) {
  if constexpr (bytes == 16) {
    return source.as<Lanes<T>>();
  } else {
    using U = Unsigned<bytes == 8 ? 3 : bytes == 4 ? 2 : bytes == 2 ? 1 : 0>;
    return as<Lanes<T>>(Lanes<U>{source.as<U>()});
  }
}

// Writes the low `bytes` of a value, and zeros above them.
template <int bytes = 16, class V>
FERRY_INLINE void put(VDst destination, V value) {
  static_assert(sizeof(V) == 16);
  if constexpr (bytes == 16)
    destination = value;
  else if constexpr (bytes == 8)
    destination = as<Lanes<u64>>(value)[0];
  else if constexpr (bytes == 4)
    destination = as<Lanes<u32>>(value)[0];
  else if constexpr (bytes == 2)
    destination = as<Lanes<u16>>(value)[0];
  else
    destination = as<Lanes<u8>>(value)[0];
}

template <class T>
FERRY_INLINE Lanes<T> splat(T value) {
  return value - Lanes<T>{};
}

// Saturation is sticky: FPSR.QC, bit 27. `differing` is nonzero in lanes that saturated.
template <class V>
FERRY_INLINE void note_saturation(Cpu& cpu, V differing) {
  auto halves = as<Lanes<u64, sizeof(V) / 8>>(differing);
  if constexpr (sizeof(V) == 32) halves = halves | __builtin_shufflevector(halves, halves, 2, 3, 0, 1);
  cpu.fpsr |= static_cast<u32>((halves[0] | halves[1]) != 0) << 27;
}

// ---- Lanes rearranged.

// The lanes of `a` then `b` (of equal type) with these indexes.
template <class V, int... indexes>
FERRY_INLINE auto pick(V a, V b, Ints<indexes...>) {
  return __builtin_shufflevector(a, b, indexes...);
}

template <int start, int step, class I>
struct Stepped;
template <int start, int step, int... i>
struct Stepped<start, step, Ints<i...>> {
  using Type = Ints<(start + i * step)...>;
};
// start, start + step, ... (count of them)
template <int start, int count, int step = 1>
using Steps = typename Stepped<start, step, IntsBelow<count>>::Type;

template <class V>
FERRY_INLINE auto concatenate(V low, V high) {
  return pick(low, high, Steps<0, 2 * count_of<V>>{});
}
template <class V>
FERRY_INLINE auto low_half(V v) {
  return pick(v, v, Steps<0, count_of<V> / 2>{});
}
template <class V>
FERRY_INLINE auto high_half(V v) {
  return pick(v, v, Steps<count_of<V> / 2, count_of<V> / 2>{});
}
template <class V>
FERRY_INLINE auto even_lanes(V v) {
  return pick(v, v, Steps<0, count_of<V> / 2, 2>{});
}
template <class V>
FERRY_INLINE auto odd_lanes(V v) {
  return pick(v, v, Steps<1, count_of<V> / 2, 2>{});
}

// The even (odd) lanes of low:high.
template <class V>
FERRY_INLINE V even_lanes(V low, V high) {
  return pick(low, high, Steps<0, count_of<V>, 2>{});
}
template <class V>
FERRY_INLINE V odd_lanes(V low, V high) {
  return pick(low, high, Steps<1, count_of<V>, 2>{});
}

// Lanes converted to another width or sign.
template <class T, class V>
FERRY_INLINE Lanes<T, count_of<V>> convert(V v) {
  return __builtin_convertvector(v, Lanes<T, count_of<V>>);
}

// The half of a register that the form without or with "2" takes, its lanes widened.
template <class T, int part>
FERRY_INLINE Lanes<Wide<T>> get_widened(VSrc source) {
  auto lanes = source.as<Lanes<T>>();
  if constexpr (part == 0)
    return convert<Wide<T>>(low_half(lanes));
  else
    return convert<Wide<T>>(high_half(lanes));
}

// Writes 8 bytes of narrowed lanes: part 0 zeroes the upper half, part 1 ("2") keeps the lower half.
template <int part, class V>
FERRY_INLINE void put_narrowed(VDst destination, V value) {
  static_assert(sizeof(V) == 8);
  if constexpr (part == 0)
    destination = as<u64>(value);
  else
    destination = Lanes<u64>{destination.as<u64>(), as<u64>(value)};
}

// Each word of the sum gains four products of bytes, taken from words whose type gives their sign.
template <class V>
FERRY_INLINE V dot_product(V sum, V a, V b) {
  for (int shift = 0; shift < 32; shift += 8) sum += (a << (24 - shift) >> 24) * (b << (24 - shift) >> 24);
  return sum;
}

// ---- Frames. An operation takes lanes and gives lanes; one that saturates takes the Cpu first.

template <class Operation, class... V>
FERRY_INLINE auto apply(Cpu& cpu, Operation operation, V... lanes) {
  if constexpr (requires { operation(cpu, lanes...); })
    return operation(cpu, lanes...);
  else
    return operation(lanes...);
}

#define FERRY_OPERATION(...) [] [[gnu::always_inline]] (__VA_ARGS__)

template <int bytes, class T, class Operation>
FERRY_INLINE void two_same(Cpu& cpu, VDst vd, VSrc vn, Operation operation) {
  put<bytes>(vd, apply(cpu, operation, get<T, bytes>(vn)));
}

template <int bytes, class T, class Operation>
FERRY_INLINE void three_same(Cpu& cpu, VDst vd, VSrc vn, VSrc vm, Operation operation) {
  put<bytes>(vd, apply(cpu, operation, get<T, bytes>(vn), get<T, bytes>(vm)));
}

// With the destination's old lanes as the first.
template <int bytes, class T, class Operation>
FERRY_INLINE void three_same_accumulate(Cpu& cpu, VDst vd, VSrc vn, VSrc vm, Operation operation) {
  put<bytes>(vd, apply(cpu, operation, get<T, bytes>(vd), get<T, bytes>(vn), get<T, bytes>(vm)));
}

}  // namespace ferry::aarch64
