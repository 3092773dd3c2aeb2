// The log behind `--log CATEGORY[,CATEGORY...]` and FERRY_LOG: one line a message on standard error or FERRY_LOG_FILE.
// Each category is off by default except `warning`. Async-signal-safe: formats into a stack buffer, one write().
#pragma once
#include "guest/types.h"

namespace ferry {

enum class Log : u32 {
  warning = 1,     // what is not supported and was met: said once, on by default
  load = 2,        // image mapping, interpreter, stack, vDSO
  translate = 4,   // blocks as they are translated, with guest disassembly
  exits = 8,       // every exit from translated code
  signals = 16,    // signals taken, delivered, returned from
  memory = 32,     // guest mappings and invalidations
  optimizer = 64,  // the optimiser's process and what is said to it
  regions = 128,   // what gets hot, the regions formed of it, and what becomes of them
};

extern u32 log_mask;  // set once at start-up
extern int log_fd;    // 2 unless redirected

inline bool logging(Log category) { return (log_mask & static_cast<u32>(category)) != 0; }

// printf-style; prints "ferry: message\n" (ferry[pid/tid] where threads or children exist).
[[gnu::format(printf, 2, 3)]] void log(Log category, const char* format, ...);

// Parses "load,signals" (or "all"); false when a name is unknown.
bool parse_log_categories(const char* text, u32& mask);
// The known names, comma-separated, for help texts and errors.
const char* log_category_names();

}  // namespace ferry
