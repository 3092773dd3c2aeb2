// From LLVM's object file to a Region: sections laid out, relocations between them applied, what is left listed for the installer.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "translator/optimizer/lift.h"

namespace ferry::optimizer {

// Fills region.code, entries, exits, helpers, relocations, fault edges and states, and lines: those of the accesses, or all that there is
// debugging information for. `text_end`: of the code, where instructions end. False with `why` on an object it cannot pack.
bool pack(llvm::StringRef object, const Lifted& lifted, Region& region, size_t& text_end, std::string& why);

}  // namespace ferry::optimizer
