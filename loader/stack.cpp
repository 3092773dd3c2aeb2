// Laid out in a buffer of ferry's own and copied to the guest in one go: guest memory has one door.
#include "loader/stack.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "guest/check.h"
#include "guest/memory.h"
#include "loader/image.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace ferry::loader {
namespace {

// What an instruction set gives its programs that the others do not. One row each.
struct Platform {
  Isa isa;
  const char* name;          // AT_PLATFORM
  u64 minimum_signal_stack;  // AT_MINSIGSTKSZ: the largest signal frame that ferry makes
};
constexpr Platform platforms[] = {
    {Isa::aarch64, "aarch64",
     4720},  // setup_sigframe_layout without SVE: rt_sigframe 4688, frame record 16, alignment 16
    {Isa::x86_64, "x86_64", 3632},  // get_sigframe_size with AVX-512
};

const Platform& platform_of(Isa isa) {
  for (const Platform& p : platforms) {
    if (p.isa == isa) return p;
  }
  __builtin_unreachable();
}

constexpr u64 string_limit = 32 * page_size;     // MAX_ARG_STRLEN
constexpr u64 arguments_least = 128 * 1024;      // ARG_MAX, whatever RLIMIT_STACK says
constexpr u64 arguments_most = 6 * 1024 * 1024;  // three quarters of the default stack
constexpr u64 stack_least = 256 * 1024;          // holds arguments_least and the vectors
constexpr u64 stack_most = u64{1} << 30;
constexpr u64 stack_fallback = u64{8} << 20;
constexpr u64 guard_size = 256 * page_size;  // the kernel's stack_guard_gap
constexpr u64 final_null = 8;                // the word above the strings
constexpr u64 random_size = 16;              // AT_RANDOM

u64 strings_size(std::span<const std::string> strings) {
  u64 size = 0;
  for (const std::string& s : strings) size += s.size() + 1;
  return size;
}

bool all_short(std::span<const std::string> strings) {
  return std::ranges::all_of(strings, [](const std::string& s) { return s.size() < string_limit; });
}

// In the kernel's order: ARCH_DLINFO first.
std::vector<u64> auxiliary_vector(const Platform& platform, const AuxiliaryValues& values, u64 random, u64 execfn,
                                  u64 name) {
  std::vector<u64> vector;
  vector.reserve(48);
  auto add = [&](u64 type, u64 value) { vector.insert(vector.end(), {type, value}); };
  if (values.vdso != 0) add(AT_SYSINFO_EHDR, values.vdso);
  add(AT_MINSIGSTKSZ, platform.minimum_signal_stack);
  add(AT_HWCAP, values.hwcap);
  add(AT_PAGESZ, page_size);
  add(AT_CLKTCK, 100);  // USER_HZ, the same everywhere
  add(AT_PHDR, values.program_headers);
  add(AT_PHENT, sizeof(Elf64_Phdr));
  add(AT_PHNUM, values.program_header_count);
  add(AT_BASE, values.interpreter_base);
  add(AT_FLAGS, 0);
  add(AT_ENTRY, values.entry);
  add(AT_UID, getuid());
  add(AT_EUID, geteuid());
  add(AT_GID, getgid());
  add(AT_EGID, getegid());
  add(AT_SECURE, getauxval(AT_SECURE));
  add(AT_RANDOM, random);
  add(AT_HWCAP2, values.hwcap2);
  add(AT_EXECFN, execfn);
  add(AT_PLATFORM, name);
  add(AT_NULL, 0);
  return vector;
}

// The top of the stack as ferry's own bytes: addresses in, bytes placed.
class Builder {
 public:
  Builder(u64 begin, u64 end) : begin_(begin), bytes_(end - begin) {}

  void put(u64 address, const void* data, size_t size) {
    check(address >= begin_ && address - begin_ <= bytes_.size() && size <= bytes_.size() - (address - begin_));
    memcpy(bytes_.data() + (address - begin_), data, size);
  }
  // The strings one after the other from `address`, and the pointers to them with a null at the end from `pointers`.
  u64 put_strings(u64 address, u64 pointers, std::span<const std::string> strings) {
    for (const std::string& s : strings) {
      put(address, s.c_str(), s.size() + 1);
      put(pointers, &address, sizeof address);
      address += s.size() + 1;
      pointers += 8;
    }
    return pointers + 8;
  }
  Result<void> write() const { return copy_to_guest(GuestAddr{begin_}, bytes_.data(), bytes_.size()); }

