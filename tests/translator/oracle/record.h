// What the comparison tests and the oracle exchange over pipes. The oracle is a small AArch64 program that runs single
// instructions, or short sequences, on the silicon or on an independent emulator, and reports the state they leave.
// Input: Header, `count` times `words` words, `count` States. Output: `count` Results, in order.
// With `probe`: Header and words in; one byte a case out, the signal that it ends with when run from oracle_probe_state().
#pragma once
#ifdef __cplusplus
#include <cstdint>
#else
#include <stdint.h>
#endif

// Both sides map these at the same addresses: one slot for each case, its words and a last one that traps ...
#define ORACLE_CODE 0x20000000ul
#define ORACLE_CODE_SIZE 0x1000000ul
#define ORACLE_SLOT 8ul          // bytes, of cases that are one instruction
#define ORACLE_BLOCK_WORDS 31ul  // most instructions of a case
#define ORACLE_BLOCK_SLOT 128ul  // bytes, of cases that are up to so many
// ... and memory that instructions may access, filled by oracle_pattern(); around it nothing is mapped.
#define ORACLE_WINDOW 0x10000000ul
#define ORACLE_WINDOW_SIZE 0x2000ul

struct OracleHeader {
  uint64_t magic;
  uint64_t count;
  uint64_t words;  // of a case; one less than a power of two
  uint64_t probe;
};
#define ORACLE_MAGIC 0x656c6361726f7966ul

struct OracleState {
  uint64_t x[31], sp, pc, nzcv;  // nzcv: N is bit 31, V bit 28
  uint64_t v[32][2];
  uint64_t fpcr, fpsr;
};

struct OracleResult {
  struct OracleState state;
  uint64_t signal;  // 0: the instruction completed
  uint64_t fault_address;
  uint64_t memory_hash;     // of the words of the window that changed; 0 when none did
  uint64_t changed_offset;  // the first changed word's
  uint64_t changed_value;
};

static inline uint64_t oracle_pattern(uint64_t index) {
  uint64_t z = (index + 1) * 0x9e3779b97f4a7c15ul;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
  return z ^ (z >> 27);
}

// The state in which words are probed: the base register of loads and stores (Rn) points into the window, the others are small.
static inline void oracle_probe_state(struct OracleState* state, uint32_t word, uint64_t index) {
  uint8_t* bytes = (uint8_t*)state;
  for (unsigned i = 0; i < sizeof *state; i++) bytes[i] = 0;
  for (int i = 0; i < 31; i++) state->x[i] = 64;
  state->sp = ORACLE_WINDOW + ORACLE_WINDOW_SIZE / 2;
  if ((word >> 5 & 31) != 31) state->x[word >> 5 & 31] = state->sp;
  state->pc = ORACLE_CODE + index * ORACLE_SLOT;
}

// Compares the window with its pattern, fills in the result's memory fields and restores the pattern.
static inline void oracle_check_window(struct OracleResult* result) {
  uint64_t* window = (uint64_t*)ORACLE_WINDOW;
  result->memory_hash = result->changed_offset = result->changed_value = 0;
  for (uint64_t i = 0; i < ORACLE_WINDOW_SIZE / 8; i++) {
    uint64_t expected = oracle_pattern(i);
    if (window[i] == expected) continue;
    if (result->memory_hash == 0) {
      result->changed_offset = i * 8;
      result->changed_value = window[i];
    }
    result->memory_hash = (result->memory_hash * 31 + i * 8 + 1) * 0x9e3779b97f4a7c15ul + window[i];
    window[i] = expected;
  }
}
