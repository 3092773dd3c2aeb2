// libFuzzer target for the ELF parsers: no input may crash them, and what they accept must keep what their headers promise.
#include <cstdlib>

#include "loader/elf.h"
#include "loader/functions.h"

using namespace ferry;
using namespace ferry::loader;

static void require(bool kept) {
  if (!kept) abort();
}

static void require_functions(std::span<const u8> file) {
  auto code = find_functions(file, Isa::aarch64);
  if (!code) return;
  require(!code->segments.empty());
  for (const CodeSegment& segment : code->segments)
    require(segment.offset <= file.size() && segment.size <= file.size() - segment.offset);
  u64 previous = 0;
  for (const u64& function : code->functions) {
    bool inside = false;
    for (const CodeSegment& segment : code->segments) inside |= function - segment.address < segment.size;
    require(inside && function % 4 == 0 && (function > previous || &function == code->functions.data()));
    previous = function;
  }
}

static void require_names(std::span<const u8> file) {
  auto named = find_named_functions(file, Isa::aarch64);
  if (!named) return;
  const char* begin = reinterpret_cast<const char*>(file.data());
  for (const NamedFunction& function : named->functions) {
    require(!function.name.empty() && function.name.data() >= begin &&
            function.name.data() + function.name.size() < begin + file.size());
  }
  for (u64 offset : {u64{0}, u64{0x1000}, ~u64{0}})
    if (auto found = named->find(offset)) require(!found->name.empty());
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {  // NOLINT(readability-identifier-naming)
  require_functions({data, size});
  require_names({data, size});
  auto whole = parse_elf({data, size});
  if (!whole) {
    require(!whole.error().text().empty());
    return 0;
  }
  const Elf& elf = whole->elf;
  require(!elf.loads.empty() && elf.entry != 0);
  u64 end = 0;
  for (const Segment& s : elf.loads) {
    require(s.address >= end && s.memory_size != 0 && s.memory_size <= address_limit - s.address);
    require(s.file_size <= s.memory_size && s.offset <= size && s.file_size <= size - s.offset);
    require(s.file_size == 0 || (s.address - s.offset) % page_size == 0);
    require(s.alignment <= 1 || (s.alignment & (s.alignment - 1)) == 0);
    end = s.end();
  }
  require(elf.end() <= address_limit && elf.begin() < elf.end());
  require(whole->interpreter.size() < 4096);
  return 0;
}
