// Loads and stores of structures, LD1 to ST4: DDI 0487 C7.2. All memory is read before any register is written.
#include "translator/aarch64/semantics/vector.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_structures.def"
#define FERRY_SECTION_NAME vector_structures

namespace ferry::aarch64 {

// Element e of register r is at (e * ways + r) elements in memory; ways is 1 for LD1 and ST1, whose registers
// follow each other.

// The registers' places in the concatenation of all that was loaded.
template <int ways, class V, class... D>
FERRY_INLINE void deinterleave(V all, D... registers) {
  constexpr int lanes = 16 / sizeof(all[0]);
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    ((registers = pick(all, all, Steps<r, lanes, ways>{})), ...);
  };
  each(IntsBelow<sizeof...(D)>{});
}

// 2, 3 or 4 vectors as one long one; the fourth of three is not looked at.
template <class V>
FERRY_INLINE auto join(V a, V b) {
  return concatenate(a, b);
}
template <class V>
FERRY_INLINE auto join(V a, V b, V c) {
  return concatenate(concatenate(a, b), concatenate(c, c));
}
template <class V>
FERRY_INLINE auto join(V a, V b, V c, V d) {
  return concatenate(concatenate(a, b), concatenate(c, d));
}

// Where elements from, from + 1, ... in memory are in the concatenation of registers of `lanes` lanes each.
template <int ways, int lanes, int from, class I>
struct Interleaved;
template <int ways, int lanes, int from, int... i>
struct Interleaved<ways, lanes, from, Ints<i...>> {
  using Type = Ints<((from + i) % ways * lanes + (from + i) / ways)...>;
};

template <class V>
FERRY_INLINE V from_halves(u64 low, u64 high) {
  return as<V>(Lanes<u64>{low, high});
}

// D registers are loaded two at a time into a vector, so that `all` is as dense as in memory.
template <int q, class T, class... D>
FERRY_INLINE void load_interleaved(u64 address, D... registers) {
  constexpr int ways = sizeof...(D);
  using V = Lanes<T>;
  if constexpr (q) {
    auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
      V loaded[] = {load<V>(address + r * 16)...};
      deinterleave<ways>(join(loaded[r]...), registers...);
    };
    each(IntsBelow<ways>{});
  } else {
    u64 loaded[4] = {};
    for (int r = 0; r < ways; r++) loaded[r] = load<u64>(address + static_cast<u64>(r) * 8);
    auto all = concatenate(from_halves<V>(loaded[0], loaded[1]), from_halves<V>(loaded[2], loaded[3]));
    auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
      ((registers = as<u64>(pick(all, all, Steps<r, 8 / sizeof(T), ways>{}))), ...);
    };
    each(IntsBelow<ways>{});
  }
}

template <int q, class T, class... S>
FERRY_INLINE void store_interleaved(u64 address, S... registers) {
  constexpr int ways = sizeof...(S), lanes = 16 / sizeof(T);
  using V = Lanes<T>;
  using Chunk = Transfer<3 + q>;
  constexpr int chunk_lanes = sizeof(Chunk) / sizeof(T);
  auto all = join(registers.template as<V>()...);
  auto each = [&]<int... chunk> [[gnu::always_inline]] (Ints<chunk...>) {
    (store<Chunk>(
         address + chunk * sizeof(Chunk),
         as<Chunk>(
             pick(all, all, typename Interleaved<ways, lanes, chunk * chunk_lanes, IntsBelow<chunk_lanes>>::Type{}))),
     ...);
  };
  each(IntsBelow<ways>{});
}

template <int q, class... D>
FERRY_INLINE void load_consecutive(u64 address, D... registers) {
  using Chunk = Transfer<3 + q>;
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    Chunk loaded[] = {load<Chunk>(address + r * sizeof(Chunk))...};
    ((registers = loaded[r]), ...);
  };
  each(IntsBelow<sizeof...(D)>{});
}

template <int q, class... S>
FERRY_INLINE void store_consecutive(u64 address, S... registers) {
  using Chunk = Transfer<3 + q>;
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    (store<Chunk>(address + r * sizeof(Chunk), registers.template as<Chunk>()), ...);
  };
  each(IntsBelow<sizeof...(S)>{});
}

template <class T, class... E>
FERRY_INLINE void load_elements(u64 address, E... elements) {
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    T loaded[] = {load<T>(address + r * sizeof(T))...};
    (elements.set(loaded[r]), ...);
  };
  each(IntsBelow<sizeof...(E)>{});
}

