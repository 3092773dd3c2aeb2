// --dump-regions: what is compiled, for people to read, as files of a directory: each region's request, its IR before and after the
// passes, and its code beside the guest's.
#pragma once
#include <string>

#include "translator/optimizer/region.h"
#include "translator/optimizer/report.h"

namespace ferry::optimizer {

// The request as text: where it is, what is in it, where it is entered, where indirect branches went.
std::string describe(const Request& request);

// Writes PROCESS-NUMBER-NAME.request, .before.ll, .after.ll and .code, new files for this user alone. What goes wrong is said in
// the log once. One thread at a time.
void dump(const std::string& directory, const std::string& name, const Request& request, const Listing& listing);

}  // namespace ferry::optimizer
