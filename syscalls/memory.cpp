// The system calls that change the guest's address space. mm/mmap.c, mm/mprotect.c, mm/mremap.c; man 2 mmap.
// The host never sees PROT_EXEC: guest code is read and translated. What the guest asked for is kept in the list of ranges.
#include "syscalls/memory.h"

#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "guest/log.h"
#include "syscalls/descriptors.h"
#include "syscalls/handlers.h"
#include "syscalls/numbers.h"
#include "syscalls/ranges.h"
#include "syscalls/thread.h"
#include "translator/translator.h"

namespace ferry::syscalls {

namespace {

constexpr u64 page_size = 4096;
constexpr u64 address_limit = u64{1} << 47;  // x86_64 user space; an AArch64 host has more and does not need it
constexpr u64 guest_protections = PROT_READ | PROT_WRITE | PROT_EXEC;

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }
constexpr u64 page_up(u64 address) { return (address + page_size - 1) & ~(page_size - 1); }

struct SharedSegment {
  u64 begin, size;
};

struct AddressSpace {
  std::mutex mutex;
  Ranges ranges;                        // changed by assign() and remove()
  std::vector<SharedSegment> segments;  // attached by shmat
  u64 break_begin = 0, break_end = 0;   // what brk() says
  u64 reserved_end = 0;                 // of the area kept free for it; 0: not reserved yet
  u64 stack_begin = 0, stack_end = 0;

  // The translator keeps to what the guest may execute, which the host's protection does not show.
  void assign(u64 begin, u64 end, int protection) {
    ranges.assign(begin, end, protection);
    translator::set_executable(GuestAddr{begin}, GuestAddr{end}, (protection & PROT_EXEC) != 0);
  }
  void remove(u64 begin, u64 end) {
    ranges.remove(begin, end);
    translator::set_executable(GuestAddr{begin}, GuestAddr{end}, false);
  }
};

AddressSpace& space() {
  static AddressSpace instance;
  return instance;
}

int host_protection(u64 guest) {
  // What the guest may execute ferry must be able to read.
  int readable = (guest & PROT_EXEC) != 0 ? PROT_READ : 0;
  return static_cast<int>(guest & (PROT_READ | PROT_WRITE)) | readable;
}

// READ_IMPLIES_EXEC is a thread's own and passed on to its children; the kernel is asked for it once somebody has set it.
std::atomic<bool> read_implies_exec_seen = false;

bool read_implies_exec() {
  return read_implies_exec_seen && (raw_syscall(SYS_personality, 0xffffffff) & READ_IMPLIES_EXEC) != 0;
}

// What a mapping made with these PROT_* bits is to the guest.
int guest_protection(u64 requested) {
  bool implied = (requested & PROT_READ) != 0 && read_implies_exec();
  return static_cast<int>(requested & guest_protections) | (implied ? PROT_EXEC : 0);
}

Result<u64> host_mmap(u64 address, u64 size, int protection, int flags, int fd = -1, u64 offset = 0) {
  return static_cast<u64>(TRY(from_raw(raw_syscall(SYS_mmap, address, size, static_cast<u64>(protection),
                                                   static_cast<u64>(flags), static_cast<u64>(fd), offset))));
}
void host_munmap(u64 address, u64 size) { raw_syscall(SYS_munmap, address, size); }

constexpr int reservation_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;

// Makes every page of [begin, end) either the guest's already or a fresh reservation, so that a MAP_FIXED over it cannot hit
// memory of ferry's. ENOMEM when something of ferry's is in the way; then nothing has changed.
class Claim {
 public:
  Result<void> take(const Ranges& ranges, u64 begin, u64 end) {
    for (u64 at = begin; at < end;) {
      u64 gap_end = ranges.gap_end(at, end);
      if (gap_end > at) {
        Result<u64> got = host_mmap(at, gap_end - at, PROT_NONE, reservation_flags);
        if (!got || *got != at) {
          if (got) host_munmap(*got, gap_end - at);
          int error = got ? EEXIST : static_cast<int>(got.error());
          release();
          if (error != EEXIST) return fail(error);
          log(Log::warning, "the program maps over memory of ferry's in 0x%llx-0x%llx; it fails with ENOMEM",
              static_cast<unsigned long long>(at), static_cast<unsigned long long>(gap_end));
          return fail(ENOMEM);
        }
        gaps_.push_back({at, gap_end, 0});
      }
      at = ranges.owned_end(gap_end, end);
    }
    return {};
  }
  // Gives the reservations back: the mapping over them failed.
  void release() {
    for (const Range& gap : gaps_) host_munmap(gap.begin, gap.end - gap.begin);
    gaps_.clear();
  }

