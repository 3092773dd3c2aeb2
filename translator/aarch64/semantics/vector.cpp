// Advanced SIMD integer arithmetic, comparisons and logic: DDI 0487 C7.2.
#include "translator/aarch64/semantics/vector_arithmetic.h"

#include "translator/aarch64/semantics/vector_lookup.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector.def"
#define FERRY_SECTION_NAME vector

namespace ferry::aarch64 {

// ---- Operations on whole vectors of any lanes.

constexpr auto maximum = FERRY_OPERATION(auto a, auto b) { return __builtin_elementwise_max(a, b); };
constexpr auto minimum = FERRY_OPERATION(auto a, auto b) { return __builtin_elementwise_min(a, b); };

// Without the carry bit: the halves' sum, and what the bits below them add up to.
constexpr auto halving_add = FERRY_OPERATION(auto a, auto b) { return (a & b) + ((a ^ b) >> 1); };
constexpr auto rounding_halving_add = FERRY_OPERATION(auto a, auto b) { return (a | b) - ((a ^ b) >> 1); };
constexpr auto halving_subtract = FERRY_OPERATION(auto a, auto b) { return (a >> 1) - (b >> 1) - (~a & b & 1); };

constexpr auto greater = FERRY_OPERATION(auto a, auto b) { return a > b; };
constexpr auto greater_or_equal = FERRY_OPERATION(auto a, auto b) { return a >= b; };
constexpr auto equal = FERRY_OPERATION(auto a, auto b) { return a == b; };
constexpr auto any_common_bit = FERRY_OPERATION(auto a, auto b) { return (a & b) != 0; };

constexpr auto polynomial_multiply = FERRY_OPERATION(Bytes a, Bytes b) {
  Bytes product{};
  for (int i = 0; i < 8; i++) product ^= (a << i) & as<Bytes>(as<Lanes<i8>>(b << (7 - i)) < 0);
  return product;
};

// ---- Three registers of the same type.

#define THREE_SAME(name, Sign, largest, operation)              \
  template <int q, int size>                                    \
    requires(arrangement(q, size, largest))                     \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {               \
    three_same<8 << q, Sign<size>>(cpu, vd, vn, vm, operation); \
  }
#define THREE_SAME_ACCUMULATE(name, Sign, largest, operation)              \
  template <int q, int size>                                               \
    requires(arrangement(q, size, largest))                                \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {                          \
    three_same_accumulate<8 << q, Sign<size>>(cpu, vd, vn, vm, operation); \
  }

THREE_SAME(shadd, Signed, 2, halving_add)
THREE_SAME(uhadd, Unsigned, 2, halving_add)
THREE_SAME(srhadd, Signed, 2, rounding_halving_add)
THREE_SAME(urhadd, Unsigned, 2, rounding_halving_add)
THREE_SAME(shsub, Signed, 2, halving_subtract)
THREE_SAME(uhsub, Unsigned, 2, halving_subtract)
THREE_SAME(cmgt_vector, Signed, 3, greater)
THREE_SAME(cmhi_vector, Unsigned, 3, greater)
THREE_SAME(cmge_vector, Signed, 3, greater_or_equal)
THREE_SAME(cmhs_vector, Unsigned, 3, greater_or_equal)
THREE_SAME(smax, Signed, 2, maximum)
THREE_SAME(umax, Unsigned, 2, maximum)
THREE_SAME(smin, Signed, 2, minimum)
THREE_SAME(umin, Unsigned, 2, minimum)
THREE_SAME(sabd, Signed, 2, difference)
THREE_SAME(uabd, Unsigned, 2, difference)
THREE_SAME_ACCUMULATE(saba, Signed, 2, difference_accumulate)
THREE_SAME_ACCUMULATE(uaba, Unsigned, 2, difference_accumulate)
THREE_SAME(add_vector, Unsigned, 3, add)
THREE_SAME(sub_vector, Unsigned, 3, subtract)
THREE_SAME(cmtst_vector, Unsigned, 3, any_common_bit)
THREE_SAME(cmeq_vector, Unsigned, 3, equal)
THREE_SAME_ACCUMULATE(mla_vector, Unsigned, 2, multiply_add)
THREE_SAME_ACCUMULATE(mls_vector, Unsigned, 2, multiply_subtract)
THREE_SAME(mul_vector, Unsigned, 2, multiply)

template <int q>
SEM pmul(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {
  three_same<8 << q, u8>(cpu, vd, vn, vm, polynomial_multiply);
}

// Neighbours combined: the first register's pairs make the lower half of the result.
template <int q, class T, class Operation>
FERRY_INLINE void pairwise(VDst vd, VSrc vn, VSrc vm, Operation operation) {
  using V = Lanes<T>;
  if constexpr (q) {
    V n = get<T>(vn), m = get<T>(vm);
    put(vd, operation(even_lanes(n, m), odd_lanes(n, m)));
  } else {
    V both = as<V>(Lanes<u64>{vn.as<u64>(), vm.as<u64>()});
    put<8>(vd, operation(even_lanes(both, both), odd_lanes(both, both)));
  }
}

#define PAIRWISE(name, Sign, largest, operation)    \
  template <int q, int size>                        \
    requires(arrangement(q, size, largest))         \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {       \
    pairwise<q, Sign<size>>(vd, vn, vm, operation); \
  }

PAIRWISE(smaxp, Signed, 2, maximum)
PAIRWISE(umaxp, Unsigned, 2, maximum)
PAIRWISE(sminp, Signed, 2, minimum)
PAIRWISE(uminp, Unsigned, 2, minimum)
PAIRWISE(addp_vector, Unsigned, 3, add)

// ---- Logic.

#define LOGIC(name, expression)               \
  template <int q>                            \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) { \
    auto n = get<u64>(vn), m = get<u64>(vm);  \
    put<8 << q>(vd, expression);              \
  }
#define LOGIC_SELECT(name, expression)                         \
  template <int q>                                             \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {                  \
    auto d = get<u64>(vd), n = get<u64>(vn), m = get<u64>(vm); \
    put<8 << q>(vd, expression);                               \
  }

LOGIC(and_vector, n& m)
LOGIC(bic_vector_reg, n & ~m)
LOGIC(orr_vector_reg, n | m)
LOGIC(orn_vector, n | ~m)
LOGIC(eor_vector, n ^ m)
LOGIC_SELECT(bsl, (n & d) | (m & ~d))
LOGIC_SELECT(bit, (n & m) | (d & ~m))
LOGIC_SELECT(bif, (d & m) | (n & ~m))

// ---- Scalars, all doublewords.

#define THREE_SAME_SCALAR(name, Sign, operation)        \
  template <int...>                                     \
  SEM name(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {       \
    three_same<8, Sign<3>>(cpu, vd, vn, vm, operation); \
  }

THREE_SAME_SCALAR(cmgt_scalar, Signed, greater)
THREE_SAME_SCALAR(cmhi_scalar, Unsigned, greater)
THREE_SAME_SCALAR(cmge_scalar, Signed, greater_or_equal)
THREE_SAME_SCALAR(cmhs_scalar, Unsigned, greater_or_equal)
THREE_SAME_SCALAR(add_scalar, Unsigned, add)
THREE_SAME_SCALAR(sub_scalar, Unsigned, subtract)
THREE_SAME_SCALAR(cmtst_scalar, Unsigned, any_common_bit)
THREE_SAME_SCALAR(cmeq_scalar, Unsigned, equal)

// ---- Dot products.

template <int q>
SEM sdot_vector(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  put<8 << q>(vd, dot_product(get<i32>(vd), get<i32>(vn), get<i32>(vm)));
}
template <int q>
SEM udot_vector(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  put<8 << q>(vd, dot_product(get<u32>(vd), get<u32>(vn), get<u32>(vm)));
}

// ---- Two registers.

// Elements in reverse order within containers.
template <int container, class V, int... i>
FERRY_INLINE V reversed(V v, Ints<i...>) {
  constexpr int last = container / sizeof(v[0]) - 1;
  return __builtin_shufflevector(v, v, (i ^ last)...);
}
template <int container>
constexpr auto reverse_in = FERRY_OPERATION(auto v) {
  return reversed<container>(v, IntsBelow<count_of<decltype(v)>>{});
};

template <class Function, class V, int... i>
FERRY_INLINE V each_lane(Function function, V v, Ints<i...>) {
  return V{static_cast<ElementOf<V>>(function(v[i]))...};
}

constexpr auto leading_zeros = FERRY_OPERATION(auto v) {
  auto count = FERRY_OPERATION(auto lane) {
    constexpr int bits = bits_of<decltype(lane)>;
    return __builtin_clzg(lane, bits);
  };
  return each_lane(count, v, IntsBelow<count_of<decltype(v)>>{});
};
// Bits after the highest that equal it.
constexpr auto leading_sign_bits = FERRY_OPERATION(auto v) {
  auto smeared = v >> (bits_of<ElementOf<decltype(v)>> - 1);
  return leading_zeros(as<UnsignedLanes<decltype(v)>>(v ^ smeared)) - 1;
};
constexpr auto count_ones = FERRY_OPERATION(Bytes v) {
  constexpr Bytes ones{0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
  return lookup_nibble(ones, v & 15) + lookup_nibble(ones, v >> 4);
};
constexpr auto reverse_bits = FERRY_OPERATION(Bytes v) { return __builtin_elementwise_bitreverse(v); };
constexpr auto invert = FERRY_OPERATION(auto v) { return ~v; };
constexpr auto negate = FERRY_OPERATION(auto v) { return -v; };
constexpr auto absolute = FERRY_OPERATION(auto v) { return v < 0 ? -v : v; };
constexpr auto above_zero = FERRY_OPERATION(auto v) { return v > 0; };
constexpr auto not_below_zero = FERRY_OPERATION(auto v) { return v >= 0; };
constexpr auto is_zero = FERRY_OPERATION(auto v) { return v == 0; };
constexpr auto not_above_zero = FERRY_OPERATION(auto v) { return v <= 0; };
constexpr auto below_zero = FERRY_OPERATION(auto v) { return v < 0; };

#define TWO_SAME(name, Sign, largest, operation)          \
  template <int q, int size>                              \
    requires(arrangement(q, size, largest))               \
  SEM name(Cpu& cpu, VDst vd, VSrc vn) {                  \
    two_same<8 << q, Sign<size>>(cpu, vd, vn, operation); \
  }
#define TWO_SAME_BYTES(name, operation)           \
  template <int q>                                \
  SEM name(Cpu& cpu, VDst vd, VSrc vn) {          \
    two_same<8 << q, u8>(cpu, vd, vn, operation); \
  }
#define TWO_SAME_SCALAR(name, operation)      \
  template <int...>                           \
  SEM name(Cpu& cpu, VDst vd, VSrc vn) {      \
    two_same<8, i64>(cpu, vd, vn, operation); \
  }

TWO_SAME(rev64, Unsigned, 2, reverse_in<8>)
TWO_SAME(rev32_vector, Unsigned, 1, reverse_in<4>)
TWO_SAME_BYTES(rev16_vector, reverse_in<2>)
TWO_SAME(cls_vector, Signed, 2, leading_sign_bits)
TWO_SAME(clz_vector, Unsigned, 2, leading_zeros)
TWO_SAME_BYTES(cnt, count_ones)
TWO_SAME_BYTES(not_vector, invert)
TWO_SAME_BYTES(rbit_vector, reverse_bits)
TWO_SAME(cmgt_zero_vector, Signed, 3, above_zero)
TWO_SAME(cmge_zero_vector, Signed, 3, not_below_zero)
TWO_SAME(cmeq_zero_vector, Signed, 3, is_zero)
TWO_SAME(cmle_zero_vector, Signed, 3, not_above_zero)
TWO_SAME(cmlt_zero_vector, Signed, 3, below_zero)
TWO_SAME(abs_vector, Signed, 3, absolute)
TWO_SAME(neg_vector, Unsigned, 3, negate)
TWO_SAME_SCALAR(cmgt_zero_scalar, above_zero)
TWO_SAME_SCALAR(cmge_zero_scalar, not_below_zero)
TWO_SAME_SCALAR(cmeq_zero_scalar, is_zero)
TWO_SAME_SCALAR(cmle_zero_scalar, not_above_zero)
TWO_SAME_SCALAR(cmlt_zero_scalar, below_zero)
TWO_SAME_SCALAR(abs_scalar, absolute)
TWO_SAME_SCALAR(neg_scalar, negate)

// Sums of neighbours, in lanes of twice the width.
template <class T, class V>
FERRY_INLINE auto add_neighbours(V v) {
  auto wide = as<Lanes<Wide<T>>>(v);
  return (wide << bits_of<T> >> bits_of<T>)+(wide >> bits_of<T>);
}

#define ADD_LONG_PAIRWISE(name, Sign, addition)              \
  template <int q, int size>                                 \
    requires(arrangement(q, size, 2))                        \
  SEM name(Cpu&, VDst vd, VSrc vn) {                         \
    using T = Sign<size>;                                    \
    put<8 << q>(vd, addition add_neighbours<T>(get<T>(vn))); \
  }
ADD_LONG_PAIRWISE(saddlp, Signed, )
ADD_LONG_PAIRWISE(uaddlp, Unsigned, )
ADD_LONG_PAIRWISE(sadalp, Signed, get<Wide<T>>(vd) +)
ADD_LONG_PAIRWISE(uadalp, Unsigned, get<Wide<T>>(vd) +)

template <int part, int size>
  requires(size < 3)
SEM xtn(Cpu&, VDst vd, VSrc vn) {
  put_narrowed<part>(vd, convert<Unsigned<size>>(get<Wide<Unsigned<size>>>(vn)));
}

template <int part, int size>
  requires(size < 3)
SEM shll(Cpu&, VDst vd, VSrc vn) {
  put(vd, get_widened<Unsigned<size>, part>(vn) << bits_of<Unsigned<size>>);
}

// ---- Across lanes: two words are not a vector here.

constexpr bool across_arrangement(int q, int size) { return size < 2 || (size == 2 && q == 1); }

// The lanes of the register: all, or of its lower half.
template <int q, class T>
FERRY_INLINE auto lanes_across(VSrc source) {
  if constexpr (q)
    return get<T>(source);
  else
    return low_half(get<T, 8>(source));
}

#define ACROSS(name, Sign, Result, reduce, widening)                       \
  template <int q, int size>                                               \
    requires(across_arrangement(q, size))                                  \
  SEM name(Cpu&, VDst vd, VSrc vn) {                                       \
    using T = Sign<size>;                                                  \
    vd = static_cast<Result<T>>(reduce(widening(lanes_across<q, T>(vn)))); \
  }
template <class T>
using Same = T;
ACROSS(smaxv, Signed, Same, __builtin_reduce_max, )
ACROSS(umaxv, Unsigned, Same, __builtin_reduce_max, )
ACROSS(sminv, Signed, Same, __builtin_reduce_min, )
ACROSS(uminv, Unsigned, Same, __builtin_reduce_min, )
ACROSS(addv, Unsigned, Same, __builtin_reduce_add, )
ACROSS(saddlv, Signed, Wide, __builtin_reduce_add, convert<Wide<T>>)
ACROSS(uaddlv, Unsigned, Wide, __builtin_reduce_add, convert<Wide<T>>)

template <int...>
SEM addp_scalar(Cpu&, VDst vd, VSrc vn) {
  auto n = get<u64>(vn);
  vd = n[0] + n[1];
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
