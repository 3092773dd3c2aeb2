// Random structured programs: functions that call each other and themselves, loops, branches, tables, returns to where nobody called from,
// with random instructions between. They end by BRK, or by a fault in some iteration of some loop; always after a bounded number
// of instructions.
#pragma once
#include <array>
#include <random>
#include <vector>

#include "tests/translator/aarch64/block_generator.h"

namespace ferry::test {

struct Program {
  std::vector<u32> words;        // at ORACLE_CODE
  OracleState state;             // what it starts with
  std::vector<u32> interesting;  // words where control comes from elsewhere: loop heads, functions, returns
  std::vector<std::pair<u32, u32>> indirect;  // branches through registers and where they go
};

class ProgramGenerator {
 public:
  explicit ProgramGenerator(u64 seed) : random_(seed), words_(seed) {}

  Program program();

 private:
  using Label = size_t;
  enum class Field : u8 { imm26, imm19, imm14, adr };

  // Control keeps these registers; random instructions do not write them.
  static constexpr u32 first_counter = 14, counters = 4, index = 18, recursion = 28, target = 29, link = 30;
  static constexpr u64 longest = 20000;  // instructions executed, about
  static constexpr u32 functions = 7;    // the first is where the program starts

  bool chance(u32 n) { return random_() % n == 0; }
  u32 below(u64 n) { return static_cast<u32>(random_() % n); }

  void put(u32 word) { program_.words.push_back(word); }
  u32 here() const { return static_cast<u32>(program_.words.size()); }
  Label new_label() { return labels_.push_back(0), labels_.size() - 1; }
  void place(Label label) { labels_[label] = here(); }
  void put(u32 word, Label label, Field field) {
    fixups_.push_back({here(), label, field});
    put(word);
  }
  void resolve();

  static bool is_kept_for_control(u32 r) { return (r >= first_counter && r <= index) || r >= recursion; }
  u32 random_word();

  // Each returns about how many instructions it executes.
  u64 function(u32 number);
  u64 statements(u32 number, u32 nesting, u64 limit);
  u64 statement(u32 number, u32 nesting, u64 limit);
  u64 straight(u32 longest_run = 6);
  u64 walk();
  u64 choice(u32 number, u32 nesting, u64 limit);
  u64 loop(u32 number, u32 nesting, u64 limit);
  u64 call(u32 number, u64 limit);
  u64 table(u32 number);
  void conditional_branch(Label label);

