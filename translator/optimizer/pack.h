// From LLVM's object file to a Region: sections laid out, relocations between them applied, what is left listed for the installer.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "translator/optimizer/lift.h"

namespace ferry::optimizer {

// Fills region.code, entries, exits, helpers, relocations, fault_edges and lines. False with `why` on an object it cannot pack.
bool pack(llvm::StringRef object, const Lifted& lifted, Region& region, std::string& why);

}  // namespace ferry::optimizer
