// Loads and stores of general registers: DDI 0487 C6.2. Memory first, state last.
#include "translator/aarch64/semantics/atomic.h"
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/memory.def"
#define FERRY_SECTION_NAME memory

namespace ferry::aarch64 {

// The type of an access, by log2 of its bytes.
template <int size>
using Memory = typename IntegerOfSize<size>::Unsigned;

// What a sign-extending load puts into a register: w extends to 32 bits only.
template <int size, int w>
FERRY_INLINE u64 load_signed(u64 address) {
  auto value = static_cast<typename IntegerOfSize<size>::Signed>(load<Memory<size>>(address));
  if constexpr (w)
    return static_cast<u32>(i32{value});
  else
    return static_cast<u64>(i64{value});
}

// ---- Immediate offsets.

template <int size>
SEM str_imm(Cpu&, Src<1> rt, Src<1> rn, UImm offset) {
  store(rn + offset, static_cast<Memory<size>>(rt));
}
template <int size>
SEM ldr_imm(Cpu&, Dst<1> rt, Src<1> rn, UImm offset) {
  rt = load<Memory<size>>(rn + offset);
}
template <int size, int w>
  requires(size < 2 || w == 0)
SEM ldrs_imm(Cpu&, Dst<1> rt, Src<1> rn, UImm offset) {
  rt = load_signed<size, w>(rn + offset);
}

template <int size>
SEM stur(Cpu&, Src<1> rt, Src<1> rn, SImm offset) {
  store(rn + offset, static_cast<Memory<size>>(rt));
}
template <int size>
SEM ldur(Cpu&, Dst<1> rt, Src<1> rn, SImm offset) {
  rt = load<Memory<size>>(rn + offset);
}
template <int size, int w>
  requires(size < 2 || w == 0)
SEM ldurs(Cpu&, Dst<1> rt, Src<1> rn, SImm offset) {
  rt = load_signed<size, w>(rn + offset);
}

template <int size>
SEM sttr(Cpu& cpu, Src<1> rt, Src<1> rn, SImm offset) {
  stur<size>(cpu, rt, rn, offset);
}
template <int size>
SEM ldtr(Cpu& cpu, Dst<1> rt, Src<1> rn, SImm offset) {
  ldur<size>(cpu, rt, rn, offset);
}
template <int size, int w>
  requires(size < 2 || w == 0)
SEM ldtrs(Cpu& cpu, Dst<1> rt, Src<1> rn, SImm offset) {
  ldurs<size, w>(cpu, rt, rn, offset);
}

template <int size>
SEM str_post(Cpu&, Src<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  store(address, static_cast<Memory<size>>(rt));
  rn = address + offset;
}
template <int size>
SEM str_pre(Cpu&, Src<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  store(address, static_cast<Memory<size>>(rt));
  rn = address;
}
// Where rt is rn, or a pair's registers are one, the manual leaves the outcome open; this order is QEMU's.
template <int size>
SEM ldr_post(Cpu&, Dst<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn, value = load<Memory<size>>(address);
  rt = value;
  rn = address + offset;
}
template <int size>
SEM ldr_pre(Cpu&, Dst<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset, value = load<Memory<size>>(address);
  rt = value;
  rn = address;
}
template <int size, int w>
  requires(size < 2 || w == 0)
SEM ldrs_post(Cpu&, Dst<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn, value = load_signed<size, w>(address);
  rt = value;
  rn = address + offset;
}
template <int size, int w>
  requires(size < 2 || w == 0)
SEM ldrs_pre(Cpu&, Dst<1> rt, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset, value = load_signed<size, w>(address);
  rt = value;
  rn = address;
}

// ---- Register offsets.

template <int size, int s, int x, int scaled>
FERRY_INLINE u64 indexed(u64 base, u64 index) {
  if constexpr (!x) index = s ? static_cast<u64>(i64{static_cast<i32>(index)}) : static_cast<u32>(index);
  return base + (index << (scaled ? size : 0));
}

template <int size, int s, int x, int scaled>
SEM str_reg(Cpu&, Src<1> rt, Src<1> rn, Src<1> rm) {
  store(indexed<size, s, x, scaled>(rn, rm), static_cast<Memory<size>>(rt));
}
template <int size, int s, int x, int scaled>
SEM ldr_reg(Cpu&, Dst<1> rt, Src<1> rn, Src<1> rm) {
  rt = load<Memory<size>>(indexed<size, s, x, scaled>(rn, rm));
}
template <int size, int w, int s, int x, int scaled>
  requires(size < 2 || w == 0)
SEM ldrs_reg(Cpu&, Dst<1> rt, Src<1> rn, Src<1> rm) {
  rt = load_signed<size, w>(indexed<size, s, x, scaled>(rn, rm));
}

// ---- Literals and prefetches (hints, which never fault).

template <int x>
SEM ldr_lit(Cpu&, Dst<1> rt, Imm64 address) {
  rt = load<Memory<2 + x>>(address);
}
template <int...>
SEM ldrsw_lit(Cpu&, Dst<1> rt, Imm64 address) {
  rt = load_signed<2, 0>(address);
}
template <int...>
SEM prfm_imm(Cpu&) {}
template <int...>
SEM prfum(Cpu&) {}
template <int...>
SEM prfm_reg(Cpu&) {}
template <int...>
SEM prfm_lit(Cpu&) {}

// ---- Pairs.

template <int x>
FERRY_INLINE void store_pair(u64 address, u64 first, u64 second) {
  store(address, static_cast<Memory<2 + x>>(first));
  store(address + (4 << x), static_cast<Memory<2 + x>>(second));
}

struct Pair {
  u64 first, second;
};
template <int x>
FERRY_INLINE Pair load_pair(u64 address) {
  u64 first = load<Memory<2 + x>>(address), second = load<Memory<2 + x>>(address + (4 << x));
  return {first, second};
}
FERRY_INLINE Pair load_pair_signed(u64 address) {
  u64 first = load_signed<2, 0>(address), second = load_signed<2, 0>(address + 4);
  return {first, second};
}

template <int x>
SEM stp(Cpu&, Src<1> rt, Src<1> rt2, Src<1> rn, SImm offset) {
  store_pair<x>(rn + offset, rt, rt2);
}
template <int x>
SEM stnp(Cpu& cpu, Src<1> rt, Src<1> rt2, Src<1> rn, SImm offset) {
  stp<x>(cpu, rt, rt2, rn, offset);
}
template <int x>
SEM stp_post(Cpu&, Src<1> rt, Src<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  store_pair<x>(address, rt, rt2);
  rn = address + offset;
}
template <int x>
SEM stp_pre(Cpu&, Src<1> rt, Src<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  store_pair<x>(address, rt, rt2);
  rn = address;
}
template <int x>
SEM ldp(Cpu&, Dst<1> rt, Dst<1> rt2, Src<1> rn, SImm offset) {
  Pair pair = load_pair<x>(rn + offset);
  rt2 = pair.second;
  rt = pair.first;
}
template <int x>
SEM ldnp(Cpu& cpu, Dst<1> rt, Dst<1> rt2, Src<1> rn, SImm offset) {
  ldp<x>(cpu, rt, rt2, rn, offset);
}
template <int x>
SEM ldp_post(Cpu&, Dst<1> rt, Dst<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  Pair pair = load_pair<x>(address);
  rt2 = pair.second;
  rt = pair.first;
  rn = address + offset;
}
template <int x>
SEM ldp_pre(Cpu&, Dst<1> rt, Dst<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  Pair pair = load_pair<x>(address);
  rt2 = pair.second;
  rt = pair.first;
  rn = address;
}
template <int...>
SEM ldpsw(Cpu&, Dst<1> rt, Dst<1> rt2, Src<1> rn, SImm offset) {
  Pair pair = load_pair_signed(rn + offset);
  rt2 = pair.second;
  rt = pair.first;
}
template <int...>
SEM ldpsw_post(Cpu&, Dst<1> rt, Dst<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  Pair pair = load_pair_signed(address);
  rt2 = pair.second;
  rt = pair.first;
  rn = address + offset;
}
template <int...>
SEM ldpsw_pre(Cpu&, Dst<1> rt, Dst<1> rt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  Pair pair = load_pair_signed(address);
  rt2 = pair.second;
  rt = pair.first;
  rn = address;
}

// ---- Ordered. LDAR and STLR are sequentially consistent among themselves (RCsc), LDAPR is RCpc.

template <int size>
SEM stlr(Cpu& cpu, Src<1> rt, Src<1> rn) {
  u64 address = aligned<Memory<size>>(cpu, rn);
  __atomic_store_n(at<Memory<size>>(address), static_cast<Memory<size>>(rt), __ATOMIC_SEQ_CST);
}
template <int size>
SEM ldar(Cpu& cpu, Dst<1> rt, Src<1> rn) {
  rt = __atomic_load_n(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), __ATOMIC_SEQ_CST);
}
template <int size>
SEM stllr(Cpu& cpu, Src<1> rt, Src<1> rn) {
  stlr<size>(cpu, rt, rn);
}
template <int size>
SEM ldlar(Cpu& cpu, Dst<1> rt, Src<1> rn) {
  ldar<size>(cpu, rt, rn);
}
template <int size>
SEM ldapr(Cpu& cpu, Dst<1> rt, Src<1> rn) {
  rt = __atomic_load_n(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), __ATOMIC_ACQUIRE);
}

