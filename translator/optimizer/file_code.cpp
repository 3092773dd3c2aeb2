#include "translator/optimizer/file_code.h"

#include <algorithm>
#include <cstring>

#include "translator/aarch64/decode.h"

namespace ferry::optimizer {

namespace {

constexpr u64 page_size = 4096;
constexpr size_t max_loop_entries = 8;
constexpr u64 page_floor(u64 address) { return address & ~(page_size - 1); }

}  // namespace

FileCode::FileCode(std::string path, std::span<const u8> bytes, std::vector<Segment> segments)
    : path_(std::move(path)), bytes_(bytes), segments_(std::move(segments)), regions_(bytes.size() / 4 + 1) {
  // Not to be mapped page by page, so not to be met again in memory.
  std::erase_if(segments_, [](const Segment& segment) { return (segment.address - segment.offset) % page_size != 0; });
}

const FileCode::Segment* FileCode::segment_of(u64 pc) const {
  auto found = std::ranges::find_if(segments_, [&](const Segment& segment) {
    return pc - segment.address < segment.size && segment.size - (pc - segment.address) >= 4;
  });
  return found == segments_.end() ? nullptr : &*found;
}

bool FileCode::word_at(u64 pc, u32& word) {
  const Segment* segment = segment_of(pc);
  if (segment == nullptr) return false;
  memcpy(&word, bytes_.data() + (pc - segment->address + segment->offset), sizeof word);
  return true;
}

u32 FileCode::regions_at(u64 pc) const {
  const Segment* segment = segment_of(pc);
  return segment == nullptr ? 0 : regions_[(pc - segment->address + segment->offset) / 4];
}

std::optional<Request> FileCode::form_at(u64 pc, std::span<const u64> loops) {
  const Segment* segment = segment_of(pc);
  if (segment == nullptr) return {};
  Mapping mapping{.begin = page_floor(segment->address),
                  .end = segment->address + segment->size,
                  .file = path_,
                  .offset = page_floor(segment->offset),
                  .unchanging = true};
  BranchProfile none;
  auto request = form({.code = *this, .branches = none, .mapping = mapping, .pc = pc, .heat = 0, .is_start = true});
  for (u64 loop : loops) {
    if (!request || request->entries.size() > max_loop_entries) break;
    u64 offset = loop - request->base;
    bool is_new = std::ranges::find(request->entries, offset) == request->entries.end();
    if (is_new && holds(request->stretches, offset)) request->entries.push_back(static_cast<u32>(offset));
  }
  return request;
}

std::vector<u64> FileCode::loops_in(u64 begin, u64 end) {
  std::vector<u64> heads;
  u32 word;
  for (u64 pc = begin; pc < end && word_at(pc, word); pc += 4) {
    aarch64::Instruction instruction;
    if (!aarch64::decode(word, GuestAddr{pc}, instruction)) continue;
    semantic::Control control = instruction.control;
    if (control != semantic::Control::branch && control != semantic::Control::jump) continue;
    if (u64 target = raw(instruction.target()); target >= begin && target <= pc) heads.push_back(target);
  }
  std::ranges::sort(heads);
  heads.erase(std::ranges::unique(heads).begin(), heads.end());
  return heads;
}

std::optional<Request> FileCode::form_again(u64 key, const HotSpot& spot) const {
  Request request;
  request.storable = true;
  request.file = path_;
  request.file_offset = spot.file_offset;
  request.heat = 1;
  request.entries = spot.entries;
  request.indirect_targets = spot.indirect_targets;
  for (const HotSpot::Extent& extent : spot.extents) {
    u64 begin = spot.file_offset + extent.offset, size = u64{4} * extent.words;
    if (size == 0 || begin > bytes_.size() || size > bytes_.size() - begin) return {};
    Stretch stretch{extent.offset, std::vector<u32>(extent.words)};
    memcpy(stretch.words.data(), bytes_.data() + begin, size);
    request.stretches.push_back(std::move(stretch));
  }
  if (request.stretches.empty() || heat_key(request) != key) return {};
  return request;
}

void FileCode::note(const Request& request) {
  for (const Segment& segment : segments_)
    if (u64 at = request.file_offset + request.entries[0] - segment.offset; at < segment.size)
      entries_.insert(segment.address + at);
  for (const Stretch& stretch : request.stretches)
    for (size_t i = 0; i < stretch.words.size(); ++i) {
      u64 word = (request.file_offset + stretch.offset) / 4 + i;
      if (word < regions_.size() && regions_[word] < 255) ++regions_[word];
    }
}

}  // namespace ferry::optimizer
