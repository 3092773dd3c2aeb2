// A region: guest code that is compiled as one, and the host code that comes of it. Plain data, on its way between the
// guest's process, the optimiser's, and the store; every byte of it is checked when it is read back (read_*()).
// Guest addresses in it are offsets from a base, a whole page of guest memory, so that one region serves wherever its
// file is mapped; they may be negative only where a branch leads out of the region.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"
#include "translator/stencil/library.h"

namespace ferry::optimizer {

// Of what a region may consist: more is refused on both sides.
inline constexpr u32 max_region_instructions = 4096;
inline constexpr u32 max_region_pages = 2048;  // from the first to the last; most are not touched
inline constexpr u32 max_entries = 256;
inline constexpr size_t max_code_bytes = size_t{1} << 20;

// Consecutive guest instructions.
struct Stretch {
  u32 offset;  // bytes from the base; a multiple of 4
  std::vector<u32> words;
};

// Whether the instruction at an offset is one of theirs.
bool holds(std::span<const Stretch> stretches, u64 offset);

// An indirect branch was seen to go there.
struct IndirectTarget {
  u32 site, target;  // offsets
};

// What is to be compiled: the guest's business is which instructions, the optimiser's how control flows through them.
struct Request {
  u64 base = 0;           // where it is mapped in the process that asks: for logs; code never depends on it
  bool storable = false;  // from a file, so that another process may meet it again
  std::string file;       // which, when that is known, and where in it the base is: for the profile and for logs
  u64 file_offset = 0;
  u64 heat = 0;                    // samples, for the queue's order
  std::vector<Stretch> stretches;  // ascending, disjoint; instructions that have run
  std::vector<u32> entries;        // offsets inside the stretches; the first is the hot block
  std::vector<IndirectTarget> indirect_targets;
};

// Where control enters the code: at `code` with registers carried (stencil/carried.h); with Cpu exact at Region::loader, which loads
// them and goes to its argument, the run address of `code`. Entries that are not in the map are for returns from calls that
// the region makes, where `offset` has a better entry or none is wanted.
struct Entry {
  u32 offset;  // guest
  u32 code;
  bool in_map;
};

// A host instruction that accesses guest memory, and where to go on when it faults: code that comes to the trap of a fault state.
struct FaultEdge {
  u32 access, edge;  // code offsets; ascending by access
};

// What belongs in a field of Cpu when a fault state's trap is reached, and where it is; or a step in computing it. Flags are
// computed at the fault: code for them, in every edge, would be more than all the rest.
enum class FaultSource : u16 {
  constant,  // `value` itself
  base,      // the region's base + value
  general,   // the host's general register of this number
  vector,    // its vector register
  stack,     // `value` bytes from its stack pointer
  // What the steps make of it that are in fault_lists from the index in the lower half of `value` on, as many as the upper says.
  // Each takes from a stack what it works on and leaves there its result, of which `size` bits count; values push `size` bytes.
  expression,
  add,
  subtract,
  multiply,
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
  shift_right_signed,
  truncate,
  extend_sign,  // from `value` bits
  equal,
  less,
  less_signed,  // of `value` bits
  select,       // the second where the first is not 0, else the third
};
inline constexpr u32 max_fault_depth = 16;  // of the stack
inline constexpr u32 max_fault_steps = 80;  // of an expression
struct FaultValue {
  i64 value;
  u16 field, size;  // in Cpu: a general register, a flag, a vector or its half; a step has no field: 0
  FaultSource source;
  u16 reserved;  // 0
};
constexpr bool is_step(FaultSource source) { return source > FaultSource::expression && source <= FaultSource::select; }
constexpr u32 operands_of(FaultSource step) {
  if (step == FaultSource::select) return 3;
  return step == FaultSource::truncate || step == FaultSource::extend_sign ? 1 : 2;
}

// The trap by which a fault edge leaves, or a poll that somebody wants something of: the signal handler makes Cpu exact, cpu.pc included.
struct FaultState {
  u32 code;          // of the trap; ascending
  u32 offset;        // of the guest instruction
  u32 first, count;  // in fault_lists
  u32 is_poll = 0;
};

// The guest instruction that the host code from `code` on belongs to, for locate() and profilers; approximate.
struct Line {
  u32 code;  // ascending
  u32 offset;
};

enum class RelocationKind : u8 {
  base,    // the base's guest address; abs_64
  helper,  // the address of helpers[index]; abs_64
  exit,  // the code, or until there is some the thunk, of the guest instruction at exits[index], to be entered with Cpu exact
  carried_exit,    // the same, with carried registers
  call,            // calls[index], with carried registers
  carried_return,  // a return to the carried X30 by the return stack
  carried_lookup,  // what goes on at any guest pc, with carried registers: the argument
};

struct Relocation {
  u32 code;  // offset of the patched field
  stencil::Patch patch;
  RelocationKind kind;
  u16 index;
  i32 addend;
};

// What a call goes to: exits[to], entries[to], calls[to] (an earlier one, after making its frame), or what the argument says.
enum class CallTarget : u8 { exit, entry, call, argument };

// A call by the return stack (stencil/return_stack.h), with carried registers: one that the guest makes, or one that was inlined and is
// made up for on a way out of it, so that what goes on there returns into the region.
struct Call {
  u16 back;         // an index: where it comes back to
  u16 to;           // of an argument: 0
  u8 back_to_exit;  // comes back to an exit, not to an entry
  CallTarget target;
  u8 reserved[2];
};

struct Region {
  std::vector<u8> code;  // position-independent; to be placed at a multiple of code_alignment
  u32 loader = 0;        // an offset into it
  std::vector<Entry> entries;
  std::vector<i32> exits;  // guest offsets, of direct branches and of returns from calls
  std::vector<Call> calls;
  std::vector<std::string> helpers;
  std::vector<Relocation> relocations;
  std::vector<FaultEdge> fault_edges;
  std::vector<FaultState> fault_states;
  std::vector<u16> fault_lists;  // indices into fault_values
  std::vector<FaultValue> fault_values;
  std::vector<Line> lines;
  std::vector<Stretch> stretches;  // the guest code it stands for: installed only where memory holds just this
  u32 instructions = 0;            // guest instructions compiled, counting one as often as it was inlined
};

inline constexpr u32 code_alignment = 64;

// As bytes, and back. read_*: nullopt when anything is out of bounds or contradicts itself; never reads beyond `bytes`.
std::vector<u8> write_request(const Request& request);
std::optional<Request> read_request(std::span<const u8> bytes);
std::vector<u8> write_region(const Region& region);
std::optional<Region> read_region(std::span<const u8> bytes);

// Where a region lies, without reading all of it: the offsets of one of its entries and of its guest code, stretches and gaps.
struct RegionExtent {
  u32 entry, begin, end;
};
std::optional<RegionExtent> read_extent(std::span<const u8> region, u32 entry);

// By which regions are found: a hash of the words at an entry, as many as there are of it on its page up to the first branch or
// key_words. More do no harm: what follows a branch need not be part of the region.
inline constexpr u32 key_words = 8;
u64 entry_key(std::span<const u32> words);
// Of the words that the stretches have at an offset; 0: they have none.
u64 entry_key(const std::vector<Stretch>& stretches, u32 offset);
// Of each of the region's entries; 0 for those that nobody is to find.
std::vector<u64> entry_keys(const Region& region);

}  // namespace ferry::optimizer
