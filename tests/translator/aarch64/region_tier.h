// The optimised tier for tests: guest code in this process's memory, compiled as regions in this process and installed as a
// guest would install them.
#pragma once
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/translator/aarch64/machine.h"
#include "translator/optimizer/compile.h"

namespace ferry::test {

// Guest code that goes into one region whole, and where control may enter it.
struct Piece {
  u64 begin;
  u32 words;
  std::vector<u64> entries;                        // guest addresses in it; none: only its begin
  std::vector<std::pair<u64, u64>> indirect = {};  // branch and target
};

// Compiles the pieces, ascending and disjoint, as few regions of many pieces, and installs them. What each has to do with
// others is that they share a function of LLVM's: a branch from one into another stays in the region.
// The entries that the compiler has left out, because their instruction is not for regions.
std::set<u64> install_regions(std::span<const Piece> pieces);

// A region as it comes from the optimiser's process, and where its base is here. The test fails when there is none.
struct CompiledRegion {
  u64 base;
  optimizer::Region region;
};
std::optional<CompiledRegion> compile_region(std::span<const Piece> pieces);

// One region of these pieces, installed.
std::set<u64> install_region_of(std::span<const Piece> pieces);

// What else a fault at `pc` tells than Machine's result: empty, or lines like those of differences(). Where nobody wants an atomic
// operation's result LLVM may do with one host instruction, which faults as a write at once: then that is not compared.
std::string exit_differences(const translator::Exit& expected, const translator::Exit& actual, u64 pc);

}  // namespace ferry::test
