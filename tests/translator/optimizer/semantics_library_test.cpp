// The bitcode that the build has cut into rows: it has what the reference has.
#include "translator/optimizer/semantics_library.h"

#include <gtest/gtest.h>

#include "llvm/IR/LLVMContext.h"
#include "translator/aarch64/decode.h"

namespace ferry::optimizer {
namespace {

TEST(SemanticsLibrary, HasAFunctionForEachStencilThatTheReferenceHas) {
  llvm::LLVMContext context;
  SemanticsLibrary library(context);
  size_t functions = 0;
  for (int row = 0; row < aarch64::row_count; row++) {
    int end = aarch64::first_stencils.first[row + 1];
    for (int stencil = aarch64::first_stencils.first[row]; stencil < end; stencil++) {
      aarch64::Instruction instruction{};
      instruction.row = static_cast<aarch64::RowId>(row);
      instruction.stencil = static_cast<u16>(stencil);
      const SemanticFunction& found = library.find(static_cast<u32>(stencil));
      EXPECT_EQ(found.function != nullptr, aarch64::reference(instruction) != nullptr) << "stencil " << stencil;
      if (found.function == nullptr) continue;
      functions++;
      EXPECT_FALSE(found.function->isDeclaration()) << "stencil " << stencil;
    }
  }
  EXPECT_GT(functions, 1000u);
}

}  // namespace
}  // namespace ferry::optimizer