 private:
  u64 begin_;
  std::vector<u8> bytes_;
};

}  // namespace

Result<void> check_argument_size(std::span<const std::string> arguments, std::span<const std::string> environment,
                                 const std::string& execfn, u64 stack_limit) {
  u64 limit = std::clamp(stack_limit / 4, arguments_least, arguments_most);
  u64 pointers = 8 * (std::max<u64>(arguments.size(), 1) + environment.size());
  u64 size = strings_size(arguments) + strings_size(environment) + execfn.size() + 1 + pointers;
  if (size > limit || !all_short(arguments) || !all_short(environment)) return fail(E2BIG);
  return {};
}

u64 stack_limit() {
  rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return stack_most;
  return limit.rlim_cur;
}

std::expected<Mapping, LoadError> map_stack(u64 limit, bool executable) {
  u64 size = page_ceil(std::clamp(limit, stack_least, stack_most));
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
  void* guard = mmap(nullptr, size + guard_size, PROT_NONE, flags, -1, 0);
  if (guard == MAP_FAILED && size > stack_fallback) {
    size = stack_fallback;  // a limit on the address space below the one on the stack
    guard = mmap(nullptr, size + guard_size, PROT_NONE, flags, -1, 0);
  }
  u64 begin = reinterpret_cast<u64>(guard) + guard_size;
  auto stack = reinterpret_cast<void*>(begin);
  if (guard == MAP_FAILED || mprotect(stack, size, PROT_READ | PROT_WRITE) != 0) {
    return std::unexpected(
        LoadError{ENOMEM, "no memory for the guest's stack", "raise the limits (ulimit -v) or lower `ulimit -s`"});
  }
  // The kernel's own stack grows page by page; a huge page here would cost every short process its zeroing.
  madvise(stack, size, MADV_NOHUGEPAGE);
  return Mapping{GuestAddr{begin}, GuestAddr{begin + size}, PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0)};
}

InitialStack fill_stack(Isa isa, const Mapping& stack, const StackContents& contents) {
  const Platform& platform = platform_of(isa);
  InitialStack result;
  u64 execfn = raw(stack.end) - final_null - (contents.execfn.size() + 1);
  result.environment_end = execfn;
  result.environment_begin = result.arguments_end = execfn - strings_size(contents.environment);
  result.arguments_begin = result.arguments_end - strings_size(contents.arguments);

  u64 top =
      (result.arguments_begin - (contents.randomize ? random_below(page_size) : 0)) & ~u64{15};  // arch_align_stack
  u64 name = top - (strlen(platform.name) + 1);
  u64 random = name - random_size;
  result.auxv = auxiliary_vector(platform, contents.auxiliary, random, execfn, name);
  u64 words = 1 + contents.arguments.size() + 1 + contents.environment.size() + 1 + result.auxv.size();
  result.stack_pointer = (random - words * 8) & ~u64{15};
  check(result.stack_pointer > raw(stack.begin) && result.stack_pointer < random);

  Builder builder(result.stack_pointer, raw(stack.end));
  u64 count = contents.arguments.size();
  builder.put(result.stack_pointer, &count, sizeof count);
  u64 vectors = builder.put_strings(result.arguments_begin, result.stack_pointer + 8, contents.arguments);
  result.auxv_begin = builder.put_strings(result.environment_begin, vectors, contents.environment);
  result.auxv_end = result.auxv_begin + result.auxv.size() * 8;
  builder.put(result.auxv_begin, result.auxv.data(), result.auxv.size() * 8);
  u64 random_bytes[2] = {random_below(~u64{0}), random_below(~u64{0})};
  static_assert(sizeof random_bytes == random_size);
  builder.put(random, random_bytes, sizeof random_bytes);
  builder.put(name, platform.name, strlen(platform.name) + 1);
  builder.put(execfn, contents.execfn.c_str(), contents.execfn.size() + 1);
  check(builder.write().has_value());
  return result;
}

}  // namespace ferry::loader
