// libFuzzer target for what is read from sockets and store files: no input may crash a reader, and what one accepts must come out
// the same when it is written again.
#include <cstdlib>
#include <cstring>

#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/report.h"

using namespace ferry;
using namespace ferry::optimizer;

// Most of the inputs would get no further than the first words without them.
extern "C" size_t LLVMFuzzerMutate(u8* data, size_t size, size_t max_size);  // NOLINT(readability-identifier-naming)
extern "C" size_t LLVMFuzzerCustomMutator(u8* data, size_t size,
                                          size_t max_size,  // NOLINT(readability-identifier-naming)
                                          unsigned seed) {
  if (size < 16) {
    std::vector<u8> good = seed % 3 == 0   ? write_page(sample_page())
                           : seed % 3 == 1 ? write_region(sample_region())
                                           : write_request(sample_request());
    if (good.size() <= max_size) {
      memcpy(data, good.data(), good.size());
      size = good.size();
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

static void require(bool kept) {
  if (!kept) abort();
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {  // NOLINT(readability-identifier-naming)
  std::span<const u8> bytes{data, size};
  if (auto request = read_request(bytes)) {
    std::vector<u8> again = write_request(*request);
    require(again.size() == size && memcmp(again.data(), data, size) == 0);
  }
  read_extent(bytes, size % 4);
  if (auto region = read_region(bytes)) {
    std::vector<u8> again = write_region(*region);
    require(again.size() == size && memcmp(again.data(), data, size) == 0);
  }
  std::vector<u8> aligned(bytes.begin(), bytes.end());
  if (auto page = read_page(aligned)) require(write_page(*page) == aligned);
  if (auto listing = read_listing(bytes)) {
    for (const std::string& text : {listing->before, listing->after, listing->code})
      require(text.size() <= max_listing_text + 100);
  }
  return 0;
}
