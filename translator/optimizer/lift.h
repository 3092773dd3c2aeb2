// From guest code to LLVM IR: one function for a region, with the semantic functions inlined, guest registers and flags in
// local variables, an edge for every access that may fault, and the state written back wherever control leaves: at a fault by a stack
// map (fault_states.h).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "translator/optimizer/fault_states.h"
#include "translator/optimizer/region.h"
#include "translator/optimizer/semantics_library.h"

namespace ferry::optimizer {

// Names of symbols in the module, by which the packer knows what they are.
inline constexpr char base_symbol[] = "ferry_base";                   // u64: the guest address of the region's base
inline constexpr char helper_prefix[] = "ferry_helper.";              // + name: a pointer to it
inline constexpr char carried_exit_prefix[] = "ferry_carried_exit.";  // + index into Lifted::exits
inline constexpr char call_prefix[] = "ferry_call.";                  // + index into Lifted::calls
inline constexpr char carried_return_symbol[] = "ferry_carried_return";
inline constexpr char carried_lookup_symbol[] = "ferry_carried_lookup";
inline constexpr char entries_section[] = ".ferry_entries";  // an address in the region's body for each of the entries
inline constexpr char faults_section[] = ".ferry_faults";
inline constexpr char region_symbol[] = "ferry_region";
inline constexpr char loader_symbol[] = "ferry_loader";

struct LiftedEntry {
  u32 offset;
  bool in_map;
};

struct Lifted {
  std::unique_ptr<llvm::Module> module;
  llvm::Function* function = nullptr;
  std::vector<LiftedEntry> entries;
  std::vector<i32> exits;
  std::vector<Call> calls;
  std::vector<LiftedFault> faults;  // by the number of the stack map
  u32 instructions = 0;
};

// In debugging information the guest's instructions are the lines of a file, from the second on: the first is the function's.
inline constexpr u32 first_line = 2;
constexpr u32 line_of(u32 offset) { return offset / 4 + first_line; }
constexpr u32 offset_of_line(u32 line) { return (line - first_line) * 4; }

// `lines`: with debugging information. nullopt with `why` when no entry begins with an instruction that regions can hold.
std::optional<Lifted> lift(const Request& request, SemanticsLibrary& semantics, const llvm::DataLayout& layout,
                           bool lines, std::string& why);

}  // namespace ferry::optimizer
