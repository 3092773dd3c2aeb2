#include "translator/optimizer/guest_code.h"

#include <unordered_set>

namespace ferry::optimizer {

using semantic::Control;

namespace {

// Instructions that a backward branch spans in a loop worth keeping its state in host registers over; fewer where it calls.
constexpr i64 max_loop = 48, max_calling_loop = 24;

// Where the code is decoded; operands that differ between the two are relative to the base. Beyond a branch's reach from 0, so
// that offsets before the base do not wrap.
constexpr u64 first_base = u64{1} << 40, second_base = u64{1} << 41;

GuestInstruction decode(u32 word, u32 offset) {
  GuestInstruction result{};
  aarch64::Instruction moved;
  result.control = Control::leave;
  if (!aarch64::decode(word, GuestAddr{first_base + offset}, result.decoded)) return result;
  if (aarch64::reference(result.decoded) == nullptr) return result;
  aarch64::decode(word, GuestAddr{second_base + offset}, moved);
  for (int i = 0; i < result.decoded.operand_count; i++) {
    if (result.decoded.operands[i] == moved.operands[i]) continue;
    result.relative_operands |= static_cast<u8>(1 << i);
    result.decoded.operands[i] -= first_base;
  }
  result.control = result.decoded.control;
  return result;
}

}  // namespace

GuestCode::GuestCode(const Request& request) {
  for (const Stretch& stretch : request.stretches) {
    for (u32 i = 0; i < stretch.words.size(); i++)
      instructions_.emplace(stretch.offset + 4 * i, decode(stretch.words[i], stretch.offset + 4 * i));
  }
  auto mark = [&](i64 offset) {
    auto found = instructions_.find(static_cast<u32>(offset));
    if (found != instructions_.end()) found->second.leader = true;
  };
  for (const auto& [offset, instruction] : instructions_) {
    if (instruction.has_target()) mark(instruction.target());
    if (instruction.control != Control::next) mark(offset + 4);
  }
  for (const auto& [offset, instruction] : instructions_) {
    if (instruction.control != Control::branch && instruction.control != Control::jump) continue;
    i64 begin = instruction.target(), end = static_cast<i64>(offset);
    if (begin > end || end - begin > 4 * max_loop) continue;
    bool calls = false;
    for (i64 at = begin; at <= end; at += 4) {
      const GuestInstruction* one = this->at(at);
      calls |= one != nullptr && (one->control == Control::call || one->control == Control::indirect_call);
    }
    if (calls && end - begin > 4 * max_calling_loop) continue;
    for (i64 at = begin; at <= end; at += 4) {
      auto found = instructions_.find(static_cast<u32>(at));
      if (found != instructions_.end()) found->second.in_loop = true;
    }
  }
  for (u32 entry : request.entries) mark(entry);
  for (const IndirectTarget& indirect : request.indirect_targets) mark(indirect.target);
}

const GuestInstruction* GuestCode::at(i64 offset) const {
  if (offset < 0 || offset > i64{0xffffffff}) return nullptr;
  auto found = instructions_.find(static_cast<u32>(offset));
  return found == instructions_.end() ? nullptr : &found->second;
}

u32 GuestCode::function_size(u32 entry, u32 limit) const {
  std::unordered_set<i64> seen{entry};
  std::vector<i64> pending{entry};
  while (!pending.empty()) {
    i64 offset = pending.back();
    pending.pop_back();
    const GuestInstruction* instruction = at(offset);
    if (instruction == nullptr) continue;
    if (seen.size() > limit) return 0;
    auto visit = [&](i64 next) {
      if (seen.insert(next).second) pending.push_back(next);
    };
    if (instruction->control == Control::branch || instruction->control == Control::jump) visit(instruction->target());
    if (instruction->control != Control::jump && instruction->control != Control::function_return &&
        instruction->control != Control::indirect_jump && instruction->control != Control::leave)
      visit(offset + 4);
  }
  return static_cast<u32>(seen.size());
}

}  // namespace ferry::optimizer
