#include "translator/stencil/return_stack.h"

#include <sys/mman.h>

#include <cstring>

#include "guest/check.h"
#include "translator/stencil/host.h"

namespace ferry::stencil {

namespace {

// 8192 frames; what helpers need of a stack, twice over. Most of it is never touched.
constexpr u64 proper_size = 128 << 10, page = 4096, reserve_size = 128 << 10;
constexpr u64 size = reserve_size + page + proper_size;
// Above the last frame, which is for returns without a call.
constexpr u64 bottom = size - 64;

u8* guard(const aarch64::Cpu& cpu) { return cpu.return_stack + reserve_size; }

}  // namespace

void make_return_stack(aarch64::Cpu& cpu) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fatal("cannot allocate a thread's return stack", "raise the address space limit (ulimit -v)");
  cpu.return_stack = static_cast<u8*>(p);
  check(mprotect(guard(cpu), page, PROT_NONE) == 0);
}

void drop_return_stack(aarch64::Cpu& cpu) { munmap(cpu.return_stack, size); }

void reset_return_stack(aarch64::Cpu& cpu, u64 unknown_return) {
  // As a function finds the stack when it is called: with a return address on top, and aligned apart from that.
  u64 frame[] = {unknown_return, no_return_pc};
  cpu.return_sp = reinterpret_cast<u64>(cpu.return_stack) + bottom - return_address_at;
  memcpy(reinterpret_cast<u8*>(cpu.return_sp), frame, sizeof frame);
}

bool extend_return_stack(aarch64::Cpu& cpu, u64 address) {
  if (address - reinterpret_cast<u64>(guard(cpu)) >= page) return false;
  cpu.return_stack_extended = 1;
  return mprotect(guard(cpu), page, PROT_READ | PROT_WRITE) == 0;
}

void renew_return_stack(aarch64::Cpu& cpu, u64 unknown_return) {
  if (cpu.return_stack_extended == 0) return;
  cpu.return_stack_extended = 0;
  check(mprotect(guard(cpu), page, PROT_NONE) == 0);
  reset_return_stack(cpu, unknown_return);
}

}  // namespace ferry::stencil
