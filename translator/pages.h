// Pages of guest code whose translation the store has: they are put in place as a whole where their first block is come to, and what had
// to be translated is handed in for the next process.
#pragma once
#include <string_view>

#include "translator/cache/generation.h"

namespace ferry::translator {

// Before any guest thread runs: whose pages these are. Different programs need different parts of the same libraries.
void name_program(std::string_view path);

// Under the lock: the code at pc out of the store, if it has the page and this pc on it, and nothing of the page has been translated; else
// 0, and the page may be in place all the same. Costs a block's translation where it has not.
u64 place_stored_page(cache::Generation& generation, u64 pc);

// At a process's end: hands the pages on which enough was translated to the optimiser. What a forked child has from its parent is the
// parent's to hand in.
void hand_in_pages();

}  // namespace ferry::translator
