// Runs a batch of instructions on the oracle: an independent implementation of AArch64 (qemu-aarch64, or the silicon when the
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

// One result a case; nullopt (with a message on standard error) when the oracle cannot be run.
std::optional<std::vector<OracleResult>> ask_oracle(std::vector<Case>& cases);

}  // namespace ferry::test
