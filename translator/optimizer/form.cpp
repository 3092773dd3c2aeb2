#include "translator/optimizer/form.h"

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "translator/aarch64/decode.h"
#include "translator/stencil/library.h"

namespace ferry::optimizer {

namespace {

using semantic::Control;

constexpr u64 page_size = 4096;

// Guest instructions: of the walk around the hot block, of what is kept of it where no loop is, of a callee, of all together.
constexpr size_t max_walk = 700, max_straight = 250, max_callee = 250, max_region = 1000;
// A loop of long blocks may be longer than max_walk: the rounds of a hash that a compiler has unrolled.
constexpr size_t max_long_loop = 2400, long_block = 64;
constexpr int max_call_depth = 12;
// A branch that was seen so often and never went one way hardly ever does.
constexpr u32 enough_seen = 8;
constexpr size_t max_sites = 16384;
// A block that so many regions hold is left to them where what is formed is only a part of a function.
constexpr u32 max_overlap = 3;
// A longer callee that has a region of its own is left to that.
constexpr size_t max_doubled = 48;
// How far around the hot block its function's beginning is looked for.
constexpr u64 max_distance = 1024;

// BR, BLR. DDI 0487 C4.1.65.
bool is_indirect(u32 word) { return (word & 0xffdffc1f) == 0xd61f0000; }

// A basic block of the walk.
struct Node {
  u64 begin, end;
  std::vector<u64> successors{};  // within the function, as nodes' beginnings
  std::vector<u64> callees{};
  bool ends_in_jump = false;
  size_t size() const { return (end - begin) / 4; }
};
using Nodes = std::map<u64, Node>;
using Predecessors = std::unordered_map<u64, std::vector<u64>>;

size_t size_of(const Nodes& nodes) {
  size_t size = 0;
  for (const auto& [begin, node] : nodes) size += node.size();
  return size;
}

class Former {
 public:
  explicit Former(const FormInput& input) : input_(input), code_(input.code), start_(input.pc) {}

  std::optional<Request> run() {
    Nodes nodes = walk(input_.pc, smaller(max_walk));
    std::unordered_set<u64> loop = around(nodes);
    if (loop.empty() && size_of(nodes) >= max_walk) {
      nodes = walk(input_.pc, max_long_loop);
      loop = around(nodes);
      if (!has_long_blocks(nodes, loop)) loop.clear();
    }
    if (loop.empty()) nodes = function_or_part();
    std::deque<std::pair<u64, int>> callees;
    for (const auto& [begin, node] : nodes) {
      if (!loop.empty() && !loop.contains(begin)) continue;
      keep(node);
      for (u64 callee : node.callees) callees.push_back({callee, 1});
    }
    entries_.push_back(loop.empty() ? start_ : header(nodes, loop));
    add_callees(callees);
    return request();
  }

 private:
  size_t smaller(size_t limit) const { return limit >> (2 * input_.refusals); }

  bool word_at(u64 pc, u32& word) {
    return pc % 4 == 0 && pc >= input_.mapping.begin && pc < input_.mapping.end && code_.word_at(pc, word);
  }

  // Without a loop: all of the function, where it is small; else what follows the hot block.
  Nodes function_or_part() {
    if (u64 start = function_start(); start != input_.pc) {
      Nodes nodes = walk(start, smaller(max_straight));
      if (holds(nodes, input_.pc) && size_of(nodes) < smaller(max_straight)) {
        start_ = start;
        return nodes;
      }
    }
    return walk(input_.pc, smaller(max_straight), max_overlap);
  }

  // The function's blocks that can be reached from `start`, breadth first, as many as go into `limit` instructions; without those that
  // `overlap` regions hold.
  Nodes walk(u64 start, size_t limit, u32 overlap = ~u32{0}) {
    Nodes nodes;
    std::deque<u64> pending{start};
    size_t count = 0;
    while (!pending.empty() && count < limit) {
      u64 begin = pending.front();
      pending.pop_front();
      if (nodes.contains(begin) || (begin != start && code_.regions_at(begin) >= overlap)) continue;
      Node node = scan(begin, limit - count, Want::compiled);
      if (node.begin == node.end) continue;
      count += node.size();
      pending.insert(pending.end(), node.successors.begin(), node.successors.end());
      nodes.emplace(begin, std::move(node));
    }
    split(nodes);
    return nodes;
  }

  // Ends blocks where another begins.
  static void split(Nodes& nodes) {
    for (auto at = nodes.begin(); at != nodes.end(); ++at) {
      auto next = std::next(at);
      if (next == nodes.end() || next->first >= at->second.end) continue;
      at->second = {at->first, next->first, {next->first}};
    }
  }

  // One basic block, up to `limit` instructions: all there are, or up to the first that cannot be compiled.
  enum class Want : u8 { all, compiled };
  Node scan(u64 begin, size_t limit, Want want) {
    Node node{begin, begin};
    u32 word;
    for (; (node.end - begin) / 4 < limit && word_at(node.end, word); node.end += 4) {
      if (want == Want::all && !aarch64::may_lead_away(word)) continue;
      aarch64::Instruction instruction;
      if (!aarch64::decode(word, GuestAddr{node.end}, instruction) ||
          !stencil::library().stencils[instruction.stencil].allocated)
        return node;
      Control control = instruction.control;
      if (control == Control::next) continue;
      u64 site = node.end;
      node.end += 4;
      if (control == Control::leave) return node;  // not compiled, but it is what the block is known by: entry_key()
      add_edges(node, instruction, control, site);
      return node;
    }
    node.successors.push_back(node.end);
    return node;
  }

