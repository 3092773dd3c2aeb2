// Maps one ELF file into the guest's address space, which is ferry's own from address 0 up.
// What Linux does: load_elf_binary, elf_load, total_mapping_size in fs/binfmt_elf.c.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "loader/elf.h"
#include "loader/file.h"
#include "loader/loader.h"

namespace ferry::loader {

enum class Placement : u8 {
  program,  // a position-independent program: in its own region, far from ferry, its heap and the host's mmap region
  interpreter,  // where the host's kernel puts a mapping
};

struct Image {
  u64 bias;        // added to linked addresses
  u64 begin, end;  // mapped range, whole pages, with any gaps between segments
  std::vector<Mapping> mappings;
};

// What the host allows on memory that the guest sees with `protection`: guest code is read by the translator and never runs as
// it is, so PROT_EXEC is dropped and implies PROT_READ (an execute-only segment must still be readable by ferry).
int host_protection(int protection);

// A program at a linked address goes there or nowhere: the error names what is in the way.
// `name` is for messages. A failure leaves nothing mapped.
std::expected<Image, LoadError> map_image(const Elf& elf, const File& file, const std::string& name,
                                          Placement placement, bool randomize);

// Where Linux starts the heap of a program whose image ends at `image_end`.
u64 choose_brk_start(u64 image_end, bool randomize);

// A uniformly random number below `limit` (not 0).
u64 random_below(u64 limit);

// The host's mapping that overlaps [begin, end), as /proc/self/maps names it: "ferry itself", "[stack]", "/usr/lib/...".
std::string mapping_in_the_way(u64 begin, u64 end);

}  // namespace ferry::loader