// ---- Exclusive. A store succeeds when memory still holds what the load saw: a change there and back goes unnoticed, which
// the algorithms that real processors run cannot tell from a store that was not contended.

template <int order, int size>
FERRY_INLINE void load_exclusive(Cpu& cpu, Dst<1> rt, u64 unchecked_address) {
  u64 address = aligned<Memory<size>>(cpu, unchecked_address);
  u64 value = __atomic_load_n(at<Memory<size>>(address), order);
  cpu.exclusive_address = address;
  cpu.exclusive_size = 1 << size;
  cpu.exclusive_value[0] = value;
  rt = value;
}

template <int order, int size>
FERRY_INLINE void store_exclusive(Cpu& cpu, Dst<1> rs, Src<1> rt, u64 unchecked_address) {
  u64 address = aligned<Memory<size>>(cpu, unchecked_address);
  auto expected = static_cast<Memory<size>>(cpu.exclusive_value[0]);
  bool failed = true;
  if (cpu.exclusive_address == address && cpu.exclusive_size == 1 << size)
    failed = !__atomic_compare_exchange_n(at<Memory<size>>(address), &expected, static_cast<Memory<size>>(rt), false,
                                          order, __ATOMIC_RELAXED);
  cpu.exclusive_address = ~u64{0};
  rs = failed;
}

