#include "translator/time_samples.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace ferry::translator {

namespace {
constexpr size_t page_size = 4096, data_size = 64 * page_size;
constexpr u64 nanoseconds_per_sample = 1'000'000;

perf_event_mmap_page& description(u8* ring) { return *reinterpret_cast<perf_event_mmap_page*>(ring); }

// Records may go round the end.
void copy_from_ring(const u8* ring, u64 position, void* to, size_t size) {
  for (size_t i = 0; i < size; i++) static_cast<u8*>(to)[i] = ring[page_size + (position + i) % data_size];
}
}  // namespace

TimeSamples::TimeSamples() {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.sample_period = nanoseconds_per_sample;
  attributes.sample_type = PERF_SAMPLE_IP;
  attributes.exclude_kernel = attributes.exclude_hv = 1;
  int fd = static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return;
  void* p = mmap(nullptr, page_size + data_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);  // the mapping keeps the event
  if (p != MAP_FAILED) ring_ = static_cast<u8*>(p);
}

TimeSamples::~TimeSamples() {
  if (ring_ != nullptr) munmap(ring_, page_size + data_size);
}

bool TimeSamples::next(u64& pc) {
  if (ring_ == nullptr) return false;
  perf_event_mmap_page& ring = description(ring_);
  u64 head = __atomic_load_n(&ring.data_head, __ATOMIC_ACQUIRE), tail = ring.data_tail;
  bool found = false;
  while (tail != head && !found) {
    perf_event_header header;
    copy_from_ring(ring_, tail, &header, sizeof header);
    found = header.type == PERF_RECORD_SAMPLE;
    if (found) copy_from_ring(ring_, tail + sizeof header, &pc, sizeof pc);
    tail += header.size;
  }
  __atomic_store_n(&ring.data_tail, tail, __ATOMIC_RELEASE);
  return found;
}

}  // namespace ferry::translator
