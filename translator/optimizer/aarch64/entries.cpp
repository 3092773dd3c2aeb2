#include "translator/optimizer/entries.h"

#include "translator/stencil/host.h"

namespace ferry::optimizer {

std::vector<u8> entry_code(std::span<const u8>, u32 body, u32 block, u32 at) {
  std::vector<u8> bytes(stencil::argument_jump_size);
  stencil::write_argument_jump(bytes.data(), at, block, body);
  return bytes;
}

}  // namespace ferry::optimizer
