// A request and a region with something in every field, for tests of what carries them.
#pragma once
#include <cstddef>
#include <cstring>

#include "guest/aarch64/cpu.h"
#include "translator/optimizer/kept_page.h"
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

inline void place_trap(Region& region, u32 at) {
#if defined(__x86_64__)
  constexpr u8 trap[] = {0x0f, 0x0b};
#else
  constexpr u8 trap[] = {0x20, 0x00, 0x20, 0xd4};
#endif
  memcpy(&region.code[at], trap, sizeof trap);
}

inline Region sample_region() {
  constexpr u16 vectors = offsetof(aarch64::Cpu, vectors);
  Region region;
  region.code.assign(100, 0xcc);
  region.stretches = sample_request().stretches;
  region.loader = 56;
  region.entries = {{0x14, 0, true}, {0x40, 64, false}};
  region.exits = {-4096, 0, 0x7ffffffc};
  region.helpers = {"ferry_a64_divide", "memcpy"};
  region.relocations = {{2, stencil::Patch::abs_64, RelocationKind::base, 0, -8},
                        {12, stencil::Patch::abs_64, RelocationKind::helper, 1, 0},
                        {96, stencil::Patch::pc_32, RelocationKind::exit, 2, -4},
                        {20, stencil::Patch::pc_32, RelocationKind::call, 1, -4},
                        {24, stencil::Patch::pc_32, RelocationKind::carried_exit, 0, -4},
                        {28, stencil::Patch::pc_32, RelocationKind::carried_return, 0, -4}};
  region.calls = {
      {2, 1, 1, CallTarget::exit, {}}, {1, 0, 0, CallTarget::call, {}}, {0, 0, 0, CallTarget::argument, {}}};
  region.fault_edges = {{0, 70}, {30, 80}, {99, 99}};
  // The second is x3 = low half of x0's register < what is on the stack, as 64 bits.
  for (u32 at : {u32{72}, u32{90}}) place_trap(region, at);
  region.fault_states = {{72, 0x14, 0, 3}, {90, 0x40, 2, 1}};
  region.fault_lists = {0, 1, 2, 4, 5, 6, 7};
  region.fault_values = {{-5, 8, 8, FaultSource::constant, 0},
                         {0x1000, 248, 8, FaultSource::base, 0},
                         {i64{4} << 32 | 3, 24, 8, FaultSource::expression, 0},
                         {31, vectors + 16, 16, FaultSource::vector, 0},
                         {0, 0, 4, FaultSource::general, 0},
                         {16, 0, 8, FaultSource::stack, 0},
                         {64, 0, 1, FaultSource::less_signed, 0},
                         {0, 0, 64, FaultSource::truncate, 0}};
  region.lines = {{0, 0x14}, {0, 0x18}, {50, 0x2008}};
  region.instructions = 9;
  return region;
}

inline KeptPage sample_page() {
  static const KeptBlock blocks[] = {{7, 0, 24, 60, 1, 3}, {8, 64, 88, 100, 1022, 2}};
  static const u32 words[] = {1, 2, 3, 4, 5, 6}, address_fields[] = {30, 90}, common_fields[] = {1, 16, 65};
  static const u16 offsets[] = {0, 10, 30, 0, 5};
  static const KeptEdge edges[] = {{-4096, 104, 50}, {8, 112, 0}};
  static const KeptHelper helpers[] = {{40, 3}};
  static const u8 code[120] = {1, 2, 3};
  return {100, blocks, words, offsets, edges, address_fields, common_fields, helpers, code};
}

}  // namespace ferry::optimizer
