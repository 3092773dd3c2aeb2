// Loads and stores of SIMD&FP registers, one or a pair: DDI 0487 C7.2. All memory is read before any register is written.
#include "translator/aarch64/semantics/vector.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_memory.def"
#define FERRY_SECTION_NAME vector_memory

namespace ferry::aarch64 {

constexpr bool transfer_allocated(int size, int q) { return q == 0 || size == 0; }
constexpr int transfer_scale(int size, int q) { return q == 0 ? size : 4; }

#define SINGLE_REGISTER(name, Base, Offset, calculation)               \
  template <int size, int q>                                           \
    requires(transfer_allocated(size, q))                              \
  SEM ld##name(Cpu&, VDst vt, Base rn, Offset offset) {                \
    u64 address = rn;                                                  \
    auto value = load<Transfer<transfer_scale(size, q)>>(calculation); \
    vt = value;                                                        \
    WRITE_BACK                                                         \
  }                                                                    \
  template <int size, int q>                                           \
    requires(transfer_allocated(size, q))                              \
  SEM st##name(Cpu&, VDst vt, Base rn, Offset offset) {                \
    u64 address = rn;                                                  \
    using T = Transfer<transfer_scale(size, q)>;                       \
    store<T>(calculation, vt.as<T>());                                 \
    WRITE_BACK                                                         \
  }
#define WRITE_BACK
SINGLE_REGISTER(r_imm_simd, Src<1>, UImm, address + offset)
SINGLE_REGISTER(ur_simd, Src<1>, SImm, address + offset)
#undef WRITE_BACK
#define WRITE_BACK rn = address + offset;
SINGLE_REGISTER(r_post_simd, SrcDst<1>, SImm, address)
SINGLE_REGISTER(r_pre_simd, SrcDst<1>, SImm, address + offset)
#undef WRITE_BACK

// The register offset: X, or W zero- or sign-extended, shifted left by the access size where S.
template <int scale, int sign, int x, int s>
FERRY_INLINE u64 extended(Src<1> rm) {
  u64 value = rm;
  if constexpr (x == 0)
    value = sign ? static_cast<u64>(static_cast<i64>(static_cast<i32>(value))) : static_cast<u32>(value);
  return value << (s ? scale : 0);
}

template <int size, int q, int sign, int x, int s>
  requires(transfer_allocated(size, q))
SEM ldr_reg_simd(Cpu&, VDst vt, Src<1> rn, Src<1> rm) {
  constexpr int scale = transfer_scale(size, q);
  vt = load<Transfer<scale>>(rn + extended<scale, sign, x, s>(rm));
}

template <int size, int q, int sign, int x, int s>
  requires(transfer_allocated(size, q))
SEM str_reg_simd(Cpu&, VSrc vt, Src<1> rn, Src<1> rm) {
  constexpr int scale = transfer_scale(size, q);
  store<Transfer<scale>>(rn + extended<scale, sign, x, s>(rm), vt.as<Transfer<scale>>());
}

template <int opc>
SEM ldr_lit_simd(Cpu&, VDst vt, Imm64 address) {
  vt = load<Transfer<2 + opc>>(address);
}

template <class T>
FERRY_INLINE void load_pair(VDst vt, VDst vt2, u64 address) {
  T low = load<T>(address), high = load<T>(address + sizeof(T));
  vt = low;
  vt2 = high;
}
template <class T>
FERRY_INLINE void store_pair(VSrc vt, VSrc vt2, u64 address) {
  store<T>(address, vt.as<T>());
  store<T>(address + sizeof(T), vt2.as<T>());
}

template <int opc>
SEM ldp_simd(Cpu&, VDst vt, VDst vt2, Src<1> rn, SImm offset) {
  load_pair<Transfer<2 + opc>>(vt, vt2, rn + offset);
}
template <int opc>
SEM stp_simd(Cpu&, VSrc vt, VSrc vt2, Src<1> rn, SImm offset) {
  store_pair<Transfer<2 + opc>>(vt, vt2, rn + offset);
}
template <int opc>
SEM ldnp_simd(Cpu&, VDst vt, VDst vt2, Src<1> rn, SImm offset) {
  load_pair<Transfer<2 + opc>>(vt, vt2, rn + offset);
}
template <int opc>
SEM stnp_simd(Cpu&, VSrc vt, VSrc vt2, Src<1> rn, SImm offset) {
  store_pair<Transfer<2 + opc>>(vt, vt2, rn + offset);
}

template <int opc>
SEM ldp_post_simd(Cpu&, VDst vt, VDst vt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  load_pair<Transfer<2 + opc>>(vt, vt2, address);
  rn = address + offset;
}
template <int opc>
SEM stp_post_simd(Cpu&, VSrc vt, VSrc vt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn;
  store_pair<Transfer<2 + opc>>(vt, vt2, address);
  rn = address + offset;
}
template <int opc>
SEM ldp_pre_simd(Cpu&, VDst vt, VDst vt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  load_pair<Transfer<2 + opc>>(vt, vt2, address);
  rn = address;
}
template <int opc>
SEM stp_pre_simd(Cpu&, VSrc vt, VSrc vt2, SrcDst<1> rn, SImm offset) {
  u64 address = rn + offset;
  store_pair<Transfer<2 + opc>>(vt, vt2, address);
  rn = address;
}

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
