// Makes the pages that guests hand in (page_notes.h) ready to be put in place, and keeps them in the store. A little at a time: the
// server has guests to serve.
#pragma once
#include <deque>

#include "translator/optimizer/page_notes.h"
#include "translator/optimizer/store_writer.h"

namespace ferry::optimizer {

class PageKeeper {
 public:
  // The descriptor becomes the keeper's.
  void add(int fd);
  bool has_work() const { return !waiting_.empty(); }

  // Some milliseconds of work. Without a store it is thrown away.
  void step(StoreWriter* store);

  u64 kept() const { return kept_; }

 private:
  void keep(StoreWriter& store, const PageNote& note);

  std::deque<PageNoteReader> waiting_;
  u64 kept_ = 0;
};

}  // namespace ferry::optimizer
