// Section vector.
#include "translator/aarch64/semantics/semantics.h"

#define FERRY_SECTION "translator/aarch64/encodings/vector.def"
#define FERRY_SECTION_NAME vector

namespace ferry::aarch64 {

#include "translator/aarch64/semantics/section.h"

}  // namespace ferry::aarch64
