// The condition flags of the flag-setting integer instructions, and every condition on them, over edge values.
#include "program.h"

static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 0x7f,
                                 0xff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0x8000000000000001,
                                 0xffffffff7fffffff,
                                 0xffffffff80000000,
                                 0xffffffffffffffff};
enum { edge_count = sizeof edges / sizeof edges[0] };

// Runs one instruction for each pair of edges and each incoming NZCV; hashes result and outgoing NZCV.
#define FLAGS(name, instruction)                                                      \
  static void name(void) {                                                            \
    uint64_t hash = HASH_START;                                                       \
    for (int i = 0; i < edge_count; i++)                                              \
      for (int j = 0; j < edge_count; j++)                                            \
        for (uint64_t in = 0; in < 16; in++) {                                        \
          uint64_t result = 0, out;                                                   \
          __asm__ volatile("msr nzcv, %[in]\n\t" instruction "\n\tmrs %[out], nzcv"   \
                           : [r] "+&r"(result), [out] "=&r"(out)                      \
                           : [in] "r"(in << 28), [a] "r"(edges[i]), [b] "r"(edges[j]) \
                           : "cc");                                                   \
          HASH(hash, result);                                                         \
          HASH(hash, out);                                                            \
        }                                                                             \
    print_hash(#name, hash);                                                          \
  }

#define BOTH(name, instruction, tail)                      \
  FLAGS(name##_x, instruction " %x[r], %x[a], %x[b]" tail) \
  FLAGS(name##_w, instruction " %w[r], %w[a], %w[b]" tail)

BOTH(adds, "adds", "")
BOTH(subs, "subs", "")
BOTH(adcs, "adcs", "")
BOTH(sbcs, "sbcs", "")
BOTH(ands, "ands", "")
BOTH(bics, "bics", "")
BOTH(adc, "adc", "")
BOTH(sbc, "sbc", "")
BOTH(adds_shifted, "adds", ", lsl #7")
BOTH(subs_shifted, "subs", ", asr #5")
BOTH(ands_rotated, "ands", ", ror #11")
FLAGS(adds_extended, "adds %x[r], %x[a], %w[b], sxtb #3")
FLAGS(subs_extended, "subs %x[r], %x[a], %w[b], uxth #2")
FLAGS(adds_immediate, "adds %x[r], %x[a], #4095")
FLAGS(subs_immediate, "subs %w[r], %w[a], #1, lsl #12")
FLAGS(ands_immediate, "ands %x[r], %x[a], #0x8080808080808080")
FLAGS(negs, "negs %x[r], %x[b]")
FLAGS(cmn, "cmn %w[a], %w[b]")
FLAGS(ccmp_register, "ccmp %x[a], %x[b], #5, lt")
FLAGS(ccmp_immediate, "ccmp %w[a], #17, #10, hi")
FLAGS(ccmn_register, "ccmn %w[a], %w[b], #3, ge")
FLAGS(ccmn_immediate, "ccmn %x[a], #1, #12, vc")
BOTH(csel, "csel", ", gt")
BOTH(csinc, "csinc", ", ls")
BOTH(csinv, "csinv", ", mi")
BOTH(csneg, "csneg", ", vs")

#define CONDITION(name) FLAGS(condition_##name, "cset %x[r], " #name "\n\tb." #name " 1f\n\tadd %x[r], %x[r], #16\n1:")
CONDITION(eq)
CONDITION(ne)
CONDITION(hs)
CONDITION(lo)
CONDITION(mi)
CONDITION(pl)
CONDITION(vs)
CONDITION(vc)
CONDITION(hi)
CONDITION(ls)
CONDITION(ge)
CONDITION(lt)
CONDITION(gt)
CONDITION(le)

// Without flags: bit fields, extracts, variable shifts, tests of bits.
BOTH(lslv, "lsl", "")
BOTH(lsrv, "lsr", "")
BOTH(asrv, "asr", "")
BOTH(rorv, "ror", "")
BOTH(extr, "extr", ", #19")
BOTH(sdiv, "sdiv", "")
BOTH(udiv, "udiv", "")
FLAGS(bfi, "mov %x[r], %x[b]\n\tbfi %x[r], %x[a], #13, #29")
FLAGS(bfxil, "mov %w[r], %w[b]\n\tbfxil %w[r], %w[a], #5, #9")
FLAGS(sbfiz, "sbfiz %x[r], %x[a], #20, #33")
FLAGS(ubfx, "ubfx %w[r], %w[a], #3, #21")
FLAGS(rbit, "rbit %x[r], %x[a]\n\trev16 %x[r], %x[r]\n\trev32 %x[r], %x[r]")
FLAGS(cls, "cls %w[r], %w[a]")
FLAGS(movk, "mov %x[r], %x[a]\n\tmovk %x[r], #0xbeef, lsl #32")
FLAGS(tbz, "tbz %x[a], #63, 1f\n\tadd %x[r], %x[r], #1\n1:\ttbnz %w[b], #7, 2f\n\tadd %x[r], %x[r], #2\n2:")
FLAGS(cbz, "cbz %w[a], 1f\n\tadd %x[r], %x[r], #1\n1:\tcbnz %x[b], 2f\n\tadd %x[r], %x[r], #2\n2:")

int main(void) {
  adds_x(), adds_w(), subs_x(), subs_w(), adcs_x(), adcs_w(), sbcs_x(), sbcs_w(), ands_x(), ands_w(), bics_x(),
      bics_w();
  adc_x(), adc_w(), sbc_x(), sbc_w();
  adds_shifted_x(), adds_shifted_w(), subs_shifted_x(), subs_shifted_w(), ands_rotated_x(), ands_rotated_w();
  adds_extended(), subs_extended(), adds_immediate(), subs_immediate(), ands_immediate(), negs(), cmn();
  ccmp_register(), ccmp_immediate(), ccmn_register(), ccmn_immediate();
  csel_x(), csel_w(), csinc_x(), csinc_w(), csinv_x(), csinv_w(), csneg_x(), csneg_w();
  condition_eq(), condition_ne(), condition_hs(), condition_lo(), condition_mi(), condition_pl(), condition_vs();
  condition_vc(), condition_hi(), condition_ls(), condition_ge(), condition_lt(), condition_gt(), condition_le();
  lslv_x(), lslv_w(), lsrv_x(), lsrv_w(), asrv_x(), asrv_w(), rorv_x(), rorv_w(), extr_x(), extr_w();
  sdiv_x(), sdiv_w(), udiv_x(), udiv_w(), bfi(), bfxil(), sbfiz(), ubfx(), rbit(), cls(), movk(), tbz(), cbz();
  return 0;
}
