// What the optimiser has made, and what it knows better than to try again: in memory, and in the store where there is one. Also
// where heat adds up.
#pragma once
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/profile.h"
#include "translator/optimizer/region.h"
#include "translator/optimizer/store_writer.h"

namespace ferry::optimizer {

class Results {
 public:
  // Without a directory, or where it cannot be used (the log says why), everything is in memory only.
  explicit Results(const StoreOptions& options);

  struct Known {
    enum class Kind : u8 { nothing, region, bad } kind = Kind::nothing;
    std::span<const u8> region;  // until the next add()
    std::string_view why;
  };
  Known find(u64 request_key);

  void add(const Request& request, u64 request_key, std::vector<u8> region);
  // `lasting`: for another build of the optimiser's process to know, too.
  void remember_bad(const Request& request, u64 request_key, std::string why);

  // Counts the request's heat. Whether it has added up to what is worth a compilation nobody waits for, and there was none yet.
  bool add_heat(const Request& request);

  // Null: there is none, for now.
  StoreWriter* store() { return store_ready() ? &store_ : nullptr; }

  // Every few seconds, and at the end.
  void save();

 private:
  void keep(u64 request_key, std::vector<u8> region);
  bool store_ready();

  StoreOptions options_;
  StoreWriter store_;
  Profile profile_;
  u64 try_store_at_ = 0;

  struct Kept {
    u64 key;
    std::vector<u8> region;
  };
  std::list<Kept> kept_;  // the latest first
  std::unordered_map<u64, std::list<Kept>::iterator> kept_by_key_;
  size_t kept_bytes_ = 0;
  std::unordered_map<u64, std::string> bad_;
  std::unordered_map<u64, u64> tried_at_heat_;  // by heat_key
};

}  // namespace ferry::optimizer
