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
constexpr u64 page_size = 4096;
constexpr u32 isb_mask = 0xfffff0ff, isb_value = 0xd50330df;

// What is known of a block before its code is placed.
struct Plan {
  Instruction instructions[max_instructions];
  u32 words[max_instructions];
  Control controls[max_instructions];
  const stencil::Body* bodies[max_instructions];  // what to paste; null: fused with the previous
  u32 count = 0;
  u32 readable = 0, available = 0;  // words up to the end of the page; those already read
  bool undefined = false;           // the word after the last instruction is undefined: the block ends there
  bool falls_through = false;
  u64 continuation = 0;  // the code that a block which falls through goes on with, when there is any yet
  u64 body_size = 0;     // of the code between entry and thunks
};

// Loads and stores (DDI 0487 C4.1, op0 = x1x0) and SYS instructions may fault; the flags must then be exact.
bool may_fault(u32 word) { return (word & 0x0a000000) == 0x08000000 || (word & 0xfff80000) == 0xd5080000; }

// Copies guest words ahead of decoding, a cache line's worth at a time; false after a fault.
bool read_ahead(u64 pc, Plan& plan) {
  u32 size = words_ahead;
  if (size > plan.readable - plan.available) size = plan.readable - plan.available;
  if (!copy_from_guest(plan.words + plan.available, GuestAddr{pc + 4 * plan.available}, 4 * size)) return false;
  plan.available += size;
  return true;
}

// False when the first word cannot be read.
bool plan_block(const Generation& generation, u64 pc, Plan& plan) {
  const stencil::Library& library = stencil::library();
  const Control* controls = aarch64::controls();
  u32 branches = 0;
  while (plan.count < plan.available || read_ahead(pc, plan)) {
    Instruction& instruction = plan.instructions[plan.count];
    u32 word = plan.words[plan.count];
    u64 at = pc + 4 * plan.count;
    plan.falls_through = false;
    if (!aarch64::decode(word, GuestAddr{at}, instruction) || !library.stencils[instruction.stencil].allocated) {
      plan.undefined = true;
      return true;
    }
    Control control = plan.controls[plan.count] = controls[static_cast<int>(instruction.row)];
    plan.count++;
    if (control == Control::branch || control == Control::jump || control == Control::call) {
      // The target is looked up soon, and likely to be the next thing that is translated.
      generation.map.prefetch(raw(instruction.target()));
      __builtin_prefetch(reinterpret_cast<const void*>(raw(instruction.target())));
    }
    if (control != Control::next && control != Control::branch) return true;
    plan.falls_through = true;
    // After a conditional branch go on only where nothing is translated yet, and not far: what follows may never run.
    bool ends = plan.count == plan.readable || (word & isb_mask) == isb_value ||
                (control == Control::branch && ++branches == max_branches);
    if (!ends && control != Control::branch) continue;
    plan.continuation = generation.map.find(at + 4);
    if (ends || plan.continuation != 0) return true;
  }
  return plan.count != 0;
}

// Selects the stencils that leave flags alone where the flags are dead.
void drop_dead_flags(Plan& plan) {
  bool live = true;
  for (u32 i = plan.count; i-- != 0;) {
    Instruction& instruction = plan.instructions[i];
    if (plan.controls[i] != Control::next || may_fault(plan.words[i])) live = true;
    if (instruction.writes_flags()) {
      if (!live) instruction.stencil--;
      live = false;
    }
    if (instruction.reads_flags()) live = true;
  }
}

// The stencil of a flag setter and the conditional branch after it, if that is what instruction i and the next are; else 0.
u32 fuse_pair(Plan& plan, u32 i) {
  if (i + 1 == plan.count || plan.instructions[i + 1].row != aarch64::RowId::b_cond) return 0;
  Instruction &first = plan.instructions[i], &second = plan.instructions[i + 1];
  int pair = aarch64::pair_of(first.row);
  if (pair < 0) return 0;
  u32 id = static_cast<u32>(aarch64::pair_stencil(pair, first.variant(), static_cast<int>(second.variant())));
  first.operands[first.operand_count++] = raw(second.target());
  plan.controls[i] = Control::branch;
  plan.bodies[i + 1] = nullptr;
  return id;
}

// The short body, if there is one and the operands fit.
const stencil::Body* shortest(const stencil::Bodies& bodies, const Instruction& instruction) {
  if (bodies.short_body.size == 0) return &bodies.body;
  for (int i = 0; i < semantic::max_operands; i++) {
    if ((bodies.short_body.short_operands >> i & 1) != 0 && instruction.operands[i] >= stencil::short_limit)
      return &bodies.body;
  }
  return &bodies.short_body;
}

bool is_call(Control control) { return control == Control::call || control == Control::indirect_call; }

// What follows the stencil that a block ends in, before its thunks: a return, or a call and its landing, which runs into the first of
// the thunks.
u64 size_of_end(Control control) {
  if (control == Control::function_return) return stencil::return_size;
  return is_call(control) ? stencil::call_size + stencil::landing_size : 0;
}

