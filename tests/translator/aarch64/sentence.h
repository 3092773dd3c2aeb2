// A test of one instruction as a sentence: state in, instruction, state out.
//
//   adds_imm sf=1 imm12=1 rn=1 rd=0 | x1=0xffffffffffffffff | x0=0 nzcv=0110
//   ldr_imm size=1 imm12=1 rn=1 rt=0 | x1=mem+0x100 mem+0x108=0x1122334455667788 | x0=0x1122334455667788
//   b_cond cond=0 imm19=4 | nzcv=0100 | pc=+16
//   ldr_imm size=1 rn=1 rt=0 | x1=0x1000 | signal=11
//
// First the row's name and its fields (others are 0), as aarch64::assemble() takes them. Then what the state is before, then what
// is different after; everything not named there must be as it was, and the pc must be at the next instruction.
// Names: x0..x30, sp, v0..v31 (v1=0xHIGH:0xLOW), nzcv (four binary digits), fpcr, fpsr, pc (relative, after), signal (after),
// mem+OFFSET (eight bytes of the data window, whose other bytes have a fixed pattern). A value may be mem+OFFSET, or pc+OFFSET.
// Registers that a sentence does not name hold distinct values. Lines that begin with # and empty ones are skipped.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/types.h"
#include "tests/translator/oracle/record.h"

namespace ferry::test {

struct MemoryWord {
  u64 offset, value;
};

struct Sentence {
  std::string row;
  u32 word = 0;
  OracleState before{};
  OracleState after{};
  u64 signal = 0;
  std::vector<MemoryWord> memory_before, memory_after;
};

// The state that sentences start from, for a slot at this address.
OracleState default_state(u64 pc);

// Parses a line for a slot at `pc`; nullopt and `error` when it is malformed.
std::optional<Sentence> parse_sentence(std::string_view line, u64 pc, std::string& error);

// The sentence that says what a completed or faulted instruction did: named inputs are those registers in `before` that differ
// from the default state. Fails (empty) when memory changed in more than one word.
std::string print_sentence(u32 word, const OracleState& before, const OracleResult& after);

}  // namespace ferry::test