template <class T, class... E>
FERRY_INLINE void store_elements(u64 address, E... elements) {
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    (store<T>(address + r * sizeof(T), elements.template as<T>()), ...);
  };
  each(IntsBelow<sizeof...(E)>{});
}

template <int q, class T, class... D>
FERRY_INLINE void load_replicated(u64 address, D... registers) {
  auto each = [&]<int... r> [[gnu::always_inline]] (Ints<r...>) {
    T loaded[] = {load<T>(address + r * sizeof(T))...};
    (put<8 << q>(registers, splat(loaded[r])), ...);
  };
  each(IntsBelow<sizeof...(D)>{});
}

// The element of the single-structure forms; -1 where unallocated.
constexpr int element_scale(int scale, int s, int size) {
  if (scale == 0) return 0;
  if (scale == 1) return (size & 1) == 0 ? 1 : -1;
  if (size == 0) return 2;
  return size == 1 && s == 0 ? 3 : -1;
}

// Each structure instruction in three forms: no offset, and post-index by the bytes transferred or by a register.
#define OPERANDS_1(T) T t
#define OPERANDS_2(T) T t, T t_1
#define OPERANDS_3(T) T t, T t_1, T t_2
#define OPERANDS_4(T) T t, T t_1, T t_2, T t_3
#define ARGUMENTS_1 t
#define ARGUMENTS_2 t, t_1
#define ARGUMENTS_3 t, t_1, t_2
#define ARGUMENTS_4 t, t_1, t_2, t_3
#define STRUCTURE(name, parameters, condition, Register, count, access, bytes)     \
  template <parameters>                                                            \
    requires(condition)                                                            \
  SEM name(Cpu&, OPERANDS_##count(Register), Src<1> rn) {                          \
    access(rn.get(), ARGUMENTS_##count);                                           \
  }                                                                                \
  template <parameters>                                                            \
    requires(condition)                                                            \
  SEM name##_post_imm(Cpu&, OPERANDS_##count(Register), SrcDst<1> rn) {            \
    u64 address = rn;                                                              \
    access(address, ARGUMENTS_##count);                                            \
    rn = address + (bytes);                                                        \
  }                                                                                \
  template <parameters>                                                            \
    requires(condition)                                                            \
  SEM name##_post_reg(Cpu&, OPERANDS_##count(Register), SrcDst<1> rn, Src<1> rm) { \
    u64 address = rn, next = address + rm;                                         \
    access(address, ARGUMENTS_##count);                                            \
    rn = next;                                                                     \
  }

#define COMMA ,
#define CONSECUTIVE(count)                                                                 \
  STRUCTURE(ld1_##count, int q, true, VDst, count, load_consecutive<q>, count * (8u << q)) \
  STRUCTURE(st1_##count, int q, true, VSrc, count, store_consecutive<q>, count * (8u << q))
CONSECUTIVE(1)
CONSECUTIVE(2)
CONSECUTIVE(3)
CONSECUTIVE(4)

#define INTERLEAVED(count)                                                                   \
  STRUCTURE(ld##count, int q COMMA int size, arrangement(q COMMA size COMMA 3), VDst, count, \
            load_interleaved<q COMMA Unsigned<size>>, count * (8u << q))                     \
  STRUCTURE(st##count, int q COMMA int size, arrangement(q COMMA size COMMA 3), VSrc, count, \
            store_interleaved<q COMMA Unsigned<size>>, count * (8u << q))
INTERLEAVED(2)
INTERLEAVED(3)
INTERLEAVED(4)

#define SINGLE(count)                                                                                                 \
  STRUCTURE(ld##count##_single, int scale COMMA int s COMMA int size, (element_scale(scale, s, size) >= 0), VElement, \
            count, load_elements<Unsigned<element_scale(scale COMMA s COMMA size)>>,                                  \
            count * (1u << element_scale(scale, s, size)))                                                            \
  STRUCTURE(st##count##_single, int scale COMMA int s COMMA int size, (element_scale(scale, s, size) >= 0), VElement, \
            count, store_elements<Unsigned<element_scale(scale COMMA s COMMA size)>>,                                 \
            count * (1u << element_scale(scale, s, size)))                                                            \
  STRUCTURE(ld##count##r, int q COMMA int size, true, VDst, count, load_replicated<q COMMA Unsigned<size>>,           \
            count * (1u << size))
SINGLE(1)
SINGLE(2)
SINGLE(3)
SINGLE(4)
#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
