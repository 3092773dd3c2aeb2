// libFuzzer target for the ELF parser: no input may crash it, and what it accepts must keep what elf.h promises.
#include <cstdlib>

#include "loader/elf.h"

using namespace ferry;
using namespace ferry::loader;

static void require(bool kept) {
  if (!kept) abort();
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {  // NOLINT(readability-identifier-naming)
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
