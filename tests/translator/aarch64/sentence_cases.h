// The sentences of sentences/*.txt as cases to be run: each with a slot of its own, and what it promises in the form that a run gives it.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/translator/aarch64/machine.h"
#include "tests/translator/aarch64/sentence.h"

namespace ferry::test {

struct Line {
  std::string text, place;
};

inline std::vector<Line> all_lines() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(FERRY_SENTENCES)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Line> lines;
  for (const auto& path : files) {
    std::ifstream file(path);
    std::string text;
    for (int number = 1; std::getline(file, text); number++) {
      if (!text.empty() && text[0] != '#')
        lines.push_back({text, path.filename().string() + ":" + std::to_string(number)});
    }
  }
  return lines;
}

// Sentences stand apart, so that a branch in one does not run into another.
inline constexpr size_t stride = 8;
inline size_t slot_of(size_t sentence) { return sentence * stride + stride / 2; }
inline u64 slot_pc(size_t slot) { return ORACLE_CODE + slot * ORACLE_SLOT; }

// The result that the sentence promises, in the form that a run gives it.
inline OracleResult promised(const Sentence& sentence) {
  OracleResult result{};
  result.state = sentence.after;
  result.signal = sentence.signal;
  u64* window = reinterpret_cast<u64*>(ORACLE_WINDOW);
  for (const MemoryWord& m : sentence.memory_before) window[m.offset / 8] = m.value;
  for (const MemoryWord& m : sentence.memory_after) window[m.offset / 8] = m.value;
  oracle_check_window(&result);
  return result;
}

inline void set_memory(const Sentence& sentence) {
  for (const MemoryWord& m : sentence.memory_before) reinterpret_cast<u64*>(ORACLE_WINDOW)[m.offset / 8] = m.value;
}

// A branch's target holds no tested instruction: what happens there is not part of the sentence.
inline void stop_at_branch(const Sentence& sentence, OracleResult& result) {
  if (sentence.signal == 0 && sentence.after.pc != sentence.before.pc + 4) result.signal = 0;
}

}  // namespace ferry::test
