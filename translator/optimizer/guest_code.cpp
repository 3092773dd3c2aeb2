#include "translator/optimizer/guest_code.h"

#include <unordered_set>
#include <vector>

#include "llvm/ADT/GraphTraits.h"
#include "llvm/ADT/SCCIterator.h"

namespace ferry::optimizer {
namespace {

// An instruction and what it may be followed by in its function; calls come back.
struct Step {
  GuestInstruction* instruction = nullptr;
  std::vector<Step*> next;
};

}  // namespace
}  // namespace ferry::optimizer

template <>
struct llvm::GraphTraits<ferry::optimizer::Step*> {
  using NodeRef = ferry::optimizer::Step*;
  using ChildIteratorType = std::vector<NodeRef>::iterator;
  static NodeRef getEntryNode(NodeRef step) { return step; }
  static ChildIteratorType child_begin(NodeRef step) { return step->next.begin(); }
  static ChildIteratorType child_end(NodeRef step) { return step->next.end(); }
};

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
  for (u32 entry : request.entries) mark(entry);
  for (const IndirectTarget& indirect : request.indirect_targets) mark(indirect.target);
  find_rounds(request);
  mark_loops();
}

void GuestCode::find_rounds(const Request& request) {
  std::unordered_map<u32, Step> steps(instructions_.size());
  for (auto& [offset, instruction] : instructions_) steps[offset].instruction = &instruction;
  auto connect = [&](Step& step, i64 target) {
    auto found = steps.find(static_cast<u32>(target));
    if (target >= 0 && found != steps.end()) step.next.push_back(&found->second);
  };
  for (auto& [offset, step] : steps) {
    Control control = step.instruction->control;
    if (control == Control::branch || control == Control::jump) connect(step, step.instruction->target());
    if (control != Control::jump && control != Control::function_return && control != Control::indirect_jump &&
        control != Control::leave)
      connect(step, i64{offset} + 4);
  }
  for (const IndirectTarget& indirect : request.indirect_targets) {
    auto site = steps.find(indirect.site);
    if (site != steps.end() && site->second.instruction->control == Control::indirect_jump)
      connect(site->second, indirect.target);
  }
  Step all;
  for (auto& [offset, step] : steps) all.next.push_back(&step);
  u32 round = 0;
  for (auto component = llvm::scc_begin(&all); !component.isAtEnd(); ++component) {
    ++round;
    for (Step* step : *component) {
      if (step != &all) step->instruction->round = round;
    }
  }
}

void GuestCode::mark_loops() {
  for (const auto& [offset, instruction] : instructions_) {
    if (instruction.control != Control::branch && instruction.control != Control::jump) continue;
    i64 begin = instruction.target(), end = static_cast<i64>(offset);
    if (!goes_back(offset, begin) || end - begin > 4 * max_loop) continue;
    bool calls = false;
    for (i64 at = begin; at <= end; at += 4) {
      const GuestInstruction* one = this->at(at);
      calls |= one != nullptr && (one->control == Control::call || one->control == Control::indirect_call);
    }
    if (calls && end - begin > 4 * max_calling_loop) continue;
    for (i64 at = begin; at <= end; at += 4) {
      auto found = instructions_.find(static_cast<u32>(at));
      if (found != instructions_.end() && found->second.round == instruction.round) found->second.in_loop = true;
    }
  }
}

bool GuestCode::goes_back(u32 from, i64 to) const {
  const GuestInstruction *source = at(from), *target = at(to);
  return to <= i64{from} && source != nullptr && target != nullptr && source->round == target->round;
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
