#include "translator/stencil/library.h"

#include <sys/mman.h>

#include <cstring>
#include <iterator>

#include "guest/check.h"

// FERRY_STENCILS_BIN is the path of the forge's output for this host.
asm(R"(
    .section .rodata.ferry_stencil_library, "a"
    .balign 64
    .globl ferry_stencil_library
    .hidden ferry_stencil_library
ferry_stencil_library:
    .incbin ")" FERRY_STENCILS_BIN R"("
    .previous
)");
extern "C" const ferry::u8 ferry_stencil_library[];

// The helpers that stencils call, and what only regions do.
#define FERRY_REGION_HELPERS FERRY_HELPER(ferry_a64_settle_flags)

#define FERRY_HELPER(name) extern "C" void name();
#include FERRY_STENCIL_HELPERS
FERRY_REGION_HELPERS
#undef FERRY_HELPER

namespace ferry::stencil {

namespace {
const void* const helper_addresses[] = {
#define FERRY_HELPER(name) reinterpret_cast<const void*>(&name),
#include FERRY_STENCIL_HELPERS
    FERRY_REGION_HELPERS
#undef FERRY_HELPER
    nullptr,
};
constexpr const char* helper_names[] = {
#define FERRY_HELPER(name) #name,
#include FERRY_STENCIL_HELPERS
    FERRY_REGION_HELPERS
#undef FERRY_HELPER
    nullptr,
};
}  // namespace

const Library& library() {
  static const Library library = [] {
    const u8* p = ferry_stencil_library;
    const auto& header = *reinterpret_cast<const Header*>(p);
    check(header.magic == library_magic);
    Library l{};
    l.stencil_count = header.stencil_count;
    l.constants_size = header.constants_size;
    l.stencils = reinterpret_cast<const Stencil*>(p + sizeof header);
    l.bodies = reinterpret_cast<const Bodies*>(l.stencils + header.stencil_count);
    l.code = reinterpret_cast<const u8*>(l.bodies + header.body_count);
    l.constants = l.code + header.code_size;
    l.helpers = helper_addresses;
    l.helper_count = std::size(helper_addresses) - 1;
    // Translating reads all over it: one call instead of a page fault for every sixteen pages.
    u64 begin = reinterpret_cast<u64>(p) & ~u64{4095}, end = reinterpret_cast<u64>(l.constants + l.constants_size);
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
    return l;
  }();
  return library;
}

const void* find_helper(const char* name) {
  for (size_t i = 0; helper_names[i] != nullptr; i++) {
    if (strcmp(name, helper_names[i]) == 0) return helper_addresses[i];
  }
  return nullptr;
}

}  // namespace ferry::stencil
