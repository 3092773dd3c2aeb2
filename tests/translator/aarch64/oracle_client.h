// Runs batches of instructions on the oracle: an independent implementation of AArch64 (qemu-aarch64, or the silicon when the
// host is AArch64) in another process.
#pragma once
#include <optional>
#include <vector>

#include "guest/types.h"
#include "tests/translator/oracle/record.h"

namespace ferry::test {

struct Case {
  u32 word;
  OracleState state;  // state.pc is set from the case's index
};

// Up to ORACLE_BLOCK_WORDS instructions that run after each other.
struct BlockCase {
  std::vector<u32> words;
  OracleState state;  // as above
};

// One result a case; nullopt (with a message on standard error) when the oracle cannot be run.
std::optional<std::vector<OracleResult>> ask_oracle(std::vector<Case>& cases);
std::optional<std::vector<OracleResult>> ask_oracle(std::vector<BlockCase>& cases);

// The signal that each word ends with, 0 for none, when it is run from oracle_probe_state() on a model of this processor.
std::optional<std::vector<u8>> probe_oracle(const std::vector<u32>& words, const char* processor);

}  // namespace ferry::test
