// The guest code of a request, decoded: what the compiler asks of it is which instruction stands at an offset, and whether
// control may come there from elsewhere than the instruction before.
#pragma once
#include <unordered_map>

#include "translator/aarch64/decode.h"
#include "translator/optimizer/region.h"

namespace ferry::optimizer {

struct GuestInstruction {
  aarch64::Instruction decoded;  // operands as at base 0: those that move with the base are offsets
  semantic::Control control;     // Control::leave also for what cannot be decoded
  u8 relative_operands = 0;      // bit i: operand i moves with the base
  bool leader = false;           // a basic block begins here
  bool in_loop = false;          // between a short loop's beginning and end
  u32 round = 0;  // the same where control may go round from one to the other within a function; of no other
  bool has_target() const {
    return control == semantic::Control::branch || control == semantic::Control::jump ||
           control == semantic::Control::call;
  }
  i64 target() const { return static_cast<i64>(raw(decoded.target())); }
};

class GuestCode {
 public:
  explicit GuestCode(const Request& request);

  u32 size() const { return static_cast<u32>(instructions_.size()); }

  // nullptr: not part of the request.
  const GuestInstruction* at(i64 offset) const;

  // Whether what goes from one offset to the other goes back in a loop: every way round and round within a function does so somewhere.
  bool goes_back(u32 from, i64 to) const;

  // Instructions from a function's entry to its returns, as far as they are part of the request and without what it calls;
  // 0 when there are more than `limit`.
  u32 function_size(u32 entry, u32 limit) const;

 private:
  void find_rounds(const Request& request);
  void mark_loops();

  std::unordered_map<u32, GuestInstruction> instructions_;
};

}  // namespace ferry::optimizer
