#include "translator/optimizer/page_notes.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ferry::optimizer {

namespace {
// Followed by the page's words and by its blocks.
struct NoteHeader {
  u32 magic, blocks;
  u64 program;
};
constexpr u32 note_magic = 0x45474150;

}  // namespace

void write_page_note(int fd, const PageNote& note) {
  NoteHeader header{note_magic, static_cast<u32>(note.blocks.size()), note.program};
  auto part = [](const auto* from, size_t size) {
    return iovec{const_cast<void*>(static_cast<const void*>(from)), size};
  };
  iovec parts[] = {part(&header, sizeof header), part(note.words.data(), note.words.size() * sizeof(u32)),
                   part(note.blocks.data(), note.blocks.size() * sizeof(u16))};
  (void)!writev(fd, parts, 3);
}

PageNoteReader::PageNoteReader(int fd) : fd_(fd) {
  // Reading anything else might wait.
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) left_ = 0;
}

PageNoteReader::~PageNoteReader() { close(fd_); }

std::optional<PageNote> PageNoteReader::next() {
  NoteHeader header;
  if (left_ == 0 || !read(&header, sizeof header)) return {};
  left_--;
  if (header.magic != note_magic || header.blocks > max_page_blocks) return left_ = 0, std::nullopt;
  PageNote note{header.program, std::vector<u32>(page_words), std::vector<u16>(header.blocks)};
  if (!read(note.words.data(), page_bytes) || !read(note.blocks.data(), header.blocks * sizeof(u16))) return {};
  if (std::ranges::any_of(note.blocks, [](u16 word) { return word >= page_words; })) return left_ = 0, std::nullopt;
  return note;
}

bool PageNoteReader::read(void* to, size_t size) {
  for (u8* at = static_cast<u8*>(to); size != 0;) {
    ssize_t count = pread(fd_, at, size, static_cast<off_t>(at_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return left_ = 0, false;
    at += count;
    at_ += static_cast<u64>(count);
    size -= static_cast<size_t>(count);
  }
  return true;
}

}  // namespace ferry::optimizer
