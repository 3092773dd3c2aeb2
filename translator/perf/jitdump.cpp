#include "translator/perf/jitdump.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "guest/log.h"

namespace ferry::perf {

namespace {

constexpr size_t page_size = 4096;

struct FileHeader {
  u32 magic = 0x4a695444;  // "JiTD"
  u32 version = 1;
  u32 total_size = sizeof(FileHeader);
#if defined(__x86_64__)
  u32 machine = EM_X86_64;
#else
  u32 machine = EM_AARCH64;
#endif
  u32 padding = 0;
  u32 process;
  u64 time;
  u64 flags = 0;
};
static_assert(sizeof(FileHeader) == 40);

enum class Record : u32 { code_load = 0, code_close = 3 };

struct RecordHeader {
  Record kind;
  u32 total_size;
  u64 time;
};

struct CodeLoad {
  RecordHeader header;
  u32 process, thread;
  u64 virtual_address, address, size, index;
};
static_assert(sizeof(CodeLoad) == 56);

// `perf record -k mono` has the same clock.
u64 now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

std::string make_directory() {
  const char* base = getenv("TMPDIR");
  std::string path = std::string{base != nullptr && base[0] == '/' ? base : "/tmp"} + "/ferry-jit-XXXXXX";
  return mkdtemp(path.data()) != nullptr ? path : "";
}

}  // namespace

Jitdump::Jitdump(int process, const Keep& keep, Gone gone) : process_(process), gone_(std::move(gone)) {
  std::string directory = make_directory();
  path_ = directory + "/jit-" + std::to_string(process) + ".dump";
  if (directory.empty()) return;
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) return;
  fd_ = keep(fd_);
  write_header();
  void* p = mmap(nullptr, page_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd_, 0);
  marker_ = p != MAP_FAILED ? p : nullptr;
  log(Log::load, "jitdump: %s", path_.c_str());
}

Jitdump::~Jitdump() {
  if (fd_ < 0) return;
  if (writer_ == getpid()) {
    RecordHeader end{Record::code_close, sizeof(RecordHeader), now()};
    (void)!write(fd_, &end, sizeof end);
  }
  if (marker_ != nullptr) munmap(marker_, page_size);
  gone_(fd_);
  close(fd_);
}

void Jitdump::write_header() {
  FileHeader header{.process = static_cast<u32>(process_), .time = now()};
  (void)!write(fd_, &header, sizeof header);
}

void Jitdump::add(u64 address, std::span<const u8> code, const std::string& name) {
  if (fd_ < 0) return;
  CodeLoad load{};
  load.header = {Record::code_load, static_cast<u32>(sizeof load + name.size() + 1 + code.size()), now()};
  load.process = static_cast<u32>(process_);
  load.thread = static_cast<u32>(syscall(SYS_gettid));
  load.virtual_address = load.address = address;
  load.size = code.size();
  load.index = pieces_++;
  iovec parts[] = {{&load, sizeof load},
                   {const_cast<char*>(name.c_str()), name.size() + 1},
                   {const_cast<u8*>(code.data()), code.size()}};
  (void)!writev(fd_, parts, 3);  // one call: records stay whole, whatever happens to the process
}

}  // namespace ferry::perf
