#include "translator/optimizer/image.h"

#ifdef FERRY_OPTIMIZER_IMAGE
// Pages of its own on both sides, so that reading a neighbour brings none of it in.
asm(R"(
    .section .ferry_optimizer_image, "a", %progbits
    .balign 4096
    .globl ferry_optimizer_image, ferry_optimizer_image_end
    .hidden ferry_optimizer_image, ferry_optimizer_image_end
ferry_optimizer_image:
    .incbin ")" FERRY_OPTIMIZER_IMAGE R"("
ferry_optimizer_image_end:
    .balign 4096
    .previous
)");
extern "C" const ferry::u8 ferry_optimizer_image[], ferry_optimizer_image_end[];

std::span<const ferry::u8> ferry::optimizer::image() { return {ferry_optimizer_image, ferry_optimizer_image_end}; }
#else
std::span<const ferry::u8> ferry::optimizer::image() { return {}; }
#endif
