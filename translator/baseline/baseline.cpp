// Translating a block: read and decode its words, decide which stencils (dead flags, fused pairs, forms that take values from host
// registers), then paste them between a poll thunk and the thunks of its edges. A block is one entry and several exits.
#include "translator/baseline/baseline.h"

#include <string.h>

#include "guest/check.h"
#include "guest/log.h"
#include "guest/memory.h"
#include "translator/aarch64/decode.h"
#include "translator/baseline/glue.h"
#include "translator/exit_reason.h"
#include "translator/stencil/carried.h"
#include "translator/stencil/host.h"
#include "translator/stencil/paster.h"

namespace ferry::baseline {

using aarch64::Instruction;
using cache::Block;
using cache::Edge;
using cache::Generation;
using semantic::Control;
using translator::ExitReason;

namespace {

constexpr u32 max_instructions = 64;
constexpr u32 max_branches = 4;  // of 1 to 8, the least translation for loops as fast as without a limit
constexpr u32 words_ahead = 16;
constexpr size_t commit_ahead = 4096;
constexpr u64 no_operands[semantic::max_operands] = {};
constexpr u64 page_size = 4096;
constexpr u32 isb_mask = 0xfffff0ff, isb_value = 0xd50330df;

// What is known of a block before its code is placed.
struct Plan {
  Instruction instructions[max_instructions];
  u32 words[max_instructions];
  const stencil::Body* bodies[max_instructions];  // what to paste
  u64 prepared = 0;                               // bit i: before instruction i, its flag_glue()
  u64 fused = 0;                                  // bit i: with instruction i its next is pasted too
  u64 writers = 0, readers = 0;                   // of flags: bit i is instruction i
  u32 count = 0;
  u32 readable = 0, available = 0;  // words up to the end of the page; those already read
  bool undefined = false;           // the word after the last instruction is undefined: the block ends there
  bool falls_through = false;
  u64 continuation = 0;  // the code that a block which falls through goes on with, when there is any yet
  u64 body_size = 0;     // of the code between entry and thunks
};

// Loads and stores (DDI 0487 C4.1, op0 = x1x0) and SYS instructions may fault; the flags must then be exact.
bool may_fault(u32 word) { return (word & 0x0a000000) == 0x08000000 || (word & 0xfff80000) == 0xd5080000; }

// ISB, after which a block ends: what follows may have been changed.
bool is_barrier(u32 word) { return (word & isb_mask) == isb_value; }

// Copies guest words ahead of decoding, a cache line's worth at a time; false after a fault.
bool read_ahead(u64 pc, Plan& plan) {
  u32 size = words_ahead;
  if (size > plan.readable - plan.available) size = plan.readable - plan.available;
  if (!copy_from_guest(plan.words + plan.available, GuestAddr{pc + 4 * plan.available}, 4 * size)) return false;
  plan.available += size;
  return true;
}

// Decodes words that have been read, up to and with what control does not simply go on after. False: the next word is undefined.
bool decode_run(const stencil::Library& library, u64 pc, Plan& plan) {
  static_assert(max_instructions <= 64);
  u32 first = plan.count;
  u32 end = first + aarch64::decode_run(plan.words + first, plan.available - first, GuestAddr{pc + 4 * first},
                                        plan.instructions + first);
  u64 writers = plan.writers, readers = plan.readers;
  u32 i = first;
  bool ends = false, allocated = true;
  for (; i != end && !ends; i++) {
    const Instruction& instruction = plan.instructions[i];
    allocated = library.stencils[instruction.stencil].allocated != 0;
    if (!allocated) break;
    writers |= u64{instruction.writes_flags()} << i;
    readers |= u64{instruction.reads_flags()} << i;
    ends = is_barrier(plan.words[i]);
  }
  plan.writers = writers;
  plan.readers = readers;
  plan.count = i;
  if (ends || !allocated) return allocated;
  return end == plan.available || (end != first && plan.instructions[end - 1].control != Control::next);
}

// False when the first word cannot be read.
bool plan_block(const Generation& generation, const stencil::Library& library, u64 pc, Plan& plan) {
  u32 branches = 0;
  while (plan.count < plan.available || read_ahead(pc, plan)) {
    plan.falls_through = false;
    if (!decode_run(library, pc, plan)) {
      plan.undefined = true;
      return true;
    }
    const Instruction& last = plan.instructions[plan.count - 1];
    if (last.control == Control::branch || last.control == Control::jump || last.control == Control::call) {
      // The target is looked up soon, and likely to be the next thing that is translated.
      generation.map.prefetch(raw(last.target()));
      __builtin_prefetch(reinterpret_cast<const void*>(raw(last.target())));
    }
    if (last.control != Control::next && last.control != Control::branch) return true;
    plan.falls_through = true;
    // After a conditional branch go on only where nothing is translated yet, and not far: what follows may never run.
    bool ends = plan.count == plan.readable || is_barrier(plan.words[plan.count - 1]) ||
                (last.control == Control::branch && ++branches == max_branches);
    if (!ends && last.control != Control::branch) continue;
    plan.continuation = generation.map.find(pc + 4 * plan.count);
    if (ends || plan.continuation != 0) return true;
  }
  return plan.count != 0;
}

// Selects the stencils that leave flags alone where the flags are dead: where others are written before anything can see them. They are
// no writers any more.
void drop_dead_flags(Plan& plan) {
  for (u64 rest = plan.writers; (rest & (rest - 1)) != 0; rest &= rest - 1) {
    u32 i = static_cast<u32>(__builtin_ctzll(rest)), next = static_cast<u32>(__builtin_ctzll(rest & (rest - 1)));
    u64 between = (u64{2} << next) - (u64{2} << i);
    if ((plan.readers & between) != 0) continue;
    auto may_show = [&](u32 at) { return plan.instructions[at].control != Control::next || may_fault(plan.words[at]); };
    u32 at = i + 1;
    while (at <= next && !may_show(at)) at++;
    if (at <= next) continue;
    plan.instructions[i].stencil--;
    plan.writers &= ~(u64{1} << i);
  }
}

// The stencil of flag setter i and the conditional branch after it, if that is what the next instruction is; else 0.
u32 fuse_pair(Plan& plan, u32 i) {
  if (i + 1 == plan.count || plan.instructions[i + 1].row != aarch64::RowId::b_cond) return 0;
  Instruction &first = plan.instructions[i], &second = plan.instructions[i + 1];
  int pair = aarch64::pair_of(first.row);
  if (pair < 0) return 0;
  u32 id = static_cast<u32>(aarch64::pair_stencil(pair, first.variant(), static_cast<int>(second.variant())));
  first.operands[first.operand_count++] = raw(second.target());
  first.control = Control::branch;
  plan.fused |= u64{1} << i;
  return id;
}

// Bit i: what is asked is true of operand i.
template <class F>
u32 each_operand(const Instruction& instruction, F&& f) {
  u32 result = 0;
  for (int i = 0; i < semantic::max_operands; i++) result |= u32{f(instruction.operands[i])} << i;
  return result;
}

// The short body, if there is one and the operands fit. Without a branch, like what follows: the next instruction is another case.
const stencil::Body& shortest(const stencil::Bodies& bodies, const Instruction& instruction) {
  u32 too_far = each_operand(instruction, [](u64 operand) { return operand >= stencil::short_limit; });
  bool there = bodies.short_body.size != 0, fits = (bodies.short_body.short_operands & too_far) == 0;
  return __builtin_unpredictable(there & fits) ? bodies.short_body : bodies.body;
}

// The form that takes the flags from registers, if they travel there, and an operand that is in slot `last`.
int form_of(const stencil::Stencil& stencil, const Instruction& instruction, u64 last, bool flags_travel) {
  int form = flags_travel && (stencil.forms >> stencil::flag_form & 1) != 0 ? stencil::flag_form : 0;
  u32 there = stencil.forms >> (form + 1) & ((1u << (stencil::flag_form - 1)) - 1);
  there &= each_operand(instruction, [last](u64 operand) { return operand == last; });
  return __builtin_unpredictable(there != 0) ? form + 1 + __builtin_ctz(there) : form;
}

bool is_call(Control control) { return control == Control::call || control == Control::indirect_call; }

// What follows the stencil that a block ends in, before its thunks: a return, or a call and its landing, which runs into the first of
// the thunks.
u64 size_of_end(Control control) {
  if (control == Control::function_return) return stencil::return_size;
  return is_call(control) ? stencil::call_size + stencil::landing_size : 0;
}

// What makes Cpu's flags such that instruction i may read or set them there, where they may be lazy.
Glue flag_glue(const Plan& plan, u32 i) {
  return (plan.readers >> i & 1) != 0 ? Glue::settle_flags : Glue::replace_flags;
}

// Selects each instruction's stencil: fused pairs, and forms that take operands and flags from the host registers that the
// instructions before have left them in.
void select_stencils(Plan& plan, const stencil::Library& library) {
  constexpr u64 none = ~u64{0};
  u64 last = none;            // the slot whose value travels in `last`
  bool flags_travel = false;  // an instruction of this block has set them
  bool flags_lazy = true;     // or may be
  plan.body_size = library.body(stencil_of(Glue::block_entry)).size;
  for (u32 i = 0; i < plan.count; i++) {
    const Instruction& instruction = plan.instructions[i];
    bool writes_flags = (plan.writers >> i & 1) != 0;
    u32 pair = writes_flags ? fuse_pair(plan, i) : 0;
    const stencil::Stencil stencil = library.stencils[pair != 0 ? pair : instruction.stencil];
    int form = form_of(stencil, instruction, last, flags_travel);
    const stencil::Body& body = shortest(library.form(stencil, form), instruction);
    plan.bodies[i] = &body;
    plan.body_size += body.size;
    __builtin_prefetch(library.code + body.code);
    bool has_result = stencil.result != 0;
    u64 result = instruction.operands[stencil.result - has_result];
    last = __builtin_unpredictable(has_result) ? result : last;
    if (((plan.readers | plan.writers) >> i & 1) == 0) continue;
    if (flags_lazy && pair == 0) {
      plan.prepared |= u64{1} << i;
      plan.body_size += library.body(stencil_of(flag_glue(plan, i))).size;
    }
    flags_lazy = pair != 0;
    if (!writes_flags) continue;
    flags_travel = pair == 0;  // they do not travel out of a branch
    if (pair != 0) i++;
  }
  if (plan.undefined) plan.body_size += library.body(stencil_of(Glue::leave_at)).size;
  if (plan.count != 0) plan.body_size += size_of_end(plan.instructions[plan.count - 1].control);
}

struct Placer {
  Generation& generation;
  stencil::Cursor cursor;
  const stencil::Library& library;
  Moves* moves;  // null: nobody asks

