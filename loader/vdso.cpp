#include "loader/vdso.h"

#include <elf.h>
#include <sys/mman.h>

#include <cstring>
#include <string_view>

#include "guest/check.h"
#include "guest/log.h"
#include "guest/memory.h"
#include "loader/image.h"

// .incbin and not #embed: ccache knows the former.
asm(R"(
    .pushsection .rodata, "a"
    .balign 16
    .globl ferry_vdso_aarch64, ferry_vdso_aarch64_end
    .hidden ferry_vdso_aarch64, ferry_vdso_aarch64_end
ferry_vdso_aarch64:
    .incbin ")" FERRY_VDSO_AARCH64 R"("
ferry_vdso_aarch64_end:
    .popsection
)");
extern "C" const ferry::u8 ferry_vdso_aarch64[], ferry_vdso_aarch64_end[];

namespace ferry::loader {
namespace {

template <class T>
T at(std::span<const u8> image, u64 offset) {
  check(offset <= image.size() && sizeof(T) <= image.size() - offset);
  T value;
  memcpy(&value, image.data() + offset, sizeof value);
  return value;
}

// Where the object's one segment, linked at 0, has what a DT_* tag points at.
u64 dynamic_value(std::span<const u8> image, i64 tag) {
  auto header = at<Elf64_Ehdr>(image, 0);
  for (u32 i = 0; i < header.e_phnum; ++i) {
    auto p = at<Elf64_Phdr>(image, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (p.p_type != PT_DYNAMIC) continue;
    for (u64 entry = p.p_vaddr;; entry += sizeof(Elf64_Dyn)) {
      auto dynamic = at<Elf64_Dyn>(image, entry);
      if (dynamic.d_tag == tag) return dynamic.d_un.d_val;
      if (dynamic.d_tag == DT_NULL) return 0;
    }
  }
  return 0;
}

u64 address_of_symbol(std::span<const u8> image, std::string_view name) {
  u64 symbols = dynamic_value(image, DT_SYMTAB), strings = dynamic_value(image, DT_STRTAB);
  u32 count = at<u32>(image, dynamic_value(image, DT_HASH) + 4);  // nchain: as many as there are symbols
  for (u32 i = 1; i < count; ++i) {
    auto symbol = at<Elf64_Sym>(image, symbols + i * sizeof(Elf64_Sym));
    if (reinterpret_cast<const char*>(image.data()) + strings + symbol.st_name == name) return symbol.st_value;
  }
  return 0;
}

}  // namespace

std::span<const u8> vdso_image(Isa isa) {
  if (isa == Isa::aarch64) return {ferry_vdso_aarch64, ferry_vdso_aarch64_end};
  return {};
}

std::expected<Vdso, LoadError> map_vdso(Isa isa) {
  std::span<const u8> image = vdso_image(isa);
  if (image.empty()) return Vdso{};
  u64 size = page_ceil(image.size());
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || (memcpy(base, image.data(), image.size()), mprotect(base, size, PROT_READ)) != 0) {
    return std::unexpected(LoadError{errno, std::string("the guest's vDSO cannot be mapped: ") + strerror(errno),
                                     "raise the limits (ulimit -v)"});
  }
  GuestAddr begin{reinterpret_cast<u64>(base)};
  u64 trampoline = address_of_symbol(image, "__kernel_rt_sigreturn");
  check(trampoline != 0);
  log(Log::load, "vDSO at 0x%llx", static_cast<unsigned long long>(raw(begin)));
  return Vdso{
      .base = begin, .signal_trampoline = begin + trampoline, .mapping = {begin, begin + size, PROT_READ | PROT_EXEC}};
}

}  // namespace ferry::loader
