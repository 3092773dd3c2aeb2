// Regions for people to read: each guest instruction with the host instructions that it became beside it.
#pragma once
#include <string>

#include "translator/optimizer/region.h"

namespace ferry::optimizer {

// `text_end`: where instructions end and constants begin. The region's lines say which host instruction belongs to which guest
// instruction; the more there are, the better.
std::string side_by_side(const Request& request, const Region& region, size_t text_end);

}  // namespace ferry::optimizer
