// Section vector_memory.
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector_memory.def"
#define FERRY_SECTION_NAME vector_memory

namespace ferry::aarch64 {

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
