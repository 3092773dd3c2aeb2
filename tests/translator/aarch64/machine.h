// A guest CPU with the memory that the instruction tests share: the tested words' slots and the data window of
// oracle/record.h, mapped in this process too, and host fault handlers that report guest faults.
#pragma once
#include <span>
#include <string>

#include "tests/translator/oracle/record.h"
#include "translator/aarch64/decode.h"
#include "translator/translator.h"

namespace ferry::test {

enum class Tier { reference, baseline, region };  // region: where one has been installed, see region_tier.h

class Machine {
 public:
  // One a process: maps the slots and the window, starts the translator, installs fault handlers.
  static Machine& instance();

  // Puts the word into slot `slot`, followed by BRK #0, and drops translations of the slot's old contents.
  void place(u64 slot, u32 word);

  // Puts up to ORACLE_BLOCK_WORDS words into block slot `slot`, followed by BRK #0s; likewise.
  void place_block(u64 slot, std::span<const u32> words);

  // Puts a program at the beginning of the slots; likewise. The word after it is BRK #0, too.
  void place_program(std::span<const u32> words);

  // Whether the slots are read-only: then no case can change another's.
  void protect_code(bool read_only);

  // Runs the instructions in the slot of state.pc from `state`. A result's pc after completed ones is the next pc.
  OracleResult run(Tier tier, const OracleState& state, u64 instructions = 1);

  // What is done before a run goes on after a poll that somebody asked for; null: that ends it.
  void go_on_after_polls(void (*after_poll)()) { after_poll_ = after_poll; }
  u64 polls() const { return polls_; }

  // How the last run ended.
  const translator::Exit& last_exit() const { return exit_; }

  aarch64::Cpu& cpu() { return cpu_; }

 private:
  Machine();
  aarch64::Cpu cpu_{};
  translator::Exit exit_{};
  void (*after_poll_)() = nullptr;
  u64 polls_ = 0;
};

// The differences between two results, one line each; empty when there are none. FP state only where asked.
std::string differences(const OracleResult& expected, const OracleResult& actual);

}  // namespace ferry::test
