#include "translator/optimizer/entries.h"

namespace ferry::optimizer {

std::vector<u8> entry_code(std::span<const u8>, u32 body, u32 block, u32 at) {
  u32 to_block = block - at, to_body = body - (at + 4);
  const u32 words[] = {0x10000015 | (to_block & 3) << 29 | (to_block >> 2 & 0x7ffff) << 5,  // adr x21, block
                       0x14000000 | (to_body >> 2 & 0x03ffffff)};                           // b body
  auto* bytes = reinterpret_cast<const u8*>(words);
  return {bytes, bytes + sizeof words};
}

}  // namespace ferry::optimizer
