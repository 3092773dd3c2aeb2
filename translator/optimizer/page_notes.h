// What a guest process says of the pages of code that it had to translate: a file in memory, handed to the optimiser, which makes what
// the next process puts in place (kept_page.h).
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "translator/optimizer/kept_page.h"

namespace ferry::optimizer {

struct PageNote {
  u64 program;
  std::vector<u32> words;   // page_words of them
  std::vector<u16> blocks;  // at which of them translated blocks begin, in the order in which they were first come to
};

// Of a process. More is not worth its time.
inline constexpr u32 max_page_notes = 4096;

// To a descriptor; without checking: what is torn is not read.
void write_page_note(int fd, const PageNote& note);

class PageNoteReader {
 public:
  // The descriptor, of anything, becomes the reader's.
  explicit PageNoteReader(int fd);
  ~PageNoteReader();
  PageNoteReader(const PageNoteReader&) = delete;
  PageNoteReader& operator=(const PageNoteReader&) = delete;

  // nullopt: there are no more, or what follows makes no sense. Never waits.
  std::optional<PageNote> next();

 private:
  bool read(void* to, size_t size);

  int fd_;
  u64 at_ = 0;
  u32 left_ = max_page_notes;
};

}  // namespace ferry::optimizer