template <int size>
SEM ldxr(Cpu& cpu, Dst<1> rt, Src<1> rn) {
  load_exclusive<__ATOMIC_RELAXED, size>(cpu, rt, rn);
}
template <int size>
SEM ldaxr(Cpu& cpu, Dst<1> rt, Src<1> rn) {
  load_exclusive<__ATOMIC_SEQ_CST, size>(cpu, rt, rn);
}
template <int size>
SEM stxr(Cpu& cpu, Dst<1> rs, Src<1> rt, Src<1> rn) {
  store_exclusive<__ATOMIC_RELAXED, size>(cpu, rs, rt, rn);
}
template <int size>
SEM stlxr(Cpu& cpu, Dst<1> rs, Src<1> rt, Src<1> rn) {
  store_exclusive<__ATOMIC_RELEASE, size>(cpu, rs, rt, rn);
}

// Two W registers are one doubleword, of which rt is the low half; two X registers are sixteen bytes.
template <int acquire, int x>
FERRY_INLINE void load_exclusive_pair(Cpu& cpu, Dst<1> rt, Dst<1> rt2, u64 unchecked_address) {
  u64 address = aligned_to<(8 << x)>(cpu, unchecked_address);
  Pair pair;
  if constexpr (x) {
    u128 value = load_16<acquire>(address);
    pair = {static_cast<u64>(value), static_cast<u64>(value >> 64)};
    cpu.exclusive_value[0] = pair.first;
    cpu.exclusive_value[1] = pair.second;
  } else {
    u64 value = __atomic_load_n(at<u64>(address), acquire ? __ATOMIC_SEQ_CST : __ATOMIC_RELAXED);
    pair = {static_cast<u32>(value), value >> 32};
    cpu.exclusive_value[0] = value;
  }
  cpu.exclusive_address = address;
  cpu.exclusive_size = 8 << x;
  rt = pair.first;
  rt2 = pair.second;
}

