// Forming regions: from a hot block the guest's control flow is walked over code that has run (or will: file_code.h), and what belongs together becomes a
// request: the loops around the block whole, else its function, and the functions that they call as far as there is room. Under the translation lock.
#pragma once
#include <map>
#include <unordered_map>

#include "translator/optimizer/mapping.h"
#include "translator/optimizer/region.h"

namespace ferry::optimizer {

// Where control was seen to go from a branch, and how often; the instruction behind a conditional one is one of its targets.
class BranchProfile {
 public:
  using Targets = std::map<u64, u32>;
  void add(u64 site, u64 target);
  const Targets& of(u64 site) const;

 private:
  std::unordered_map<u64, Targets> sites_;
};

// The guest's code, as far as it may be part of a region.
class Code {
 public:
  virtual ~Code() = default;
  virtual bool word_at(u64 pc, u32& word) = 0;  // pc: a multiple of 4
  virtual u32 regions_at(u64 pc) const = 0;     // how many regions hold it already
  virtual bool is_region_entry(u64 pc) const = 0;
};

struct FormInput {
  Code& code;
  const BranchProfile& branches;
  const Mapping& mapping;  // the region stays in it
  u64 pc;                  // the hot block
  u64 heat;
  u32 refusals =
      0;  // how often something too large or too difficult was formed from here: a quarter of it is tried then
  bool is_start = false;  // pc is where the function begins
};

// nullopt when nothing sensible can be made of it.
std::optional<Request> form(const FormInput& input);

}  // namespace ferry::optimizer
