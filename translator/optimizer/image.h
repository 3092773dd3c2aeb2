// The optimiser's executable, as data in ferry's own file: whole pages that nothing touches before an optimiser is started.
#pragma once
#include <span>

#include "guest/types.h"

namespace ferry::optimizer {

// Empty when ferry was built without LLVM's libraries.
std::span<const u8> image();

}  // namespace ferry::optimizer
