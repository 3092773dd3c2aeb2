// From LLVM's object file to a Region: sections laid out, relocations between them applied, what is left listed for the installer.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "translator/optimizer/lift.h"

namespace ferry::optimizer {

// Fills region.code, entries, exits, helpers, relocations, fault edges and states, and lines: those of the accesses, or all that there is
// debugging information for. `loader` is the code of its loader. `text_end`: of the code, where instructions end. False with `why` on
// an object it cannot pack.
bool pack(llvm::StringRef object, llvm::StringRef loader, const Lifted& lifted, Region& region, size_t& text_end,
          std::string& why);

// The code of an object that is nothing but code; empty when it is more, or less.
std::string code_of(llvm::StringRef object);

}  // namespace ferry::optimizer
