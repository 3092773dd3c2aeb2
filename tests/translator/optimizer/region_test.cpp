#include "translator/optimizer/region.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <random>

#include "tests/translator/optimizer/sample_region.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {
namespace {

// The same bytes mean the same fields.
TEST(RegionBytes, RequestRoundTrip) {
  Request request = sample_request();
  std::vector<u8> bytes = write_request(request);
  auto back = read_request(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(write_request(*back), bytes);
  EXPECT_EQ(back->base, request.base);
  EXPECT_TRUE(back->storable);
  EXPECT_EQ(back->file, request.file);
  EXPECT_EQ(back->file_offset, request.file_offset);
  EXPECT_EQ(back->heat, request.heat);
  EXPECT_EQ(back->entries, request.entries);
  ASSERT_EQ(back->stretches.size(), 3u);
  EXPECT_EQ(back->stretches[2].offset, 0x1ffcu);
  EXPECT_EQ(back->stretches[2].words, request.stretches[2].words);
  ASSERT_EQ(back->indirect_targets.size(), 2u);
  EXPECT_EQ(back->indirect_targets[0].target, 0x9000u);
}

TEST(RegionBytes, RegionRoundTrip) {
  Region region = sample_region();
  std::vector<u8> bytes = write_region(region);
  auto back = read_region(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(write_region(*back), bytes);
  EXPECT_EQ(back->code, region.code);
  EXPECT_EQ(back->exits, region.exits);
  EXPECT_EQ(back->helpers, region.helpers);
  ASSERT_EQ(back->entries.size(), 2u);
  EXPECT_EQ(back->loader, 56u);
  EXPECT_EQ(back->entries[1].code, 64u);
  EXPECT_FALSE(back->entries[1].in_map);
  ASSERT_EQ(back->relocations.size(), 6u);
  EXPECT_EQ(back->relocations[2].kind, RelocationKind::exit);
  EXPECT_EQ(back->relocations[2].addend, -4);
  ASSERT_EQ(back->calls.size(), 3u);
  EXPECT_EQ(back->calls[0].back, 2u);
  EXPECT_EQ(back->calls[1].target, CallTarget::call);
  ASSERT_EQ(back->fault_edges.size(), 3u);
  EXPECT_EQ(back->fault_edges[1].edge, 80u);
  ASSERT_EQ(back->fault_states.size(), 2u);
  EXPECT_EQ(back->fault_states[1].offset, 0x40u);
  EXPECT_EQ(back->fault_states[0].count, 3u);
  EXPECT_EQ(back->fault_lists, region.fault_lists);
  ASSERT_EQ(back->fault_values.size(), 8u);
  EXPECT_EQ(back->fault_values[1].value, 0x1000);
  EXPECT_EQ(back->fault_values[1].field, 248u);
  EXPECT_EQ(back->fault_values[6].source, FaultSource::less_signed);
  ASSERT_EQ(back->lines.size(), 3u);
  EXPECT_EQ(back->lines[2].offset, 0x2008u);
  EXPECT_EQ(back->instructions, 9u);
}

TEST(RegionBytes, EveryTruncationAndAnExtraByteAreRefused) {
  std::vector<u8> request = write_request(sample_request()), region = write_region(sample_region());
  // Copies of the exact size, so that a sanitizer sees a read beyond them.
  for (size_t length = 0; length < request.size(); length++)
    EXPECT_FALSE(read_request(std::vector<u8>(request.begin(), request.begin() + static_cast<long>(length)))) << length;
  for (size_t length = 0; length < region.size(); length++)
    EXPECT_FALSE(read_region(std::vector<u8>(region.begin(), region.begin() + static_cast<long>(length)))) << length;
  request.push_back(0);
  region.push_back(0);
  EXPECT_FALSE(read_request(request));
  EXPECT_FALSE(read_region(region));
}

bool in_stretches(const std::vector<Stretch>& stretches, u32 offset) {
  for (const Stretch& stretch : stretches)
    if (offset >= stretch.offset && offset < stretch.offset + 4 * stretch.words.size() && offset % 4 == 0) return true;
  return false;
}

// region.h's promises, checked in another way than the reader does.
void expect_sound(const Request& request) {
  u64 instructions = 0, end = 0;
  for (const Stretch& stretch : request.stretches) {
    ASSERT_GE(stretch.offset, end);
    end = stretch.offset + 4 * stretch.words.size();
    instructions += stretch.words.size();
  }
  ASSERT_LE(end, u64{max_region_pages} * 4096);
  ASSERT_LE(instructions, max_region_instructions);
  ASSERT_FALSE(request.entries.empty());
  for (u32 entry : request.entries) ASSERT_TRUE(in_stretches(request.stretches, entry));
  for (const IndirectTarget& seen : request.indirect_targets) ASSERT_TRUE(in_stretches(request.stretches, seen.site));
}

// Runs an expression with nothing in it: how deep its stack is afterwards, -1 when it is not sound.
int depth_of(const Region& region, u64 place) {
  u64 depth = 0;
  for (u64 i = 0; i < place >> 32; i++) {
    const FaultValue& step = region.fault_values.at(region.fault_lists.at(static_cast<u32>(place) + i));
    if (step.source == FaultSource::expression) return -1;
    if (!is_step(step.source) && (step.size == 0 || step.size > 8)) return -1;
    if (is_step(step.source)) {
      if (step.size == 0 || step.size > 64 || depth < operands_of(step.source)) return -1;
      depth -= operands_of(step.source);
    }
    if (++depth > max_fault_depth) return -1;
  }
  return static_cast<int>(depth);
}

void expect_sound_states(const Region& region) {
  for (const FaultState& state : region.fault_states) {
    ASSERT_LT(state.code, region.code.size());
    ASSERT_TRUE(in_stretches(region.stretches, state.offset));
    for (u64 i = state.first; i < u64{state.first} + state.count; i++) {
      const FaultValue& value = region.fault_values.at(region.fault_lists.at(i));
      bool in_registers = value.field + value.size <= 256;
      bool in_flags =
          value.field >= offsetof(aarch64::Cpu, n) && value.field <= offsetof(aarch64::Cpu, v) && value.size == 1;
      bool in_vectors = value.field >= offsetof(aarch64::Cpu, vectors) &&
                        value.field + value.size <= offsetof(aarch64::Cpu, vectors) + sizeof aarch64::Cpu::vectors;
      ASSERT_TRUE(in_registers || in_flags || in_vectors);
      ASSERT_LE(value.size, 16);
      ASSERT_FALSE(is_step(value.source));
      if (value.source == FaultSource::expression) {
        ASSERT_EQ(depth_of(region, static_cast<u64>(value.value)), 1);
      }
    }
  }
}

void expect_sound(const Region& region) {
  size_t size = region.code.size();
  for (const Entry& entry : region.entries) {
    ASSERT_TRUE(in_stretches(region.stretches, entry.offset));
    ASSERT_LT(entry.code, size);
  }
  ASSERT_LT(region.loader, size);
  for (const Relocation& relocation : region.relocations) {
    ASSERT_LE(relocation.code + (relocation.patch == stencil::Patch::abs_64 ? 8 : 4), size);
    if (relocation.kind == RelocationKind::exit || relocation.kind == RelocationKind::carried_exit) {
      ASSERT_LT(relocation.index, region.exits.size());
    }
    if (relocation.kind == RelocationKind::call) {
      ASSERT_LT(relocation.index, region.calls.size());
    }
    if (relocation.kind == RelocationKind::carried_return) {
      ASSERT_GE(relocation.code, 2u);
    }
    if (relocation.kind == RelocationKind::helper) {
      ASSERT_LT(relocation.index, region.helpers.size());
    }
  }
  for (size_t i = 0; i < region.calls.size(); i++) {
    const Call& call = region.calls[i];
    ASSERT_LT(call.back, call.back_to_exit != 0 ? region.exits.size() : region.entries.size());
    ASSERT_LE(call.target, CallTarget::argument);
    if (call.target == CallTarget::exit) {
      ASSERT_LT(call.to, region.exits.size());
    }
    if (call.target == CallTarget::entry) {
      ASSERT_LT(call.to, region.entries.size());
    }
    if (call.target == CallTarget::call) {
      ASSERT_LT(call.to, i);
    }
  }
  for (size_t i = 0; i < region.fault_edges.size(); i++) {
    ASSERT_LT(region.fault_edges[i].access, size);
    ASSERT_LT(region.fault_edges[i].edge, size);
    if (i != 0) {
      ASSERT_LT(region.fault_edges[i - 1].access, region.fault_edges[i].access);
    }
  }
  for (const Line& line : region.lines) ASSERT_LT(line.code, size);
  expect_sound_states(region);
}

TEST(RegionBytes, FlippedBitsAreRefusedOrHarmless) {
  std::vector<u8> request = write_request(sample_request()), region = write_region(sample_region());
  size_t refused = 0, accepted = 0;
  for (size_t bit = 0; bit < request.size() * 8; bit++) {
    request[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    if (auto read = read_request(request)) {
      expect_sound(*read);
      accepted++;
    } else {
      refused++;
    }
    request[bit / 8] ^= static_cast<u8>(1 << bit % 8);
  }
  for (size_t bit = 0; bit < region.size() * 8; bit++) {
    region[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    if (auto read = read_region(region)) {
      expect_sound(*read);
      accepted++;
    } else {
      refused++;
    }
    region[bit / 8] ^= static_cast<u8>(1 << bit % 8);
  }
  EXPECT_GT(refused, 500u);   // counts, offsets, kinds
  EXPECT_GT(accepted, 500u);  // code and words may be anything
}

TEST(RegionBytes, RandomWordsInTheirPlaces) {
  std::mt19937 random(1);
  std::vector<u8> good = write_region(sample_region());
  for (int i = 0; i < 20000; i++) {
    std::vector<u8> bytes = good;
    for (int n = 0; n < 3; n++) {
      u32 value = random() % 3 == 0 ? random() : random() % 128;
      memcpy(&bytes[random() % (bytes.size() - 4)], &value, sizeof value);
    }
    if (auto read = read_region(bytes)) expect_sound(*read);
  }
}

void expect_refused(const std::function<void(Request&)>& change) {
  Request request = sample_request();
  change(request);
  EXPECT_FALSE(read_request(write_request(request)));
}

TEST(RegionBytes, RequestsThatContradictThemselvesAreRefused) {
  expect_refused([](Request& r) { r.base++; });
  expect_refused([](Request& r) { r.stretches.clear(); });
  expect_refused([](Request& r) { r.stretches[0].words.clear(); });
  expect_refused([](Request& r) { r.stretches[0].offset = 2; });
  expect_refused([](Request& r) { std::swap(r.stretches[0], r.stretches[1]); });
  expect_refused([](Request& r) { r.stretches[0].words.resize(13); });  // into the second
  expect_refused([](Request& r) { r.stretches[2].offset = max_region_pages * 4096 - 8; });
  expect_refused([](Request& r) { r.stretches[2].words.resize(max_region_instructions); });
  expect_refused([](Request& r) { r.entries.clear(); });
  expect_refused([](Request& r) { r.entries[0] = 0x1c; });  // just behind the first
  expect_refused([](Request& r) { r.entries[0] = 0x12; });
  expect_refused([](Request& r) { r.entries.assign(max_entries + 1, 0x14); });
  expect_refused([](Request& r) { r.indirect_targets[0].site = 0; });
  expect_refused([](Request& r) { r.indirect_targets[0].target = 2; });
  expect_refused([](Request& r) { r.file.assign(5000, 'a'); });
}

void expect_refused(const std::function<void(Region&)>& change) {
  Region region = sample_region();
  change(region);
  EXPECT_FALSE(read_region(write_region(region)));
}

TEST(RegionBytes, RegionsThatContradictThemselvesAreRefused) {
  expect_refused([](Region& r) { r.code.clear(); });
  expect_refused([](Region& r) { r.code.resize(max_code_bytes + 1); });
  expect_refused([](Region& r) { r.entries.clear(); });
  expect_refused([](Region& r) { r.entries[0].offset = 0x1c; });
  expect_refused([](Region& r) { r.entries[0].code = 100; });
  expect_refused([](Region& r) { r.loader = 100; });
  expect_refused([](Region& r) { r.exits[0] = 2; });
  expect_refused([](Region& r) { r.helpers[0] = ""; });
  expect_refused([](Region& r) { r.helpers[0] = "a b"; });
  expect_refused([](Region& r) { r.relocations[0].code = 93; });
  expect_refused([](Region& r) { r.relocations[2].code = 97; });
  expect_refused([](Region& r) { r.relocations[2].code = 0xfffffffe; });
  expect_refused([](Region& r) { r.relocations[2].index = 3; });
  expect_refused([](Region& r) { r.relocations[1].index = 2; });
  expect_refused([](Region& r) { r.relocations[3].index = 3; });
  expect_refused([](Region& r) { r.relocations[4].index = 3; });
  expect_refused([](Region& r) { r.relocations[1].patch = stencil::Patch::pc_32; });
  expect_refused([](Region& r) { r.relocations[5].index = 1; });
  expect_refused([](Region& r) { r.relocations[5].code = 1; });
  expect_refused([](Region& r) { r.calls[0].back = 3; });
  expect_refused([](Region& r) { r.calls[0].to = 3; });
  expect_refused([](Region& r) { r.calls[0].back_to_exit = 2; });
  expect_refused([](Region& r) { r.calls[0].target = static_cast<CallTarget>(4); });
  expect_refused([](Region& r) { r.calls[1].back = 2; });
  expect_refused([](Region& r) { r.calls[1].to = 1; });  // itself
  expect_refused([](Region& r) { r.calls[2].to = 1; });
  expect_refused([](Region& r) { r.relocations[0].kind = static_cast<RelocationKind>(7); });
  expect_refused([](Region& r) { r.relocations[0].patch = static_cast<stencil::Patch>(200); });
  expect_refused([](Region& r) { r.fault_edges[2].edge = 100; });
  expect_refused([](Region& r) { r.fault_edges[2].access = 100; });
  expect_refused([](Region& r) { r.fault_edges[1].access = 0; });
  expect_refused([](Region& r) { r.lines[2].code = 100; });
  expect_refused([](Region& r) { r.fault_states[0].code = 73; });  // no trap
  expect_refused([](Region& r) { r.fault_states[1].code = 72; });
  expect_refused([](Region& r) { r.fault_states[1].code = 100; });
  expect_refused([](Region& r) { r.fault_states[0].offset = 0x1c; });
  expect_refused([](Region& r) { r.fault_states[0].is_poll = 2; });
  expect_refused([](Region& r) { r.fault_states[0].count = 8; });
  expect_refused([](Region& r) { r.fault_states[0].first = 0xffffffff; });
  expect_refused([](Region& r) { r.fault_states[0].first = 3; });  // steps, outside of an expression
  expect_refused([](Region& r) { r.fault_lists[0] = 8; });
  expect_refused([](Region& r) { r.fault_lists.assign((1 << 20) + 1, 0); });
}

TEST(RegionBytes, FaultValuesThatContradictThemselvesAreRefused) {
  expect_refused([](Region& r) { r.fault_values[0].field = 4; });
  expect_refused([](Region& r) { r.fault_values[0].field = 256; });  // XZR
  expect_refused([](Region& r) { r.fault_values[0].field = offsetof(aarch64::Cpu, pc); });
  expect_refused([](Region& r) { r.fault_values[0].field = offsetof(aarch64::Cpu, host_sp); });
  expect_refused([](Region& r) { r.fault_values[0].field = 0xfff8; });
  expect_refused([](Region& r) { r.fault_values[0].size = 16; });
  expect_refused([](Region& r) { r.fault_values[0].size = 0; });
  expect_refused([](Region& r) { r.fault_values[0].reserved = 1; });
  expect_refused([](Region& r) { r.fault_values[0].source = FaultSource::truncate; });
  expect_refused([](Region& r) { r.fault_values[0].source = static_cast<FaultSource>(99); });
  expect_refused([](Region& r) { r.fault_values[3].value = 32; });
  expect_refused([](Region& r) { r.fault_values[4].value = -1; });
  expect_refused([](Region& r) { r.fault_values[4].value = stencil::general_registers; });
  expect_refused([](Region& r) { r.fault_values[5].value = 1 << 20; });
  expect_refused([](Region& r) { r.fault_values[5].value = -(1 << 17); });
  // Its steps.
  expect_refused([](Region& r) { r.fault_values[4].size = 9; });
  expect_refused([](Region& r) { r.fault_values[6].size = 65; });
  expect_refused([](Region& r) { r.fault_values[6].value = 0; });
  expect_refused([](Region& r) { r.fault_values[7].source = FaultSource::add; });  // of one value
  expect_refused([](Region& r) {
    r.fault_values[7].source = FaultSource::constant;
    r.fault_values[7].size = 8;
  });
  expect_refused([](Region& r) { r.fault_values[2].value = i64{5} << 32 | 3; });
  expect_refused([](Region& r) { r.fault_values[2].value = i64{1} << 32 | 0xffffffff; });
  expect_refused([](Region& r) { r.fault_values[2].value = 3; });  // none
  expect_refused([](Region& r) { r.fault_lists[4] = 2; });         // itself
  expect_refused([](Region& r) {
    // Deeper than its stack.
    r.fault_lists.assign(max_fault_depth + 1, 4);
    for (u32 i = 0; i < max_fault_depth; i++) r.fault_lists.push_back(6);
    r.fault_states = {};
    r.fault_values[2].value = i64{2 * max_fault_depth + 1} << 32;
  });
  expect_refused([](Region& r) { std::swap(r.lines[0], r.lines[2]); });
}

TEST(RegionBytes, TheEntryKeyIsOfTheFirstWordsAlone) {
  std::vector<u32> words{1, 2, 3, 4, 5, 6, 7, 8, 9};
  u64 key = entry_key(words);
  words[8] = 0;
  EXPECT_EQ(entry_key(words), key);
  words[7] = 0;
  EXPECT_NE(entry_key(words), key);
  EXPECT_NE(entry_key(std::span{words}.first(3)), entry_key(std::span{words}.first(4)));
}

TEST(RegionBytes, TheExtentIsReadWithoutTheRest) {
  std::vector<u8> bytes = write_region(sample_region());
  auto extent = read_extent(bytes, 1);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->entry, 0x40u);
  EXPECT_EQ(extent->begin, 0x10u);
  EXPECT_EQ(extent->end, 0x200cu);
  EXPECT_FALSE(read_extent(bytes, 2));
  for (size_t size = 0; size < 150; ++size) EXPECT_FALSE(read_extent(std::span{bytes}.first(size), 1)) << size;
  EXPECT_FALSE(read_extent(write_request(sample_request()), 0));
}

}  // namespace
}  // namespace ferry::optimizer
