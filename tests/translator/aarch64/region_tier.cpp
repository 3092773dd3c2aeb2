#include "tests/translator/aarch64/region_tier.h"

#include <gtest/gtest.h>

#include <cstring>

#include "guest/memory.h"
#include "translator/regions.h"

namespace ferry::test {

using optimizer::Region;
using optimizer::Request;
using optimizer::Stretch;

namespace {

constexpr u64 page_size = 4096;
// LLVM's time grows faster than a function does; small ones have a price, too.
constexpr size_t entries_in_batch = 128;
constexpr u32 words_in_batch = 800;

optimizer::Compiler& compiler() {
  static optimizer::Compiler compiler;
  return compiler;
}

// From the guest's code as it is in memory.
Request request_of(std::span<const Piece> pieces) {
  Request request;
  request.base = pieces.front().begin & ~(page_size - 1);
  auto offset = [&](u64 address) { return static_cast<u32>(address - request.base); };
  for (const Piece& piece : pieces) {
    Stretch stretch{offset(piece.begin), std::vector<u32>(piece.words)};
    memcpy(stretch.words.data(), reinterpret_cast<const void*>(piece.begin), 4 * stretch.words.size());
    request.stretches.push_back(std::move(stretch));
    if (piece.entries.empty()) request.entries.push_back(offset(piece.begin));
    for (u64 entry : piece.entries) request.entries.push_back(offset(entry));
    for (auto [site, target] : piece.indirect) request.indirect_targets.push_back({offset(site), offset(target)});
  }
  return request;
}

// Would the piece make the batch that begins with `first` too large?
bool belongs_to_next(const Piece& first, const Piece& piece, size_t entries, u32 words) {
  u64 span = piece.begin + 4 * piece.words - (first.begin & ~(page_size - 1));
  return entries + std::max<size_t>(1, piece.entries.size()) > entries_in_batch ||
         words + piece.words > words_in_batch || span > optimizer::max_region_pages * page_size;
}

}  // namespace

std::optional<CompiledRegion> compile_region(std::span<const Piece> pieces) {
  Request request = request_of(pieces);
  std::string why;
  auto compiled = compiler().compile(request, why);
  if (!compiled) {
    EXPECT_TRUE(why.starts_with("no entry begins with")) << why;
    return std::nullopt;
  }
  // As it travels from the optimiser's process to this one.
  auto region = optimizer::read_region(optimizer::write_region(*compiled));
  EXPECT_TRUE(region.has_value()) << "a compiled region does not survive being read back";
  if (!region) return std::nullopt;
  return CompiledRegion{request.base, std::move(*region)};
}

std::set<u64> install_region_of(std::span<const Piece> pieces) {
  Request request = request_of(pieces);
  std::set<u64> refused;
  for (u32 entry : request.entries) refused.insert(request.base + entry);
  auto compiled = compile_region(pieces);
  if (!compiled) return refused;
  EXPECT_TRUE(translator::install_region(compiled->base, compiled->region));
  for (const optimizer::Entry& entry : compiled->region.entries) {
    if (entry.in_map) refused.erase(compiled->base + entry.offset);
  }
  return refused;
}

std::set<u64> install_regions(std::span<const Piece> pieces) {
  std::set<u64> refused;
  for (size_t begin = 0; begin < pieces.size();) {
    size_t end = begin, entries = 0;
    for (u32 words = 0; end < pieces.size(); end++) {
      if (end != begin && belongs_to_next(pieces[begin], pieces[end], entries, words)) break;
      entries += std::max<size_t>(1, pieces[end].entries.size());
      words += pieces[end].words;
    }
    refused.merge(install_region_of(pieces.subspan(begin, end - begin)));
    begin = end;
  }
  return refused;
}

namespace {
// LDADD and its relatives.
bool is_atomic_operation(u64 pc) {
  u32 word;
  return copy_from_guest(&word, GuestAddr{pc}, sizeof word) && (word & 0x3b200c00) == 0x38200000;
}
}  // namespace

std::string exit_differences(const translator::Exit& expected, const translator::Exit& actual, u64 pc) {
  std::string text;
  auto compare = [&](const char* name, u64 e, u64 a) {
    if (e == a) return;
    char line[128];
    snprintf(line, sizeof line, "  %s: expected %#llx, got %#llx\n", name, static_cast<unsigned long long>(e),
             static_cast<unsigned long long>(a));
    text += line;
  };
  compare("exit reason", static_cast<u64>(expected.reason), static_cast<u64>(actual.reason));
  compare("si_signo", static_cast<u64>(expected.signal), static_cast<u64>(actual.signal));
  compare("si_code", static_cast<u64>(expected.code), static_cast<u64>(actual.code));
  compare("si_addr", expected.address, actual.address);
  if (expected.reason != translator::ExitReason::fault || !is_atomic_operation(pc))
    compare("fault is a write", expected.write, actual.write);
  compare("fault is a fetch", expected.fetch, actual.fetch);
  return text;
}

}  // namespace ferry::test