  // `of_address`: bit i: operand i depends on where the guest's code is.
  void paste(const stencil::Body& body, const u64* operands, u64 taken, u32 of_address = 0) {
    if (moves != nullptr) [[unlikely]]
      note_moves(body, taken, of_address);
    stencil::paste(library, body, cursor, {operands, taken}, generation.constants);
  }
  void paste(Glue glue, const u64* operands, u64 taken, u32 of_address = 0) {
    paste(library.body(stencil_of(glue)), operands, taken, of_address);
  }
  void note_common(u32 offset) {
    if (moves != nullptr) moves->common_fields.push_back(at() + offset);
  }
  void note_moves(const stencil::Body& body, u64 taken, u32 of_address);
  u32 at() const { return static_cast<u32>(cursor.run - generation.code.run_base()); }
  void poll_thunk() {
    note_common(stencil::thunk_field);
    thunk(generation.poll_stub);
  }
  void thunk(u64 stub) {
    stencil::write_thunk(cursor.write, cursor.run, stub);
    skip(stencil::patchable_alignment);
  }
  // The way to the code carried_entry bytes further, with carried registers.
  void carried_entry() {
    note_common(stencil::argument_jump_field);
    stencil::write_argument_jump(cursor.write, cursor.run, cursor.run + stencil::carried_entry,
                                 generation.store_carried);
    skip(stencil::argument_jump_size);
  }
  void skip(u64 size) {
    cursor.write += size;
    cursor.run += size;
  }
  void align() {
    size_t padding = -cursor.run & (stencil::patchable_alignment - 1);
    stencil::fill_padding(cursor.write, padding);
    skip(padding);
  }
};

void Placer::note_moves(const stencil::Body& body, u64 taken, u32 of_address) {
  for (const stencil::Hole& hole : library.holes(body)) {
    u32 field = at() + hole.offset;
    bool is_operand = hole.source <= stencil::Source::operand_5;
    if (hole.source == stencil::Source::helper) {
      moves->helpers.push_back({field, static_cast<u32>(hole.addend)});
    } else if (!is_operand) {
      // To other blocks of the page it is as far from everywhere.
      bool is_common = hole.source != stencil::Source::taken || generation.is_common(taken);
      if (is_common) moves->common_fields.push_back(field);
      moves->impossible |= hole.patch != stencil::Patch::pc_32;
    } else if ((of_address >> static_cast<int>(hole.source) & 1) != 0) {
      moves->address_fields.push_back(field);
      moves->impossible |= hole.patch != stencil::Patch::abs_64;
    }
  }
}

// Bit i: operand i of the instruction, whose word it is, depends on where it is. What a fused pair has more is its target.
u32 operands_of_address(const Instruction& instruction, u32 word, u64 pc) {
  constexpr u64 elsewhere = 0x5a5'a5a5'0000;
  Instruction other;
  check(aarch64::decode(word, GuestAddr{pc + elsewhere}, other));
  u32 result = 0;
  for (int i = 0; i < instruction.operand_count; i++) {
    bool differs = i >= other.operand_count || instruction.operands[i] != other.operands[i];
    result |= u32{differs} << i;
  }
  return result;
}

u64 aligned(u64 address) { return (address + stencil::patchable_alignment - 1) & ~(stencil::patchable_alignment - 1); }

// The edges of a block, whose thunks follow its body in this order.
struct Edges {
  struct Pending {
    u64 target, site, known;
  };
  Pending pending[2 * max_instructions + 2];
  u32 count = 0;
  u64 end;  // of the thunks so far

