// A request and a region with something in every field, for tests of what carries them.
#pragma once
#include "translator/optimizer/region.h"

namespace ferry::optimizer {

inline Request sample_request() {
  Request request;
  request.base = 0x55'5000'1000;
  request.storable = true;
  request.file = "/usr/bin/example";
  request.file_offset = 0x3000;
  request.heat = 17;
  request.stretches = {{0x10, {0xd503201f, 0x91000400, 0xb5ffffe1}}, {0x40, {0xd65f03c0}}, {0x1ffc, {1, 2, 3, 4}}};
  request.entries = {0x14, 0x40, 0x2000};
  request.indirect_targets = {{0x40, 0x9000}, {0x18, 0x10}};
  return request;
}

inline Region sample_region() {
  Region region;
  region.code.assign(100, 0xcc);
  region.stretches = sample_request().stretches;
  region.body = 48;
  region.loader = 56;
  region.entries = {{0x14, 0, true}, {0x40, 64, false}};
  region.exits = {-4096, 0, 0x7ffffffc};
  region.helpers = {"ferry_a64_divide", "memcpy"};
  region.relocations = {{2, stencil::Patch::abs_64, RelocationKind::base, 0, -8},
                        {12, stencil::Patch::abs_64, RelocationKind::helper, 1, 0},
                        {96, stencil::Patch::pc_32, RelocationKind::exit, 2, -4},
                        {20, stencil::Patch::pc_32, RelocationKind::entry, 1, -4},
                        {24, stencil::Patch::pc_32, RelocationKind::carried_exit, 0, -4}};
  region.fault_edges = {{0, 70}, {30, 80}, {99, 99}};
  region.lines = {{0, 0x14}, {0, 0x18}, {50, 0x2008}};
  region.instructions = 9;
  return region;
}

}  // namespace ferry::optimizer
