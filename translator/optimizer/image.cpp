#include "translator/optimizer/image.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "guest/check.h"

#ifdef FERRY_OPTIMIZER_IMAGE
// Pages of its own on both sides, so that reading a neighbour brings none of it in.
asm(R"(
    .section .ferry_optimizer_image, "a", %progbits
    .balign 4096
    .globl ferry_optimizer_image, ferry_optimizer_image_end
    .hidden ferry_optimizer_image, ferry_optimizer_image_end
ferry_optimizer_image:
    .incbin ")" FERRY_OPTIMIZER_IMAGE R"("
ferry_optimizer_image_end:
    .balign 4096
    .previous
)");
extern "C" const ferry::u8 ferry_optimizer_image[], ferry_optimizer_image_end[];

std::span<const ferry::u8> ferry::optimizer::image() { return {ferry_optimizer_image, ferry_optimizer_image_end}; }
#else
std::span<const ferry::u8> ferry::optimizer::image() { return {}; }
#endif

namespace ferry::optimizer {

namespace {

constexpr u64 page_mask = 4095;

[[noreturn]] void give_up(const char* what) {
  fatal(std::string{"the optimiser cannot be entered: "} + what, "ferry starts it by itself, and goes on without it");
}

void* pointer(u64 address) { return reinterpret_cast<void*>(address); }

int protection_of(const Elf64_Phdr& segment) {
  return (segment.p_flags & PF_R ? PROT_READ : 0) | (segment.p_flags & PF_W ? PROT_WRITE : 0) |
         (segment.p_flags & PF_X ? PROT_EXEC : 0);
}

// elf(5): the segment's pages are the file's, and zeros follow them. It is linked so that no two segments share a page.
void place(const Elf64_Phdr& segment, const u8* file) {
  u64 begin = segment.p_vaddr & ~page_mask, data_end = segment.p_vaddr + segment.p_filesz;
  u64 pages_end = (data_end + page_mask) & ~page_mask,
      end = (segment.p_vaddr + segment.p_memsz + page_mask) & ~page_mask;
  if (segment.p_filesz != 0) {
    u64 from = reinterpret_cast<u64>(file) + (segment.p_offset & ~page_mask);
    if (mremap(pointer(from), pages_end - begin, pages_end - begin, MREMAP_MAYMOVE | MREMAP_FIXED, pointer(begin)) ==
        MAP_FAILED)
      give_up("mremap failed");
    if (mprotect(pointer(begin), pages_end - begin, protection_of(segment)) != 0) give_up("mprotect failed");
  } else {
    pages_end = begin;
  }
  if (segment.p_memsz > segment.p_filesz && segment.p_filesz != 0) memset(pointer(data_end), 0, pages_end - data_end);
  if (end > pages_end && mmap(pointer(pages_end), end - pages_end, protection_of(segment),
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    give_up("mmap failed");
}

// The kernel's words to a new program, of which some were about ferry (getauxval(3)).
void rewrite_auxiliary_vector(char** argv, const Elf64_Ehdr& header, u64 program_headers) {
  char** at = argv;
  while (*at != nullptr) at++;
  do at++;
  while (*at != nullptr);
  for (auto* entry = reinterpret_cast<Elf64_auxv_t*>(at + 1); entry->a_type != AT_NULL; entry++) {
    if (entry->a_type == AT_PHDR) entry->a_un.a_val = program_headers;
    if (entry->a_type == AT_PHNUM) entry->a_un.a_val = header.e_phnum;
    if (entry->a_type == AT_ENTRY) entry->a_un.a_val = header.e_entry;
  }
}

}  // namespace

void enter_image(char** argv) {
  std::span<const u8> file = image();
  if (file.empty()) give_up("ferry was built without it");
  Elf64_Ehdr header;
  memcpy(&header, file.data(), sizeof header);
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  memcpy(segments.data(), file.data() + header.e_phoff, segments.size() * sizeof segments[0]);
  u64 program_headers = 0;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD) continue;
    if (header.e_phoff >= segment.p_offset && header.e_phoff < segment.p_offset + segment.p_filesz)
      program_headers = segment.p_vaddr + header.e_phoff - segment.p_offset;
    place(segment, file.data());
  }
  rewrite_auxiliary_vector(argv, header, program_headers);
  char** stack = argv - 1;  // argc
#if defined(__x86_64__)
  asm volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1"
               :
               : "r"(stack), "r"(header.e_entry)
               : "memory");
#else
  asm volatile("mov sp, %0\n\tmov x0, xzr\n\tbr %1" : : "r"(stack), "r"(header.e_entry) : "memory", "x0");
#endif
  __builtin_unreachable();
}

}  // namespace ferry::optimizer
