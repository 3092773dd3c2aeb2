// The semantic functions' bitcode as forge_bitcode writes it at build time and SemanticsLibrary reads it: a small module for each row of
// the encodings table. LLVM has to read what a module declares before any of its functions; for a section of the table that takes longer
// than to compile a loop.
#pragma once
#include "guest/types.h"

namespace ferry::optimizer {

// What the file begins with; then `rows` of RowBitcode, by their stencils.
struct SemanticsHeader {
  u32 rows;
};
struct RowBitcode {
  u32 first_stencil, offset, size;  // the id of its first stencil; where its module lies in the file, in bytes
};

}  // namespace ferry::optimizer