// Selects each instruction's stencil: fused pairs, and forms that take operands and flags from the host registers that the
// instructions before have left them in.
void select_stencils(Plan& plan, const stencil::Library& library) {
  constexpr u64 none = ~u64{0};
  u64 last = none;            // the slot whose value travels in `last`
  bool flags_travel = false;  // an instruction of this block has set them
  plan.body_size = library.body(stencil_of(Glue::block_entry)).size;
  for (u32 i = 0; i < plan.count; i++) {
    const Instruction& instruction = plan.instructions[i];
    u32 pair = fuse_pair(plan, i);
    const stencil::Stencil& base = library.stencils[pair != 0 ? pair : instruction.stencil];
    int form = flags_travel && (base.forms >> stencil::flag_form & 1) != 0 ? stencil::flag_form : 0;
    if (base.forms != 0) {
      for (int operand = 0; operand < instruction.operand_count && operand < stencil::flag_form - 1; operand++) {
        if (instruction.operands[operand] != last || (base.forms >> (form + operand + 1) & 1) == 0) continue;
        form += operand + 1;
        break;
      }
    }
    const stencil::Body* body = shortest(library.form(base, form), instruction);
    plan.bodies[i] = body;
    plan.body_size += body->size;
    __builtin_prefetch(library.code + body->code);
    if (base.result != 0) last = instruction.operands[base.result - 1];
    if (instruction.writes_flags()) flags_travel = pair == 0;  // they do not travel out of a branch
    if (pair != 0) i++;
  }
  if (plan.undefined) plan.body_size += library.body(stencil_of(Glue::leave_at)).size;
  if (plan.count != 0) plan.body_size += size_of_end(plan.controls[plan.count - 1]);
}

struct Placer {
  Generation& generation;
  stencil::Cursor cursor;
  const stencil::Library& library;

  void paste(const stencil::Body& body, const u64* operands, u64 taken = 0) {
    stencil::paste(library, body, cursor, {operands, taken != 0 ? taken : cursor.run}, generation.constants);
  }
  void paste(Glue glue, const u64* operands, u64 taken = 0) {
    paste(library.body(stencil_of(glue)), operands, taken);
  }
  void thunk(u64 stub) {
    stencil::write_thunk(cursor.write, cursor.run, stub);
    skip(stencil::patchable_alignment);
  }
  // The way to the code carried_entry bytes further, with carried registers.
  void carried_entry() {
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

void paste_call(Placer& placer, const Instruction& instruction, Control control, Edges& edges) {
  Generation& generation = placer.generation;
  u64 target = 0;
  if (control == Control::call) {
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
  stencil::write_other_landing(placer.cursor.write, placer.cursor.run, landing, placer.generation.other_landing);
  placer.skip(stencil::other_landing_size);
  if (control != Control::indirect_call) return;
  constexpr u64 no_operands[semantic::max_operands] = {};
  placer.paste(Glue::go_to_pc, no_operands, placer.generation.dispatch);
  placer.align();
}

void paste_instruction(Placer& placer, const Plan& plan, u32 i, u64 pc, u64 entry, Edges& edges) {
  if (plan.bodies[i] == nullptr) return;
  const Instruction& instruction = plan.instructions[i];
  Generation& generation = placer.generation;
  Control control = plan.controls[i];
  u64 taken = generation.dispatch;
  if (control == Control::branch || control == Control::jump) {
    u64 target = raw(instruction.target());
    taken = target == pc ? entry : generation.map.find(target);
    if (taken == 0)
      taken = edges.add(target, stencil::taken_site(placer.library, *plan.bodies[i], placer.cursor.run), 0);
  }
  placer.paste(*plan.bodies[i], instruction.operands, taken);
  if (is_call(control)) paste_call(placer, instruction, control, edges);
  if (control == Control::function_return) {
    stencil::write_return(placer.cursor.write);
    placer.skip(stencil::return_size);
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

Translation translate(Generation& generation, GuestAddr guest_pc, IsToWait is_to_wait) {
  u64 pc = raw(guest_pc);
  static Plan plan;  // under the translation lock
  plan.count = plan.available = 0;
  plan.undefined = plan.falls_through = false;
  plan.continuation = 0;
  plan.readable = static_cast<u32>((page_size - (pc & (page_size - 1))) / 4);
  if (plan.readable > max_instructions) plan.readable = max_instructions;
  if (!plan_block(generation, pc, plan)) return {};
  drop_dead_flags(plan);
  const stencil::Library& library = stencil::library();
  select_stencils(plan, library);

  generation.code.commit(generation.used + commit_ahead);
  Placer placer{generation,
                {generation.code.writable(generation.code.run_base() + generation.used),
                 generation.code.run_base() + generation.used},
                library};
  u64 base = generation.code.run_base(), begin = placer.cursor.run;
  placer.thunk(generation.poll_stub);
  placer.carried_entry();

  u64 entry = placer.cursor.run;
  Edges edges;
  edges.end = aligned(entry + plan.body_size);
  // First, so that the body runs into it: what a block goes on with, or comes back to.
  u64 next_pc = pc + 4 * plan.count;
  Control last = plan.count != 0 ? plan.controls[plan.count - 1] : Control::next;
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
  constexpr u64 no_operands[semantic::max_operands] = {};
  placer.paste(Glue::block_entry, no_operands, begin);
  for (u32 i = 0; i < plan.count; i++) {
    generation.offsets.push(static_cast<u16>(placer.cursor.run - entry));
    paste_instruction(placer, plan, i, pc, entry, edges);
  }
  if (plan.undefined) {
    u64 operands[semantic::max_operands] = {pc + 4 * plan.count, static_cast<u64>(ExitReason::undefined),
                                            plan.words[plan.count]};
    placer.paste(Glue::leave_at, operands);
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
