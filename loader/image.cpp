// The address range is reserved first, so that nothing of ferry's can come in between, then each segment is laid over it.
#include "loader/image.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <span>

#include "guest/log.h"
#include "guest/memory.h"

namespace ferry::loader {
namespace {

// AArch64 Linux places programs from two thirds of 48 bits up. Two thirds of 46 bits is the like of it where addresses have 47,
// and far from both regions in which an x86_64 kernel puts ferry: its heap at two thirds of 47 bits, its image, stack and
// mappings at the top.
constexpr u64 program_region = 0x2aaaaaaaa000;
constexpr u64 program_region_pages = u64{1} << 28;  // randomised over 1 TiB, as x86_64 does; AArch64 has 18 to 33 bits
constexpr u64 brk_region_pages = u64{1} << 18;      // arch_randomize_brk: 1 GiB
constexpr int placement_attempts = 16;

constexpr int reservation_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

void* host_pointer(u64 address) { return reinterpret_cast<void*>(address); }

int guest_protection(u32 flags) {
  return (flags & segment_read ? PROT_READ : 0) | (flags & segment_write ? PROT_WRITE : 0) |
         (flags & segment_execute ? PROT_EXEC : 0);
}

std::unexpected<LoadError> cannot_map(const std::string& name, int error) {
  if (error == ENOMEM) {
    return std::unexpected(
        LoadError{error, name + ": not enough memory or address space to load it", "raise the limits (ulimit -v)"});
  }
  return std::unexpected(LoadError{error, name + ": cannot be mapped: " + strerror(error), ""});
}

// Reserves exactly [begin, end) without replacing anything: 0 or the errno.
int reserve(u64 begin, u64 end) {
  void* at = mmap(host_pointer(begin), end - begin, PROT_NONE, reservation_flags | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == MAP_FAILED) return errno;
  if (at == host_pointer(begin)) return 0;
  munmap(at, end - begin);  // a kernel before 4.17 takes the address as a hint
  return EEXIST;
}

// Reserves `size` bytes at an address congruent to `remainder` modulo `alignment`, wherever the kernel likes; 0: errno is set.
u64 reserve_anywhere(u64 size, u64 alignment, u64 remainder) {
  u64 slack = alignment - page_size;
  void* at = mmap(nullptr, size + slack, PROT_NONE, reservation_flags, -1, 0);
  if (at == MAP_FAILED) return 0;
  u64 begin = reinterpret_cast<u64>(at);
  u64 chosen = begin + ((remainder - begin) & (alignment - 1));
  if (chosen != begin) munmap(at, chosen - begin);
  if (u64 rest = begin + size + slack - (chosen + size)) munmap(host_pointer(chosen + size), rest);
  return chosen;
}

u64 reserve_in_program_region(u64 size, u64 alignment, u64 remainder, bool randomize) {
  for (int attempt = 0; attempt < placement_attempts; ++attempt) {
    u64 page = randomize ? random_below(program_region_pages) : static_cast<u64>(attempt) << 18;
    u64 begin = ((program_region + page * page_size) & ~(alignment - 1)) + remainder;
    if (begin + size > address_limit) break;
    if (reserve(begin, begin + size) == 0) return begin;
  }
  return reserve_anywhere(size, alignment, remainder);
}

std::expected<u64, LoadError> place_anywhere(const Elf& elf, const std::string& name, Placement placement,
                                             bool randomize) {
  u64 size = elf.end() - elf.begin(), alignment = elf.alignment(), remainder = elf.begin() & (alignment - 1);
  u64 begin = placement == Placement::program ? reserve_in_program_region(size, alignment, remainder, randomize)
                                              : reserve_anywhere(size, alignment, remainder);
  if (begin == 0) return cannot_map(name, errno);
  u64 bias = begin - elf.begin();
  // Linux leaves holes between segments unmapped, and programs may map there.
  u64 previous_end = elf.begin();
  for (const Segment& s : elf.loads) {
    u64 hole_end = page_floor(s.address);
    if (hole_end > previous_end) munmap(host_pointer(bias + previous_end), hole_end - previous_end);
    previous_end = page_ceil(s.end());
  }
  return bias;
}

std::unexpected<LoadError> cannot_place(const Segment& s, const std::string& name, u64 begin, u64 end, int error) {
  char range[64];
  snprintf(range, sizeof range, "0x%llx to 0x%llx", static_cast<unsigned long long>(begin),
           static_cast<unsigned long long>(end));
  if (error == EPERM) {
    return std::unexpected(
        LoadError{error, name + ": is linked at " + range + ", below what the kernel allows (vm.mmap_min_addr)",
                  "link it at a higher address"});
  }
  if (error != EEXIST) return cannot_map(name, error);
  log(Log::load, "%s: segment %u cannot have %s", name.c_str(), s.index, range);
  return std::unexpected(
      LoadError{ENOMEM, name + ": is linked at " + range + ", where " + mapping_in_the_way(begin, end) + " is",
                "link it as a position-independent program (-pie)"});
}

// After a failure: what was reserved or mapped for the first `count` segments.
void unmap_segments(const Elf& elf, u64 bias, size_t count) {
  for (const Segment& s : std::span(elf.loads).first(count)) {
    munmap(host_pointer(page_floor(s.address) + bias), page_ceil(s.end()) - page_floor(s.address));
  }
}

std::expected<u64, LoadError> place_as_linked(const Elf& elf, const std::string& name) {
  u64 previous_end = 0;
  for (size_t i = 0; i < elf.loads.size(); ++i) {
    const Segment& s = elf.loads[i];
    u64 begin = std::max(page_floor(s.address), previous_end), end = page_ceil(s.end());
    if (int error = begin < end ? reserve(begin, end) : 0) {
      auto failure = cannot_place(s, name, begin, end, error);
      unmap_segments(elf, 0, i);
      return failure;
    }
    previous_end = end;
  }
  return 0;
}

void add_mapping(std::vector<Mapping>& mappings, u64 begin, u64 end, int protection) {
  // Where two segments share a page the later one has it, as on Linux.
  while (!mappings.empty() && raw(mappings.back().end) > begin) {
    mappings.back().end = GuestAddr{begin};
    if (raw(mappings.back().begin) < begin) break;
    mappings.pop_back();
  }
  mappings.push_back({GuestAddr{begin}, GuestAddr{end}, protection});
}

// Zeroes [begin, end), which is in one page that file bytes may precede: the start of a bss.
bool zero_in_page(u64 begin, u64 end, int protection) {
  static const u8 zeros[page_size] = {};
  void* page = host_pointer(page_floor(begin));
  bool writable = (protection & PROT_WRITE) != 0;
  if (!writable && mprotect(page, page_size, PROT_READ | PROT_WRITE) != 0) return false;
#ifdef MADV_POPULATE_WRITE
  // A file that was cut short since it was checked must not raise SIGBUS in ferry.
  if (madvise(page, page_size, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) return false;
#endif
  if (!copy_to_guest(GuestAddr{begin}, zeros, end - begin)) return false;
  return writable || mprotect(page, page_size, protection) == 0;
}

bool map_anonymous(u64 begin, u64 end, int protection) {
  if (begin >= end) return true;
  return mmap(host_pointer(begin), end - begin, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
         MAP_FAILED;
}

bool map_file_segment(const Segment& s, const File& file, u64 bias, int protection) {
  u64 begin = page_floor(s.address + bias), file_end = s.address + bias + s.file_size;
  u64 bss = page_ceil(file_end);
  off_t offset = static_cast<off_t>(page_floor(s.offset));
  if (mmap(host_pointer(begin), bss - begin, protection, MAP_PRIVATE | MAP_FIXED, file.fd(), offset) == MAP_FAILED)
    return false;
  if (!map_anonymous(bss, page_ceil(s.end() + bias), protection)) return false;
  // The rest of the last page, too: what follows in the file is not the program's.
  return s.memory_size == s.file_size || file_end == bss || zero_in_page(file_end, bss, protection);
}

// A segment that is bss alone may start in the last page of the one before it; that page stays.
bool map_bss_segment(const Segment& s, u64 bias, int protection, const Mapping* previous) {
  u64 begin = s.address + bias, end = s.end() + bias, first_page = page_floor(begin);
  if (previous != nullptr && raw(previous->end) > first_page) {
    first_page = raw(previous->end);
    if (!zero_in_page(begin, std::min(first_page, end), host_protection(previous->protection))) return false;
  }
  return map_anonymous(first_page, page_ceil(end), protection);
}

bool map_segment(const Segment& s, const File& file, u64 bias, std::vector<Mapping>& mappings) {
  int protection = guest_protection(s.flags);
  u64 begin = page_floor(s.address + bias), end = page_ceil(s.end() + bias);
  if (s.file_size != 0) {
    if (!map_file_segment(s, file, bias, host_protection(protection))) return false;
  } else {
    const Mapping* previous = mappings.empty() ? nullptr : &mappings.back();
    if (!map_bss_segment(s, bias, host_protection(protection), previous)) return false;
    if (previous != nullptr) begin = std::max(begin, raw(previous->end));
  }
  if (begin < end) add_mapping(mappings, begin, end, protection);
  return true;
}

}  // namespace

int host_protection(int protection) {
  return (protection & PROT_EXEC) ? (protection & ~PROT_EXEC) | PROT_READ : protection;
}

u64 random_below(u64 limit) {
  u64 value;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value) {
    timespec now;  // so early in boot that there is no entropy: better a guess than no start
    clock_gettime(CLOCK_MONOTONIC, &now);
    value = static_cast<u64>(now.tv_nsec) * 0x9e3779b97f4a7c15 >> 8;
  }
  return value % limit;
}

u64 choose_brk_start(u64 image_end, bool randomize) {
  u64 start = page_ceil(image_end);
  return randomize ? start + random_below(brk_region_pages) * page_size : start;
}

std::string mapping_in_the_way(u64 begin, u64 end) {
  std::string found = "another mapping";
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return found;
  char self[4096] = {};
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) self[0] = 0;
  char line[4096 + 128];
  while (fgets(line, sizeof line, maps) != nullptr) {
    unsigned long long from, to;
    int name_at = 0;
    if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %n", &from, &to, &name_at) < 2 || to <= begin || from >= end) continue;
    line[strcspn(line, "\n")] = 0;
    if (name_at != 0 && line[name_at] != 0) found = strcmp(line + name_at, self) == 0 ? "ferry itself" : line + name_at;
    break;
  }
  fclose(maps);
  return found;
}

std::expected<Image, LoadError> map_image(const Elf& elf, const File& file, const std::string& name,
                                          Placement placement, bool randomize) {
  auto bias = elf.position_independent ? place_anywhere(elf, name, placement, randomize) : place_as_linked(elf, name);
  if (!bias) return std::unexpected(bias.error());
  Image image{.bias = *bias, .begin = elf.begin() + *bias, .end = elf.end() + *bias, .mappings = {}};
  image.mappings.reserve(elf.loads.size());
  for (const Segment& s : elf.loads) {
    if (map_segment(s, file, *bias, image.mappings)) continue;
    auto failure = cannot_map(name, errno == EFAULT ? EIO : errno);
    unmap_segments(elf, *bias, elf.loads.size());
    return failure;
  }
  log(Log::load, "%s: mapped at 0x%llx to 0x%llx", name.c_str(), static_cast<unsigned long long>(image.begin),
      static_cast<unsigned long long>(image.end));
  return image;
}

}  // namespace ferry::loader
