// The optimised tier of the translator: what is hot becomes a request to the optimiser, what comes back is put in place, and regions
// that earlier runs paid for are found in the store. Programs get by with translator.h and start_optimizer(); tests use the rest to
// run chosen code as a region.
#pragma once
#include <functional>
#include <optional>
#include <span>

#include "translator/cache/generation.h"
#include "translator/optimizer/client.h"
#include "translator/optimizer/mapping.h"
#include "translator/optimizer/region.h"
#include "translator/translator.h"

namespace ferry::translator {

// After start(), before any guest thread runs: from now on hot code is optimised. The store is that of `client.directory`.
void start_optimizer(optimizer::ClientOptions client);

// Instead, for tests: requests are compiled by this function on the spot, on the guest's thread.
using Compile = std::function<std::optional<optimizer::Region>(const optimizer::Request&)>;
void optimize_by(Compile compile);

// At a process's end: hands what got warm to the optimiser.
void hand_in_heat();

// The request that would be made if the block at pc were hot now; nullopt when nothing has run there. Any thread.
std::optional<optimizer::Request> form_region(u64 pc);

// Puts the region in place for the guest code at `base`. False when memory does not hold its guest code where the guest may execute it,
// or when it needs a helper that this program has not. Any thread.
bool install_region(u64 base, const optimizer::Region& region);

// ---- For the translator's loop.

// Whether regions have been asked for and not come: then take_answers() is to be called often, which puts in place what has. Mostly a
// load each. Not under the lock.
bool answers_awaited();
void take_answers();

// The thread's budget ran out in the block at cpu.pc. Not under the lock. May run what follows by the reference, to see where
// branches go; true when that came to an exit.
bool note_sample(Cpu& cpu, Exit& exit);

// How many times the shortest budget of blocks the next is to be. Any thread.
u32 budget_factor();

// Whether the store may have a region that is entered at the block at pc, whose entry_key() this is.
bool may_be_stored(u64 pc, u64 key);

// Under the lock: the code for a block that waits for its worth to be known; 0 when none waits there. When it has been visited often
// enough, or is `hot`, a region of the store takes its place.
u64 visit_waiting(cache::Generation& generation, u64 pc, bool hot);

// Where the code at pc comes from. The kernel is asked anew only when something executable has changed since: it takes as long as to form
// a small region. Not under the lock.
optimizer::Mapping mapping_of(u64 pc);

// ---- For pages.cpp. Under the lock.

bool has_store();
// What the store has for a page_key(); empty: nothing. Readable until something else is looked for.
std::span<const u8> find_stored_page(u64 key);
// Whether there is an optimiser with a store to hand pages in to; not under the lock, and does it: Client::hand_in_pages().
bool keeps_pages();
void hand_in_notes(const std::function<void(int fd)>& write, bool much);

void forget_requests();  // in a forked child, under the lock

// Under the lock: what the guest may execute, and so perhaps where it comes from, is no longer what it was.
void executable_changed();

// What is read from the store goes into its scratch from now on.
void use_scratch_of(const cache::Generation& generation);

}  // namespace ferry::translator