template <int release, int x>
FERRY_INLINE void store_exclusive_pair(Cpu& cpu, Dst<1> rs, u64 first, u64 second, u64 unchecked_address) {
  u64 address = aligned_to<(8 << x)>(cpu, unchecked_address);
  bool failed = true;
  if (cpu.exclusive_address == address && cpu.exclusive_size == 8 << x) {
    if constexpr (x) {
      u128 expected = cpu.exclusive_value[0] | u128{cpu.exclusive_value[1]} << 64;
      failed = compare_exchange_16(address, expected, first | u128{second} << 64) != expected;
    } else {
      u64 expected = cpu.exclusive_value[0];
      failed = !__atomic_compare_exchange_n(at<u64>(address), &expected, static_cast<u32>(first) | second << 32, false,
                                            release ? __ATOMIC_RELEASE : __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
  }
  cpu.exclusive_address = ~u64{0};
  rs = failed;
}

template <int x>
SEM ldxp(Cpu& cpu, Dst<1> rt, Dst<1> rt2, Src<1> rn) {
  load_exclusive_pair<0, x>(cpu, rt, rt2, rn);
}
template <int x>
SEM ldaxp(Cpu& cpu, Dst<1> rt, Dst<1> rt2, Src<1> rn) {
  load_exclusive_pair<1, x>(cpu, rt, rt2, rn);
}
template <int x>
SEM stxp(Cpu& cpu, Dst<1> rs, Src<1> rt, Src<1> rt2, Src<1> rn) {
  store_exclusive_pair<0, x>(cpu, rs, rt, rt2, rn);
}
template <int x>
SEM stlxp(Cpu& cpu, Dst<1> rs, Src<1> rt, Src<1> rt2, Src<1> rn) {
  store_exclusive_pair<1, x>(cpu, rs, rt, rt2, rn);
}

// ---- LSE atomics.

template <int acquire, int release>
inline constexpr int order_of =
    acquire ? (release ? __ATOMIC_SEQ_CST : __ATOMIC_ACQUIRE) : (release ? __ATOMIC_RELEASE : __ATOMIC_RELAXED);

template <int size, int acquire, int release>
SEM cas(Cpu& cpu, Src<1> rs, Dst<1> old, Src<1> rt, Src<1> rn) {
  u64 address = aligned<Memory<size>>(cpu, rn);
  auto expected = static_cast<Memory<size>>(rs);
  __atomic_compare_exchange_n(at<Memory<size>>(address), &expected, static_cast<Memory<size>>(rt), false,
                              order_of<acquire, release>, acquire ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);
  old = expected;
}

template <int x, int acquire, int release>
SEM casp(Cpu& cpu, SrcDst<1> rs, Src<1> rs2, Dst<1> old2, Src<1> rt, Src<1> rt2, Src<1> rn) {
  u64 address = aligned_to<(8 << x)>(cpu, rn);
  if constexpr (x) {
    u128 old = compare_exchange_16(address, rs | u128{rs2} << 64, rt | u128{rt2} << 64);
    rs = static_cast<u64>(old);
    old2 = static_cast<u64>(old >> 64);
  } else {
    u64 expected = static_cast<u32>(rs) | rs2 << 32;
    __atomic_compare_exchange_n(at<u64>(address), &expected, static_cast<u32>(rt) | rt2 << 32, false,
                                order_of<acquire, release>, acquire ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);
    rs = static_cast<u32>(expected);
    old2 = expected >> 32;
  }
}

template <int size, int acquire, int release>
SEM ldadd(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_add(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                          order_of<acquire, release>);
}
template <int size, int acquire, int release>
SEM ldclr(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_and(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(~rs),
                          order_of<acquire, release>);
}
template <int size, int acquire, int release>
SEM ldeor(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_xor(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                          order_of<acquire, release>);
}
template <int size, int acquire, int release>
SEM ldset(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_or(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                         order_of<acquire, release>);
}
template <int size, int acquire, int release>
SEM swp(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_exchange_n(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                           order_of<acquire, release>);
}

template <int size>
using SignedMemory [[gnu::may_alias]] = typename IntegerOfSize<size>::Signed;

template <int size, int acquire, int release>
SEM ldsmax(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = static_cast<Memory<size>>(__atomic_fetch_max(at<SignedMemory<size>>(aligned<Memory<size>>(cpu, rn)),
                                                    static_cast<SignedMemory<size>>(rs), order_of<acquire, release>));
}
template <int size, int acquire, int release>
SEM ldsmin(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = static_cast<Memory<size>>(__atomic_fetch_min(at<SignedMemory<size>>(aligned<Memory<size>>(cpu, rn)),
                                                    static_cast<SignedMemory<size>>(rs), order_of<acquire, release>));
}
template <int size, int acquire, int release>
SEM ldumax(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_max(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                          order_of<acquire, release>);
}
template <int size, int acquire, int release>
SEM ldumin(Cpu& cpu, Src<1> rs, Dst<1> rt, Src<1> rn) {
  rt = __atomic_fetch_min(at<Memory<size>>(aligned<Memory<size>>(cpu, rn)), static_cast<Memory<size>>(rs),
                          order_of<acquire, release>);
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
