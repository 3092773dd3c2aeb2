// What a compilation can say about itself besides its result: what it took, and, when somebody wants to read it, what the code was on
// its way. Plain data, like requests and regions; the text is nobody's input.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"

namespace ferry::optimizer {

// In nanoseconds of cpu time.
struct CompileTimes {
  u64 lift = 0;      // control flow, inlining, fault edges
  u64 optimise = 0;  // IR passes
  u64 generate = 0;  // code generation
  u64 pack = 0;      // from the object file to a Region
  u64 total() const { return lift + optimise + generate + pack; }
  void add(const CompileTimes& other);
};

// What is wanted of it for people to read.
struct Listing {
  bool wanted = false;
  std::string before, after;  // LLVM IR before and after the passes
  std::string code;           // the guest's instructions, with the host's that they became beside them
};

// As bytes, and back; a text that is too long is cut. nullopt when it is malformed.
std::vector<u8> write_listing(const Listing& listing);
std::optional<Listing> read_listing(std::span<const u8> bytes);
inline constexpr size_t max_listing_text = size_t{2} << 20;  // bytes of each

}  // namespace ferry::optimizer