  // A new edge, to `known` if that is not 0; returns its thunk.
  u64 add(u64 target, u64 site, u64 known) {
    pending[count++] = {target, site, known};
    u64 thunk = end;
    end = thunk + stencil::patchable_alignment;
    return thunk;
  }
};

void paste_call(Placer& placer, const Instruction& instruction, Edges& edges) {
  Generation& generation = placer.generation;
  u64 target = 0;
  if (instruction.control == Control::call) {
    target = generation.map.find(raw(instruction.target()));
    if (target == 0)
      target =
          edges.add(raw(instruction.target()), placer.cursor.run + stencil::call_size - stencil::call_field_size, 0);
  }
  u64 other = edges.end;
  if (target == 0) target = other + stencil::other_landing_size;
  stencil::write_call(placer.cursor.write, placer.cursor.run, target);
  placer.skip(stencil::call_size);
  stencil::write_landing(placer.cursor.write, placer.cursor.run, other, false);
  placer.skip(stencil::landing_size);
}

// What comes after the thunks: of a call what other returns go to, then of an indirect one the way to its target.
void paste_behind_thunks(Placer& placer, Control control, u64 landing) {
  placer.note_common(stencil::other_landing_field);
  stencil::write_other_landing(placer.cursor.write, placer.cursor.run, landing, placer.generation.other_landing);
  placer.skip(stencil::other_landing_size);
  if (control != Control::indirect_call) return;
  placer.paste(Glue::go_to_pc, no_operands, placer.generation.dispatch);
  placer.align();
}

// Pastes the instructions' bodies, which end in what the block's last instruction computes.
void paste_body(Placer& placer, const Plan& plan, u64 pc, u64 entry, Edges& edges) {
  Generation& generation = placer.generation;
  auto note_offset = [&] { generation.offsets.push(static_cast<u16>(placer.cursor.run - entry)); };
  for (u32 i = 0; i < plan.count; i++) {
    const Instruction& instruction = plan.instructions[i];
    note_offset();
    if ((plan.prepared >> i & 1) != 0) placer.paste(flag_glue(plan, i), no_operands, 0);
    u64 taken = generation.dispatch;
    if (instruction.control == Control::branch || instruction.control == Control::jump) {
      u64 target = raw(instruction.target());
      taken = target == pc ? entry : generation.map.find(target);
      if (taken == 0)
        taken = edges.add(target, stencil::taken_site(placer.library, *plan.bodies[i], placer.cursor.run), 0);
    }
    u32 of_address = placer.moves != nullptr ? operands_of_address(instruction, plan.words[i], pc + 4 * i) : 0;
    placer.paste(*plan.bodies[i], instruction.operands, taken, of_address);
    if ((plan.fused >> i & 1) == 0) continue;
    note_offset();
    i++;
  }
}

void log_block(const Plan& plan, u64 pc, u64 entry) {
  log(Log::translate, "block %#llx: %u instructions at host %#llx", (unsigned long long)pc, plan.count,
      (unsigned long long)entry);
  for (u32 i = 0; i < plan.count; i++) {
    const Instruction& instruction = plan.instructions[i];
    log(Log::translate, "  %#llx: %08x %s%s", (unsigned long long)(pc + 4 * i), plan.words[i],
        instruction.description().name,
        instruction.description().writes_flags() && (instruction.variant() & 1) == 0 ? " (flags dead)" : "");
  }
  if (plan.undefined) log(Log::translate, "  %#llx: undefined", (unsigned long long)(pc + 4 * plan.count));
}

}  // namespace

Translation translate(Generation& generation, GuestAddr guest_pc, IsToWait is_to_wait, Moves* moves) {
  u64 pc = raw(guest_pc);
  static Plan plan;  // under the translation lock
  plan.count = plan.available = 0;
  plan.writers = plan.readers = plan.fused = plan.prepared = 0;
  plan.undefined = plan.falls_through = false;
  plan.continuation = 0;
  plan.readable = static_cast<u32>((page_size - (pc & (page_size - 1))) / 4);
  if (plan.readable > max_instructions) plan.readable = max_instructions;
  const stencil::Library& library = stencil::library();
  if (!plan_block(generation, library, pc, plan)) return {};
  drop_dead_flags(plan);
  select_stencils(plan, library);

  generation.code.commit(generation.used + commit_ahead);
  Placer placer{generation,
                {generation.code.writable(generation.code.run_base() + generation.used),
                 generation.code.run_base() + generation.used},
                library,
                moves};
  u64 base = generation.code.run_base(), begin = placer.cursor.run;
  placer.poll_thunk();
  placer.carried_entry();

  u64 entry = placer.cursor.run;
  Edges edges;
  edges.end = aligned(entry + plan.body_size);
  // First, so that the body runs into it: what a block goes on with, or comes back to.
  u64 next_pc = pc + 4 * plan.count;
  Control last = plan.count != 0 ? plan.instructions[plan.count - 1].control : Control::next;
  u64 landing = edges.end;
  if (plan.falls_through)
    edges.add(next_pc, 0, plan.continuation);
  else if (is_call(last))
    edges.add(next_pc, 0, generation.map.find(next_pc));
  Block block{pc,
              static_cast<u32>(begin - base),
              static_cast<u32>(entry - base),
              0,
              static_cast<u32>(generation.offsets.size()),
              plan.count,
              cache::no_block};
  placer.paste(Glue::block_entry, no_operands, begin);
  paste_body(placer, plan, pc, entry, edges);
  if (is_call(last)) paste_call(placer, plan.instructions[plan.count - 1], edges);
  if (last == Control::function_return) {
    stencil::write_return(placer.cursor.write);
    placer.skip(stencil::return_size);
  }
  if (plan.undefined) {
    u64 operands[semantic::max_operands] = {pc + 4 * plan.count, static_cast<u64>(ExitReason::undefined),
                                            plan.words[plan.count]};
    placer.paste(Glue::leave_at, operands, generation.dispatch, 1);
  }
  block.end = static_cast<u32>(placer.cursor.run - base);
  placer.align();
  for (u32 i = 0; i < edges.count; i++) {
    const auto& [target, site, known] = edges.pending[i];
    u64 thunk = placer.cursor.run;
    const Edge& edge = generation.edges.push(
        {target, false, static_cast<u32>(thunk - base), site == 0 ? 0 : static_cast<u32>(site - base)});
    placer.thunk(generation.link_stub);
    if (known != 0) generation.redirect(edge, known);
  }
  check(placer.cursor.run == edges.end);
  if (is_call(last)) paste_behind_thunks(placer, last, landing);
  stencil::publish(begin, placer.cursor.run - begin);
  generation.used = placer.cursor.run - base;
  generation.add(block);
  if (is_to_wait(pc, {plan.words, plan.available})) generation.keep_waiting(pc, entry);
  if (logging(Log::translate)) log_block(plan, pc, entry);
  return {entry, plan.count};
}

void link(Generation& generation, const Edge& edge, u64 code, bool alone) {
  u64 site = generation.code.run_base() + edge.site;
  if (alone && edge.site != 0)
    stencil::repoint_jump(generation.code.writable(site), site, code - (edge.carried ? stencil::carried_entry : 0));
  generation.redirect(edge, code);
}

}  // namespace ferry::baseline