  void add_edges(Node& node, const aarch64::Instruction& instruction, Control control, u64 site) const {
    const BranchProfile::Targets& seen = input_.branches.of(site);
    switch (control) {
      case Control::jump:
        node.successors = {raw(instruction.target())};
        node.ends_in_jump = true;
        return;
      case Control::branch:
        for (u64 target : {node.end, raw(instruction.target())}) {
          if (!seems_dead(seen, target)) node.successors.push_back(target);
        }
        return;
      case Control::call:
        node.callees = {raw(instruction.target())};
        node.successors = {node.end};
        return;
      case Control::indirect_call:
        for (const auto& [target, count] : seen) node.callees.push_back(target);
        node.successors = {node.end};
        return;
      case Control::indirect_jump:
        for (const auto& [target, count] : seen) node.successors.push_back(target);
        node.ends_in_jump = true;
        return;
      default:
        return;
    }
  }

  // Whether a branch that was watched went this way hardly ever: it leads out of the region then.
  static bool seems_dead(const BranchProfile::Targets& seen, u64 target) {
    u32 total = 0;
    for (const auto& [other, count] : seen) total += count;
    return total >= enough_seen && !seen.contains(target);
  }

  static Predecessors predecessors_in(const Nodes& nodes) {
    Predecessors predecessors;
    for (const auto& [begin, node] : nodes) {
      for (u64 next : node.successors) predecessors[next].push_back(begin);
    }
    return predecessors;
  }

  // The blocks on ways to the block at `begin`; itself only where one leads back to it.
  static std::unordered_set<u64> reaching(u64 begin, Predecessors& predecessors) {
    std::unordered_set<u64> result;
    std::vector<u64> pending{begin};
    while (!pending.empty()) {
      u64 at = pending.back();
      pending.pop_back();
      for (u64 before : predecessors[at]) {
        if (result.insert(before).second) pending.push_back(before);
      }
    }
    return result;
  }

  // The blocks on a way from the hot block back to it: the loops around it. Empty when there is none.
  std::unordered_set<u64> around(const Nodes& nodes) const {
    Predecessors predecessors = predecessors_in(nodes);
    return reaching(input_.pc, predecessors);  // walked from the hot block, so all of it is reached from there
  }

  static bool holds(const Nodes& nodes, u64 pc) {
    auto after = nodes.upper_bound(pc);
    return after != nodes.begin() && pc < std::prev(after)->second.end;
  }

  // Where the function that the hot block is part of begins: the lowest block on ways to it that nothing in the function leads to. The hot
  // block where that has a region already, which has not helped.
  u64 function_start() {
    if (input_.is_start) return input_.pc;
    Nodes nodes = blocks_around();
    if (!holds(nodes, input_.pc)) return input_.pc;
    u64 hot = std::prev(nodes.upper_bound(input_.pc))->first, lowest = input_.pc;
    Predecessors predecessors = predecessors_in(nodes);
    std::unordered_set<u64> candidates = reaching(hot, predecessors);
    candidates.insert(hot);
    for (u64 begin : candidates) {
      if (predecessors[begin].empty()) lowest = std::min(lowest, begin);
    }
    return code_.is_region_entry(lowest) ? input_.pc : lowest;
  }

  // The blocks near the hot one, with the edges by which control stays in a function: a jump may be another function's last call.
  Nodes blocks_around() {
    u64 first = input_.pc - std::min(input_.pc, 4 * max_distance), last = input_.pc + 4 * max_distance;
    std::set<u64> begins = blocks_between(first, last);
    begins.insert(last);
    Nodes nodes;
    for (auto at = begins.begin(); *at != last; ++at) {
      Node node = scan(*at, (*std::next(at) - *at) / 4, Want::all);
      if (node.begin == node.end) continue;
      if (node.ends_in_jump) node.successors.clear();
      nodes.emplace(*at, std::move(node));
    }
    return nodes;
  }

  std::set<u64> blocks_between(u64 first, u64 last) {
    std::set<u64> begins;
    bool follows = false;
    for (u64 pc = first; pc < last; pc += 4) {
      u32 word;
      bool is_there = word_at(pc, word);
      if (is_there && !follows) begins.insert(pc);
      follows = is_there;
      if (!is_there || !aarch64::may_lead_away(word)) continue;
      aarch64::Instruction instruction;
      bool known = aarch64::decode(word, GuestAddr{pc}, instruction);
      follows = known && instruction.control == Control::next;
      if (!known || (instruction.control != Control::branch && instruction.control != Control::jump)) continue;
      if (u64 target = raw(instruction.target()); target >= first && target < last) begins.insert(target);
    }
    return begins;
  }