 private:
  std::vector<Range> gaps_;
};

void invalidate(u64 begin, u64 end) { translator::invalidate(GuestAddr{begin}, GuestAddr{end}); }

// [begin, begin + size) rounded up to pages; EINVAL when unaligned, empty or beyond the address space.
Result<Range> page_range(GuestAddr address, u64 size) {
  u64 begin = raw(address);
  if (begin % page_size != 0 || size == 0) return fail(EINVAL);
  if (size > address_limit || begin > address_limit - page_up(size)) return fail(EINVAL);
  return Range{begin, begin + page_up(size), 0};
}

}  // namespace

void adopt_mapping(GuestAddr begin, GuestAddr end, int protection) {
  std::lock_guard lock(space().mutex);
  space().assign(page_down(raw(begin)), page_up(raw(end)), protection);
}

void set_initial_break(GuestAddr address) {
  std::lock_guard lock(space().mutex);
  space().break_begin = space().break_end = raw(address);
}

void set_stack(GuestAddr begin, GuestAddr end) {
  std::lock_guard lock(space().mutex);
  space().stack_begin = raw(begin);
  space().stack_end = raw(end);
}

void heap_range(GuestAddr& begin, GuestAddr& end) {
  std::lock_guard lock(space().mutex);
  begin = GuestAddr{page_up(space().break_begin)};
  end = GuestAddr{page_up(space().break_end)};
}

bool is_guest_range(GuestAddr begin, GuestAddr end) {
  std::lock_guard lock(space().mutex);
  return space().ranges.owns(raw(begin), raw(end));
}

void for_each_guest_range(void (*visit)(void*, GuestAddr, GuestAddr, int), void* context) {
  std::lock_guard lock(space().mutex);
  for (const Range& range : space().ranges)
    visit(context, GuestAddr{range.begin}, GuestAddr{range.end}, range.protection);
}

void lock_memory_for_fork() { space().mutex.lock(); }
void unlock_memory_after_fork() { space().mutex.unlock(); }

