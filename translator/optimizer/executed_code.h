// What of the guest's code has run in this process: what its regions are formed of. Under the translation lock.
#pragma once
#include <array>
#include <bitset>
#include <memory>
#include <unordered_map>

#include "translator/cache/generation.h"
#include "translator/optimizer/form.h"

namespace ferry::optimizer {

class ExecutedCode : public Code {
 public:
  explicit ExecutedCode(const cache::Generation& generation) : generation_(generation) {}

  bool word_at(u64 pc, u32& word) override;
  u32 regions_at(u64 pc) const override { return generation_.regions.count_at(pc); }
  bool is_region_entry(u64 pc) const override { return generation_.is_region(generation_.map.find(pc)); }

 private:
  static constexpr u64 page_size = 4096;
  struct Page {
    std::array<u32, page_size / 4> words;
    std::bitset<page_size / 4> executed;
  };
  const Page& page_of(u64 number);

  const cache::Generation& generation_;
  std::unordered_map<u64, std::unique_ptr<Page>> pages_;
};

}  // namespace ferry::optimizer
