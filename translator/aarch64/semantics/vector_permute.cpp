// Advanced SIMD moves of lanes and registers: DDI 0487 C7.2.
#include "translator/aarch64/semantics/vector.h"
#include "translator/aarch64/semantics/vector_lookup.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_permute.def"
#define FERRY_SECTION_NAME vector_permute

namespace ferry::aarch64 {

// ---- Copies. A source element is an operand of its own: its slot lies inside the register's.

template <int q, int size>
  requires(arrangement(q, size, 3))
SEM dup_element(Cpu&, VDst vd, VSrc element) {
  put<8 << q>(vd, splat(element.as<Unsigned<size>>()));
}

template <int q, int size>
  requires(arrangement(q, size, 3))
SEM dup_general(Cpu&, VDst vd, Src<1> rn) {
  put<8 << q>(vd, splat(static_cast<Unsigned<size>>(rn.get())));
}

template <int size>
SEM dup_scalar(Cpu&, VDst vd, VSrc element) {
  vd = element.as<Unsigned<size>>();
}

// q is the width of the general register, which a signed element has to fit into, and an unsigned one to need.
template <int q, int size>
  requires(size < 2 + q)
SEM smov(Cpu&, Dst<q> rd, VSrc element) {
  rd = static_cast<UnsignedOf<q>>(static_cast<Signed<size>>(element.as<Unsigned<size>>()));
}

template <int q, int size>
  requires(q == (size == 3))
SEM umov(Cpu&, Dst<q> rd, VSrc element) {
  rd = element.as<Unsigned<size>>();
}

// The destination's element is part of the variant: a store of one element would stall the next read of the register.
template <int imm5, class T>
FERRY_INLINE void insert(VDst vd, T value) {
  auto lanes = get<T>(vd);
  lanes[imm5 >> (size_of<T> + 1)] = value;
#if defined(FERRY_STENCIL) && defined(__x86_64__)
  asm("" : "+x"(lanes));  // clang would make it a store of one element
#endif
  put(vd, lanes);
}
constexpr int imm5_size(int imm5) { return __builtin_ctz(static_cast<unsigned>(imm5) | 16); }

template <int imm5>
  requires(imm5_size(imm5) < 4)
SEM ins_general(Cpu&, VDst vd, Src<1> rn) {
  insert<imm5>(vd, static_cast<Unsigned<imm5_size(imm5)>>(rn.get()));
}

template <int imm5>
  requires(imm5_size(imm5) < 4)
SEM ins_element(Cpu&, VDst vd, VSrc element) {
  insert<imm5>(vd, element.as<Unsigned<imm5_size(imm5)>>());
}

// ---- Permutations of the lanes of two registers, written as indexes into the first's lanes followed by the second's.

#define PERMUTATION(name, index)                                                                                   \
  template <int used, int lanes, int... i>                                                                         \
  auto indexes_of_##name(Ints<i...>)->Ints<(i < used ? (index) : 0)...>;                                           \
  template <int q, int size>                                                                                       \
    requires(arrangement(q, size, 3))                                                                              \
  SEM name(Cpu&, VDst vd, VSrc vn, VSrc vm) {                                                                      \
    using T = Unsigned<size>;                                                                                      \
    constexpr int lanes = 16 / sizeof(T), used = (8 << q) / sizeof(T);                                             \
    put<8 << q>(vd, pick(get<T>(vn), get<T>(vm), decltype(indexes_of_##name<used, lanes>(IntsBelow<lanes>{})){})); \
  }

// Lane n of the pair of registers, whose used parts follow each other.
constexpr int of_both(int n, int used, int lanes) { return n < used ? n : n - used + lanes; }

PERMUTATION(uzp1, of_both(2 * i, used, lanes))
PERMUTATION(uzp2, of_both(2 * i + 1, used, lanes))
PERMUTATION(zip1, i / 2 + i % 2 * lanes)
PERMUTATION(zip2, used / 2 + i / 2 + i % 2 * lanes)
PERMUTATION(trn1, i / 2 * 2 + i % 2 * lanes)
PERMUTATION(trn2, i / 2 * 2 + 1 + i % 2 * lanes)

template <int q, int imm4>
  requires(q == 1 || imm4 < 8)
SEM ext(Cpu&, VDst vd, VSrc vn, VSrc vm) {
  if constexpr (q)
    put(vd, pick(get<u8>(vn), get<u8>(vm), Steps<imm4, 16>{}));
  else
    put<8>(vd, pick(as<Bytes>(Lanes<u64>{vn.as<u64>(), vm.as<u64>()}), Bytes{}, Steps<imm4, 16>{}));
}

// ---- Table lookups: indexes beyond the table give 0 (TBL) or leave the destination's byte (TBX).

template <class... V>
FERRY_INLINE Bytes lookup_in(Bytes index, V... tables) {
  Bytes result{};
  ((result |= lookup(get<u8>(tables), index), index -= 16), ...);
  return result;
}

template <int bytes, class... V>
FERRY_INLINE Bytes lookup_or_keep(VDst vd, Bytes index, V... tables) {
  auto inside = as<Bytes>(index < static_cast<u8>(16 * sizeof...(V)));
  return lookup_in(index, tables...) | (get<u8>(vd) & ~inside);
}

#define TABLE(count, parameters, ...)                                      \
  template <int q>                                                         \
  SEM tbl_##count(Cpu&, VDst vd, parameters, VSrc vm) {                    \
    put<8 << q>(vd, lookup_in(get<u8>(vm), __VA_ARGS__));                  \
  }                                                                        \
  template <int q>                                                         \
  SEM tbx_##count(Cpu&, VDst vd, parameters, VSrc vm) {                    \
    put<8 << q>(vd, lookup_or_keep<8 << q>(vd, get<u8>(vm), __VA_ARGS__)); \
  }
#define COMMA ,
TABLE(1, VSrc a, a)
TABLE(2, VSrc a COMMA VSrc b, a, b)
TABLE(3, VSrc a COMMA VSrc b COMMA VSrc c, a, b, c)
TABLE(4, VSrc a COMMA VSrc b COMMA VSrc c COMMA VSrc d, a, b, c, d)

// ---- Modified immediates.

template <int q>
FERRY_INLINE void put_immediate(VDst vd, u64 value) {
  if constexpr (q)
    vd = Lanes<u64>{value, value};
  else
    vd = value;
}

#define MOVE_IMMEDIATE(name)             \
  template <int q>                       \
  SEM name(Cpu&, VDst vd, Imm64 value) { \
    put_immediate<q>(vd, value);         \
  }
MOVE_IMMEDIATE(movi_32)
MOVE_IMMEDIATE(movi_16)
MOVE_IMMEDIATE(movi_ones)
MOVE_IMMEDIATE(movi_8)
MOVE_IMMEDIATE(movi_64)
MOVE_IMMEDIATE(mvni_32)
MOVE_IMMEDIATE(mvni_16)
MOVE_IMMEDIATE(mvni_ones)
MOVE_IMMEDIATE(fmov_imm_vector_single)
template <int...>
SEM fmov_imm_vector_double(Cpu&, VDst vd, Imm64 value) {
  put_immediate<1>(vd, value);
}

#define LOGIC_IMMEDIATE(name, operation)                              \
  template <int q>                                                    \
  SEM name(Cpu&, VDst vd, Imm64 value) {                              \
    put<8 << q>(vd, get<u64>(vd) operation Lanes<u64>{value, value}); \
  }
LOGIC_IMMEDIATE(orr_imm_32, |)
LOGIC_IMMEDIATE(orr_imm_16, |)
LOGIC_IMMEDIATE(bic_imm_32, &)
LOGIC_IMMEDIATE(bic_imm_16, &)

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