Result<i64> sys_mmap(Thread&, Addr address, Size size, Flags<protections> protection, Flags<mmap_flags> flags,
                     FdOrNew fd, HexOffset offset) {
  if (size.value == 0 || offset.value % page_size != 0) return fail(EINVAL);
  if (size.value > address_limit) return fail(ENOMEM);
  if ((flags.value & MAP_ANONYMOUS) == 0 && is_protected_descriptor(fd.value)) return fail(EBADF);
  u64 begin = raw(address.value);
  u64 length = page_up(size.value);
  // 0x40 and 0x80 are MAP_32BIT and MAP_ABOVE4G on x86_64 and nothing on AArch64. A growing stack would grow unseen.
  int host_flags = static_cast<int>(flags.value & ~u64{0xc0} & ~u64{MAP_GROWSDOWN});
  bool fixed = (flags.value & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  bool replaces = fixed && (flags.value & MAP_FIXED_NOREPLACE) == 0;
  if (fixed && begin % page_size != 0) return fail(EINVAL);
  if (fixed && begin > address_limit - length) return fail(ENOMEM);
  if (!fixed && begin >= address_limit) begin = 0;  // the hint cannot be taken

  std::lock_guard lock(space().mutex);
  Claim claim;
  if (replaces) TRY_VOID(claim.take(space().ranges, begin, begin + length));
  Result<u64> mapped =
      host_mmap(begin, size.value, host_protection(protection.value), host_flags, fd.value, offset.value);
  if (!mapped) {
    claim.release();
    return std::unexpected(mapped.error());
  }
  if (fixed && *mapped != begin) {  // MAP_FIXED_NOREPLACE on a kernel that takes it for a hint
    host_munmap(*mapped, length);
    return fail(EEXIST);
  }
  space().assign(*mapped, *mapped + length, guest_protection(protection.value));
  if (replaces) invalidate(*mapped, *mapped + length);
  return static_cast<i64>(*mapped);
}

Result<i64> sys_munmap(Thread&, Addr address, Size size) {
  Range range = TRY(page_range(address.value, size.value));
  std::lock_guard lock(space().mutex);
  // Only what is the guest's goes; the rest of the range is a hole as far as the guest can know.
  for (const Range& piece : space().ranges.within(range.begin, range.end))
    host_munmap(piece.begin, piece.end - piece.begin);
  space().remove(range.begin, range.end);
  return 0;
}

Result<i64> sys_mprotect(Thread&, Addr address, Size size, Flags<protections> protection) {
  if (raw(address.value) % page_size != 0) return fail(EINVAL);
  // Without BTI and MTE their bits are invalid (arch_validate_prot); nothing grows upwards.
  constexpr u64 known = guest_protections | 8 /* PROT_SEM */ | PROT_GROWSDOWN;
  if ((protection.value & ~known) != 0) return fail(EINVAL);
  if (size.value == 0) return 0;
  Result<Range> range = page_range(address.value, size.value);
  if (!range) return fail(ENOMEM);
  std::lock_guard lock(space().mutex);
  if (!space().ranges.owns(range->begin, range->end)) return fail(ENOMEM);
  if ((protection.value & PROT_GROWSDOWN) != 0) {
    // To the beginning of what grows; of all that the guest has, its stack does (see sys_mmap).
    if (range->begin < space().stack_begin || range->begin >= space().stack_end) return fail(EINVAL);
    range->begin = std::max(space().stack_begin, space().ranges.begin_of(range->begin));
  }
  u64 length = range->end - range->begin;
  TRY(from_raw(raw_syscall(SYS_mprotect, range->begin, length, static_cast<u64>(host_protection(protection.value)))));
  space().assign(range->begin, range->end, guest_protection(protection.value));
  invalidate(range->begin, range->end);
  return 0;
}

Result<i64> sys_pkey_mprotect(Thread& thread, Addr address, Size size, Flags<protections> protection, Int key) {
  if (key.value != -1) return fail(EINVAL);
  return sys_mprotect(thread, address, size, protection);
}
Result<i64> sys_pkey_alloc(Thread&, Hex flags, Hex rights) {
  return fail(flags.value != 0 || (rights.value & ~u64{3}) != 0 ? EINVAL : ENOSPC);
}
Result<i64> sys_pkey_free(Thread&, Int) { return fail(EINVAL); }

Result<i64> sys_mremap(Thread&, Addr address, Size old_size, Size new_size, Flags<mremap_flags> flags,
                       Addr new_address) {
  constexpr u64 dont_unmap = 4;
  u64 begin = raw(address.value);
  u64 old_length = page_up(old_size.value), new_length = page_up(new_size.value);
  u64 target = raw(new_address.value);
  if (begin % page_size != 0 || new_length == 0 || new_length > address_limit || old_length > address_limit)
    return fail(EINVAL);
  bool fixed = (flags.value & MREMAP_FIXED) != 0;
  if (fixed && (target % page_size != 0 || target > address_limit - new_length)) return fail(EINVAL);

  std::lock_guard lock(space().mutex);
  Ranges& ranges = space().ranges;
  if (!ranges.owns(begin, begin + std::max(old_length, page_size))) return fail(EFAULT);
  Claim claim;
  bool overlap = fixed && target < begin + old_length && begin < target + new_length;  // EINVAL, as the kernel will say
  if (fixed && !overlap && (flags.value & MREMAP_MAYMOVE) != 0)
    TRY_VOID(claim.take(ranges, target, target + new_length));
  Result<i64> moved = from_raw(raw_syscall(SYS_mremap, begin, old_size.value, new_size.value, flags.value, target));
  if (!moved) {
    claim.release();
    return moved;
  }
  u64 now = static_cast<u64>(*moved);
  int protection = ranges.protection_at(begin);
  if ((flags.value & dont_unmap) == 0) space().remove(begin, begin + old_length);
  space().assign(now, now + new_length, protection);
  invalidate(begin, begin + std::max(old_length, page_size));
  if (now != begin || new_length > old_length) invalidate(now, now + new_length);
  return moved;
}

Result<i64> sys_madvise(Thread&, Addr address, Size size, Enum<madvise_advice> advice) {
  if (raw(address.value) % page_size != 0) return fail(EINVAL);
  if (size.value != 0) {
    Range range = TRY(page_range(address.value, size.value));
    std::lock_guard lock(space().mutex);
    if (!space().ranges.owns(range.begin, range.end)) return fail(ENOMEM);
    i64 result = raw_syscall(SYS_madvise, range.begin, range.end - range.begin, static_cast<u64>(advice.value));
    bool drops =
        advice.value == MADV_DONTNEED || advice.value == MADV_REMOVE || advice.value == 24 /* MADV_DONTNEED_LOCKED */;
    if (drops) invalidate(range.begin, range.end);
    return from_raw(result);
  }
  return from_raw(raw_syscall(SYS_madvise, raw(address.value), 0, static_cast<u64>(advice.value)));
}

Result<i64> sys_mlockall(Thread&, Flags<mlockall_flags> flags) {
  return flags.value == 0 || (flags.value & ~u64{MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT}) != 0
             ? Result<i64>{fail(EINVAL)}
             : 0;
}
Result<i64> sys_munlockall(Thread&) { return 0; }

namespace {
// Keeps room for the heap, as much as can be had, so that neither the host's mappings nor ferry's own heap end up in its way.
void reserve_heap(AddressSpace& s) {
  u64 begin = page_up(s.break_begin);
  s.reserved_end = begin;
  for (u64 size = u64{1} << 30; size >= u64{1} << 20; size >>= 1) {
    Result<u64> got = host_mmap(begin, size, PROT_NONE, reservation_flags);
    if (got && *got == begin) {
      s.reserved_end = begin + size;
      return;
    }
    if (got) host_munmap(*got, size);
  }
}

// The heap's mapped end becomes `wanted` (page-aligned). False when there is no room.
bool move_heap_end(AddressSpace& s, u64 mapped, u64 wanted) {
  if (wanted < mapped) {
    if (!host_mmap(wanted, mapped - wanted, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED))
      return false;
    s.remove(wanted, mapped);
    return true;
  }
  if (wanted > s.reserved_end) {
    Result<u64> more = host_mmap(s.reserved_end, wanted - s.reserved_end, PROT_NONE, reservation_flags);
    if (!more) return false;
    if (*more != s.reserved_end) {
      host_munmap(*more, wanted - s.reserved_end);
      return false;
    }
    s.reserved_end = wanted;
  }
  if (!host_mmap(mapped, wanted - mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED))
    return false;
  s.assign(mapped, wanted, guest_protection(PROT_READ | PROT_WRITE));
  return true;
}
}  // namespace

Result<i64> sys_brk(Thread&, Addr wanted) {
  std::lock_guard lock(space().mutex);
  AddressSpace& s = space();
  u64 end = raw(wanted.value);
  if (end < s.break_begin || end > address_limit) return static_cast<i64>(s.break_end);
  if (s.reserved_end == 0 && end > s.break_begin) reserve_heap(s);
  u64 mapped = page_up(s.break_end);
  if (page_up(end) == mapped || move_heap_end(s, mapped, page_up(end))) s.break_end = end;
  return static_cast<i64>(s.break_end);
}

Result<i64> sys_shmat(Thread&, Int id, Addr address, Flags<shmat_flags> flags) {
  shmid_ds status;
  if (shmctl(id.value, IPC_STAT, &status) != 0) return fail(errno);
  u64 length = page_up(status.shm_segsz);
  u64 begin = (flags.value & SHM_RND) != 0 ? page_down(raw(address.value)) : raw(address.value);
  bool replaces = (flags.value & SHM_REMAP) != 0 && begin != 0;
  if (begin > address_limit - length) return fail(EINVAL);

  std::lock_guard lock(space().mutex);
  Claim claim;
  if (replaces) TRY_VOID(claim.take(space().ranges, page_down(begin), page_down(begin) + length));
  Result<i64> attached =
      from_raw(raw_syscall(SYS_shmat, static_cast<u64>(id.value), begin, flags.value & ~u64{SHM_EXEC}));
  if (!attached) {
    claim.release();
    return attached;
  }
  u64 at = static_cast<u64>(*attached);
  u64 protection = (flags.value & SHM_RDONLY) != 0 ? PROT_READ : PROT_READ | PROT_WRITE;
  if ((flags.value & SHM_EXEC) != 0) protection |= PROT_EXEC;
  space().assign(at, at + length, guest_protection(protection));
  space().segments.push_back({at, length});
  if (replaces) invalidate(at, at + length);
  return attached;
}

Result<i64> sys_shmdt(Thread&, Addr address) {
  std::lock_guard lock(space().mutex);
  std::vector<SharedSegment>& segments = space().segments;
  auto found = std::ranges::find(segments, raw(address.value), &SharedSegment::begin);
  if (found == segments.end()) return fail(EINVAL);
  TRY(from_raw(raw_syscall(SYS_shmdt, found->begin)));
  space().remove(found->begin, found->begin + found->size);
  segments.erase(found);
  return 0;
}

Result<i64> sys_personality(Thread&, Hex persona) {
  u32 wanted = static_cast<u32>(persona.value);
  if (wanted != 0xffffffff && (wanted & READ_IMPLIES_EXEC) != 0) read_implies_exec_seen = true;
  return from_raw(raw_syscall(SYS_personality, wanted));
}

}  // namespace ferry::syscalls
