// Advanced SIMD saturating arithmetic: DDI 0487 C7.2.
#include "translator/aarch64/semantics/vector_saturating.h"

#include "translator/aarch64/semantics/vector_narrow.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_saturating.def"
#define FERRY_SECTION_NAME vector_saturating

namespace ferry::aarch64 {

constexpr bool any_size(int) { return true; }
constexpr bool half_or_word(int size) { return size == 1 || size == 2; }

// ---- Three registers of the same type, as vectors and as scalars.

#define THREE_SAME(name, Sign, allowed, frame, operation)     \
  template <int q, int size>                                  \
    requires(arrangement(q, size, 3) && allowed(size))        \
  SEM name##_vector(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {    \
    frame<8 << q, Sign<size>>(cpu, vd, vn, vm, operation);    \
  }                                                           \
  template <int size>                                         \
    requires(allowed(size))                                   \
  SEM name##_scalar(Cpu& cpu, VDst vd, VSrc vn, VSrc vm) {    \
    frame<1 << size, Sign<size>>(cpu, vd, vn, vm, operation); \
  }

THREE_SAME(sqadd, Signed, any_size, three_same, add_saturating)
THREE_SAME(uqadd, Unsigned, any_size, three_same, add_saturating)
THREE_SAME(sqsub, Signed, any_size, three_same, subtract_saturating)
THREE_SAME(uqsub, Unsigned, any_size, three_same, subtract_saturating)
THREE_SAME(sqdmulh, Signed, half_or_word, three_same, doubling_multiply_high<false>)
THREE_SAME(sqrdmulh, Signed, half_or_word, three_same, doubling_multiply_high<true>)
THREE_SAME(sqrdmlah, Signed, half_or_word, three_same_accumulate, doubling_multiply_high_accumulate<false>)
THREE_SAME(sqrdmlsh, Signed, half_or_word, three_same_accumulate, doubling_multiply_high_accumulate<true>)

// ---- Two registers.

constexpr auto negate_saturating = FERRY_OPERATION(Cpu & cpu, auto v) {
  return subtract_saturating(cpu, decltype(v){}, v);
};
constexpr auto absolute_saturating = FERRY_OPERATION(Cpu & cpu, auto v) {
  return __builtin_elementwise_max(v, negate_saturating(cpu, __builtin_elementwise_min(v, decltype(v){})));
};

// The signed accumulator gains an unsigned value, which may lie above the signed range.
constexpr auto accumulate_unsigned = FERRY_OPERATION(Cpu & cpu, auto d, auto n) {
  using U = UnsignedLanes<decltype(d)>;
  auto highest = splat(highest_of<ElementOf<decltype(d)>>);
  auto too_much = as<U>(n) > as<U>(highest - d);
  note_saturation(cpu, too_much);
  return too_much ? highest : d + n;
};
// The unsigned accumulator gains a signed value.
constexpr auto accumulate_signed = FERRY_OPERATION(Cpu & cpu, auto d, auto n) {
  using U = UnsignedLanes<decltype(d)>;
  U gain = as<U>(n > 0 ? n : decltype(n){}), loss = U{} - as<U>(n < 0 ? n : decltype(n){});
  return subtract_saturating(cpu, add_saturating(cpu, as<U>(d), gain), loss);
};

#define TWO_SAME(name, operation)                              \
  template <int q, int size>                                   \
    requires(arrangement(q, size, 3))                          \
  SEM name##_vector(Cpu& cpu, VDst vd, VSrc vn) {              \
    two_same<8 << q, Signed<size>>(cpu, vd, vn, operation);    \
  }                                                            \
  template <int size>                                          \
  SEM name##_scalar(Cpu& cpu, VDst vd, VSrc vn) {              \
    two_same<1 << size, Signed<size>>(cpu, vd, vn, operation); \
  }
TWO_SAME(sqabs, absolute_saturating)
TWO_SAME(sqneg, negate_saturating)

#define ACCUMULATE(name, operation)                                  \
  template <int q, int size>                                         \
    requires(arrangement(q, size, 3))                                \
  SEM name##_vector(Cpu& cpu, VDst vd, VSrc vn) {                    \
    three_same<8 << q, Signed<size>>(cpu, vd, vd, vn, operation);    \
  }                                                                  \
  template <int size>                                                \
  SEM name##_scalar(Cpu& cpu, VDst vd, VSrc vn) {                    \
    three_same<1 << size, Signed<size>>(cpu, vd, vd, vn, operation); \
  }
ACCUMULATE(suqadd, accumulate_unsigned)
ACCUMULATE(usqadd, accumulate_signed)

#define NARROW(name, Sign, Result)                                                                          \
  template <int part, int size>                                                                             \
    requires(size < 3)                                                                                      \
  SEM name##_vector(Cpu& cpu, VDst vd, VSrc vn) {                                                           \
    put_narrowed<part>(vd, narrow_saturating<Result<size>>(cpu, get<Wide<Sign<size>>>(vn)));                \
  }                                                                                                         \
  template <int size>                                                                                       \
    requires(size < 3)                                                                                      \
  SEM name##_scalar(Cpu& cpu, VDst vd, VSrc vn) {                                                           \
    vd = as<Unsigned<size>>(narrow_saturating<Result<size>>(cpu, get<Wide<Sign<size>>, 2 << size>(vn))[0]); \
  }
NARROW(sqxtn, Signed, Signed)
NARROW(uqxtn, Unsigned, Unsigned)
NARROW(sqxtun, Signed, Unsigned)

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