  std::mt19937_64 random_;
  BlockGenerator words_;
  Program program_;
  std::vector<size_t> labels_;
  struct Fixup {
    u32 at;
    Label label;
    Field field;
  };
  std::vector<Fixup> fixups_;
  std::array<Label, functions> entries_{};
  std::array<u64, functions> costs_{};
  u32 end_ = 0;        // of the function, about
  Label landing_ = 0;  // near the program's end, for returns that go astray
};

inline void ProgramGenerator::resolve() {
  for (const Fixup& fixup : fixups_) {
    u32 distance = static_cast<u32>(labels_[fixup.label]) - fixup.at;
    u32& word = program_.words[fixup.at];
    switch (fixup.field) {
      case Field::imm26:
        word |= distance & 0x3ffffff;
        break;
      case Field::imm19:
        word |= (distance & 0x7ffff) << 5;
        break;
      case Field::imm14:
        word |= (distance & 0x3fff) << 5;
        break;
      case Field::adr:
        word |= (distance & 0x7ffff) << 5;  // in words: the low two bits stay zero
        break;
    }
  }
}

inline u32 ProgramGenerator::random_word() {
  for (;;) {
    u32 word = words_.word();
    u32 rd = word & 31, second = word >> 10 & 31, status = word >> 16 & 31, base = word >> 5 & 31;
    bool memory = is_memory(word);
    // The stack is control's.
    if (memory && base == 31) continue;
    if (memory && base == nowhere && !chance(8)) continue;
    if (is_kept_for_control(rd) && rd != 31) continue;
    if (memory && ((is_kept_for_control(second) && second != 31) || (is_kept_for_control(status) && status != 31)))
      continue;
    bool pair = std::string_view(row_of(word).name) == "casp";
    if (pair && (rd + 1 >= first_counter || status + 1 >= first_counter)) continue;
    // A region stops at these: now and then.
    std::string_view name = row_of(word).name;
    if ((name == "mrs_fpsr" || name == "isb" || name == "ic_ivau") && !chance(8)) continue;
    return word;
  }
}

inline u64 ProgramGenerator::straight(u32 longest_run) {
  u32 count = 1 + below(longest_run);
  for (u32 i = 0; i < count; i++) put(random_word());
  return count;
}

// A base moves on, so that a loop around this leaves the window in the end.
inline u64 ProgramGenerator::walk() {
  u32 base = first_base + 1 + below(2), step = 8 << below(3), data = below(first_counter),
      second = (data + 1) % first_counter;
  switch (below(5)) {
    case 0:
      put(0xf8400400 | step << 12 | base << 5 | data);  // LDR X, [base], #step
      break;
    case 1:
      put(0xf8000400 | step << 12 | base << 5 | data);  // STR X
      break;
    case 2:
      put(0xa8c00000 | (step / 8) << 15 | second << 10 | base << 5 | data);  // LDP X
      break;
    case 3:
      put(0x3cc00400 | step << 12 | base << 5 | data);  // LDR Q
      break;
    default:
      put(0x38400400 | step << 12 | base << 5 | data);  // LDRB
      break;
  }
  return 1;
}

inline void ProgramGenerator::conditional_branch(Label label) {
  u32 any = static_cast<u32>(random_()), r = below(first_counter);
  switch (below(5)) {
    case 0:
      put(0x34000000 | (any & 0x81000000) | r, label, Field::imm19);  // CBZ, CBNZ
      break;
    case 1:
      put(0x36000000 | (any & 0x01000000) | (any & 0x80000000) | (any & 0x1f) << 19 | r, label,
          Field::imm14);  // TBZ, TBNZ
      break;
    default:
      put(0x54000000 | below(14), label, Field::imm19);  // B.cond
      break;
  }
}

inline u64 ProgramGenerator::choice(u32 number, u32 nesting, u64 limit) {
  Label otherwise = new_label(), end = new_label();
  bool has_else = chance(2);
  conditional_branch(otherwise);
  u64 cost = 1 + statements(number, nesting, limit / 2);
  if (has_else) put(0x14000000, end, Field::imm26);
  place(otherwise);
  if (has_else) cost += statements(number, nesting, limit / 2);
  place(end);
  return cost;
}

inline u64 ProgramGenerator::loop(u32 number, u32 nesting, u64 limit) {
  u32 counter = first_counter + nesting;
  Label head = new_label(), next = new_label(), end = new_label();
  u32 turns = 1 + below(chance(4) ? 40 : 8);
  put(0xd2800000 | turns << 5 | counter);  // MOVZ
  bool tests_first = chance(3);
  place(head);
  program_.interesting.push_back(here());
  if (tests_first) put(0xb4000000 | counter, end, Field::imm19);
  u64 cost = 2;
  if (!chance(3)) cost += walk();
  cost += statements(number, nesting + 1, limit / turns);
  if (chance(4)) conditional_branch(chance(2) ? end : next);
  if (chance(2)) cost += straight();
  place(next);
  bool by_flags = chance(2) && !tests_first;
  put((by_flags ? 0xf1000400 : 0xd1000400) | counter << 5 | counter);  // SUBS, SUB
  if (tests_first)
    put(0x14000000, head, Field::imm26);
  else if (by_flags)
    put(0x54000001, head, Field::imm19);  // B.NE
  else
    put(0xb5000000 | counter, head, Field::imm19);  // CBNZ
  place(end);
  return 1 + cost * turns;
}

// Of a function further down, or of the same one while x28 allows it.
inline u64 ProgramGenerator::call(u32 number, u64 limit) {
  bool recursive = number != 0 && chance(3);
  u32 callee = number + 1 + below(functions - number);
  if (recursive) callee = number;
  if (callee >= functions || (!recursive && costs_[callee] > limit)) return straight();
  Label end = new_label();
  if (recursive) {
    put(0xb4000000 | recursion, end, Field::imm19);
    put(0xd1000400 | recursion << 5 | recursion);
  }
  if (chance(4)) {
    put(0x10000000 | target, entries_[callee], Field::adr);
    program_.indirect.push_back({here(), static_cast<u32>(entries_[callee])});  // a label as yet
    put(0xd63f0000 | target << 5);
  } else {
    put(0x94000000, entries_[callee], Field::imm26);
  }
  program_.interesting.push_back(here());
  put(random_word());  // what a return that goes astray may skip
  place(end);
  return recursive ? 8 : costs_[callee] + 3;
}

inline u64 ProgramGenerator::table(u32) {
  constexpr u32 cases = 4, words = 4;
  Label first = new_label(), end = new_label();
  put(0x92400400 | below(first_counter) << 5 | index);  // AND index, any, #3
  put(0x10000000 | target, first, Field::adr);
  put(0x8b000000 | index << 16 | 4 << 10 | target << 5 | target);  // ADD target, target, index, LSL #4
  u32 site = here();
  put(0xd61f0000 | target << 5);
  place(first);
  for (u32 i = 0; i < cases; i++) {
    program_.indirect.push_back({site, here() | 0x80000000});  // a word, not a label
    for (u32 k = 1; k < words; k++) put(random_word());
    put(0x14000000, end, Field::imm26);
  }
  place(end);
  return 8;
}

inline u64 ProgramGenerator::statement(u32 number, u32 nesting, u64 limit) {
  if (limit < 40 || here() > end_) return straight(3);
  switch (below(8)) {
    case 0:
    case 1:
      if (nesting < counters) return loop(number, nesting, limit);
      return straight();
    case 2:
    case 3:
      return choice(number, nesting, limit);
    case 4:
      return call(number, limit);
    case 5:
      return chance(3) ? table(number) : walk();
    default:
      return straight();
  }
}

inline u64 ProgramGenerator::statements(u32 number, u32 nesting, u64 limit) {
  u64 cost = 0;
  for (u32 count = 1 + below(3); count != 0; count--) cost += statement(number, nesting, limit / 3);
  return cost;
}

inline u64 ProgramGenerator::function(u32 number) {
  place(entries_[number]);
  program_.interesting.push_back(here());
  end_ = here() + below(28);
  bool has_frame = number != functions - 1;
  if (has_frame) {
    put(0xa9bd7bfd);  // STP X29, X30, [SP, #-48]!
    put(0xa9013fee);  // STP X14, X15, [SP, #16]
    put(0xa90247f0);  // STP X16, X17, [SP, #32]
  }
  // Without a frame the link register must last, and the counters are the caller's.
  u64 cost = has_frame ? 8 + statements(number, 0, longest / (number + 1)) : 2 + straight();
  if (has_frame) {
    put(0xa9413fee);
    put(0xa94247f0);
    put(0xa8c37bfd);
  }
  if (number != functions - 1 && chance(5)) {  // a tail call
    u32 callee = number + 1 + below(functions - 1 - number);
    put(0x14000000, entries_[callee], Field::imm26);
    return cost + costs_[callee];
  }
  if (chance(12)) put(0x10000000 | link, landing_, Field::adr);
  if (chance(12)) put(0x91001000 | link << 5 | link);  // ADD X30, X30, #4
  put(0xd65f03c0);
  return cost;
}

inline Program ProgramGenerator::program() {
  program_ = {};
  labels_.clear();
  fixups_.clear();
  for (Label& entry : entries_) entry = new_label();
  landing_ = new_label();
  Label start = new_label();
  put(0x14000000, start, Field::imm26);
  for (u32 number = functions - 1; number != 0; number--) costs_[number] = function(number);
  place(start);
  place(entries_[0]);
  program_.interesting.push_back(here());
  end_ = here() + 20 + below(60);
  for (u32 count = 1 + below(3); count != 0; count--) {
    if (chance(2)) loop(0, 0, longest);
    call(0, longest);
    statements(0, 0, longest);
  }
  place(landing_);
  program_.interesting.push_back(here());
  straight();
  put(0xd4200000);  // BRK
  resolve();
  for (auto& [site, to] : program_.indirect)
    to = (to & 0x80000000) != 0 ? to & 0x7fffffff : static_cast<u32>(labels_[to]);

  OracleState& s = program_.state;
  s = words_.state();
  s.pc = ORACLE_CODE;
  s.sp = ORACLE_WINDOW + ORACLE_WINDOW_SIZE - 0x100;
  for (u32 r = first_base; r < first_offset; r++) s.x[r] = ORACLE_WINDOW + 0x300 + random_() % 64 * 16;
  // So that some walks leave the window.
  if (chance(2)) s.x[first_base + 1] = ORACLE_WINDOW + ORACLE_WINDOW_SIZE - random_() % 32 * 8;
  if (chance(2)) s.x[first_base + 2] = ORACLE_WINDOW + ORACLE_WINDOW_SIZE - random_() % 64 * 16 - below(8);
  s.x[recursion] = random_() % 6;
  return program_;
}

}  // namespace ferry::test