  static bool has_long_blocks(const Nodes& nodes, const std::unordered_set<u64>& loop) {
    size_t size = 0;
    for (u64 begin : loop) size += nodes.at(begin).size();
    return size >= long_block * loop.size();
  }

  // The head of the innermost loop around the hot block that all ways round pass: the region is entered there once a turn, and every
  // further entry would cost it registers. The hot block itself when there is no such head.
  u64 header(const Nodes& nodes, const std::unordered_set<u64>& loop) const {
    std::map<u64, std::vector<u64>, std::greater<>> heads;  // with where control comes back to them from
    for (u64 begin : loop) {
      for (u64 next : nodes.at(begin).successors) {
        if (next <= begin && next <= input_.pc && loop.contains(next)) heads[next].push_back(begin);
      }
    }
    for (const auto& [head, backs] : heads) {
      if (code_.is_region_entry(head)) continue;  // it is in a region and has not helped
      if (head == input_.pc) return head;
      Reach reach = go_on_without(head, nodes, loop);
      bool within = std::ranges::any_of(backs, [&](u64 back) { return reach.nodes.contains(back); });
      if (within && !reach.returns) return head;
    }
    return input_.pc;
  }

  // Where control gets to from the hot block within the loop without `head`, and whether it comes back.
  struct Reach {
    bool returns = false;
    std::unordered_set<u64> nodes;
  };
  Reach go_on_without(u64 head, const Nodes& nodes, const std::unordered_set<u64>& loop) const {
    Reach reach{.nodes = {input_.pc}};
    std::vector<u64> pending{input_.pc};
    while (!pending.empty()) {
      u64 at = pending.back();
      pending.pop_back();
      for (u64 next : nodes.at(at).successors) {
        reach.returns |= next == input_.pc;
        if (next != head && loop.contains(next) && reach.nodes.insert(next).second) pending.push_back(next);
      }
    }
    return reach;
  }

  bool keep(const Node& node) {
    u64 first = std::min(lowest_, node.begin / page_size), last = std::max(highest_, (node.end - 1) / page_size);
    if (last - first >= max_region_pages) return false;
    lowest_ = first;
    highest_ = last;
    auto after = kept_.lower_bound(node.begin);
    for (u64 pc = node.begin; pc < node.end; pc += 4) after = std::next(kept_.insert(after, pc));
    return true;
  }

  // Functions that what is kept calls, breadth first; each whole or not at all.
  void add_callees(std::deque<std::pair<u64, int>>& pending) {
    std::unordered_set<u64> seen;
    while (!pending.empty()) {
      auto [callee, depth] = pending.front();
      pending.pop_front();
      if (!seen.insert(callee).second || callee == entries_[0]) continue;
      Nodes nodes = walk(callee, smaller(max_callee) + 1);
      size_t size = size_of(nodes);
      if (size == 0 || size > smaller(max_callee) || kept_.size() + size > smaller(max_region)) continue;
      if (size > max_doubled && code_.is_region_entry(callee)) continue;
      bool recursive = nodes.contains(input_.pc);
      for (const auto& [begin, node] : nodes) {
        if (!keep(node) || depth == max_call_depth) continue;
        for (u64 next : node.callees) pending.push_back({next, depth + 1});
      }
      if (recursive) entries_.push_back(callee);
    }
  }

  std::optional<Request> request() {
    if (!kept_.contains(entries_[0])) return std::nullopt;
    Request request;
    request.base = lowest_ * page_size;
    request.storable = input_.mapping.unchanging;
    request.file = input_.mapping.file;
    request.file_offset = request.base - input_.mapping.begin + input_.mapping.offset;
    request.heat = input_.heat;
    for (u64 pc : kept_) {
      u32 word, offset = static_cast<u32>(pc - request.base);
      if (!word_at(pc, word)) return std::nullopt;
      if (request.stretches.empty() ||
          request.stretches.back().offset + 4 * request.stretches.back().words.size() != offset)
        request.stretches.push_back({offset, {}});
      request.stretches.back().words.push_back(word);
      if (!is_indirect(word)) continue;
      for (const auto& [target, count] : input_.branches.of(pc)) {
        if (kept_.contains(target))
          request.indirect_targets.push_back({offset, static_cast<u32>(target - request.base)});
      }
    }
    for (u64 entry : entries_) {
      if (kept_.contains(entry)) request.entries.push_back(static_cast<u32>(entry - request.base));
    }
    return request;
  }

  const FormInput& input_;
  Code& code_;
  u64 start_;           // where what has no loop is entered
  std::set<u64> kept_;  // instructions
  std::vector<u64> entries_;
  u64 lowest_ = ~u64{0}, highest_ = 0;  // pages
};

}  // namespace

void BranchProfile::add(u64 site, u64 target) {
  if (sites_.size() >= max_sites) sites_.clear();
  sites_[site][target]++;
}

const BranchProfile::Targets& BranchProfile::of(u64 site) const {
  static const Targets none;
  auto found = sites_.find(site);
  return found == sites_.end() ? none : found->second;
}

std::optional<Request> form(const FormInput& input) { return Former(input).run(); }

}  // namespace ferry::optimizer
