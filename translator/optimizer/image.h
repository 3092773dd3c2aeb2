// The optimiser's executable, as data in ferry's own file: whole pages that nothing touches before an optimiser is started. Where
// there is a /proc, ferry's file is executed again and becomes the optimiser by moving those pages to where they belong, which takes no
// copy of thirty megabytes in time or memory; elsewhere they are copied (launch.h).
#pragma once
#include <span>

#include "guest/types.h"

namespace ferry::optimizer {

// Empty when ferry was built without LLVM's libraries.
std::span<const u8> image();

// As a program's first argument: it shall be the optimiser.
inline constexpr const char* image_argument = "--optimizer";

// For main(), first of all: turns this process into the optimiser, as execve() of the image would. `argv` as main() has got it.
[[noreturn]] void enter_image(char** argv);

}  // namespace ferry::optimizer
