// Code that lies in a file and has not run, as `ferry cache warm` forms regions of it.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "translator/optimizer/form.h"
#include "translator/optimizer/profile.h"

namespace ferry::optimizer {

class FileCode : public Code {
 public:
  // An executable segment: as linked, in the file.
  struct Segment {
    u64 address, offset, size;
  };

  // `bytes` are the file's and outlive this; the segments lie in them.
  FileCode(std::string path, std::span<const u8> bytes, std::vector<Segment> segments);

  bool word_at(u64 pc, u32& word) override;
  u32 regions_at(u64 pc) const override;
  bool is_region_entry(u64 pc) const override { return entries_.contains(pc); }

  // What is to be compiled for the code that begins at the linked address: a function or a loop. Without heat: nobody knows. It is
  // entered at those of the loops too that are part of it: a guest may be in one of them when it finds the region.
  std::optional<Request> form_at(u64 pc, std::span<const u64> loops = {});

  // Where loops begin in a function: what branches lead back to.
  std::vector<u64> loops_in(u64 begin, u64 end);

  // The request behind what was hot in a file of this name; nothing when these are other instructions. Its heat, which the profile has
  // already, only says that there was some.
  std::optional<Request> form_again(u64 key, const HotSpot& spot) const;

  // A request has been made of it: regions_at() counts it.
  void note(const Request& request);

 private:
  const Segment* segment_of(u64 pc) const;

  std::string path_;
  std::span<const u8> bytes_;
  std::vector<Segment> segments_;
  std::vector<u8> regions_;  // for each word of the file
  std::unordered_set<u64> entries_;
};

}  // namespace ferry::optimizer
