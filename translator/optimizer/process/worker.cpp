#include "translator/optimizer/process/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "translator/optimizer/protocol.h"

namespace ferry::optimizer {

namespace {

constexpr size_t listing_at = max_message;  // in the shared memory, behind the region
constexpr size_t shared_size = listing_at + max_message;

enum class Word : u32 { ready, region, refused };
struct Note {
  Word word;
  u32 size;  // of what is in the shared memory
  u32 listing_size;
  CompileTimes times;
};
struct Order {
  u32 size;
  u32 listed;
};

u64 milliseconds(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) return 0;
  return static_cast<u64>(t.tv_sec) * 1000 + static_cast<u64>(t.tv_nsec) / 1000000;
}

u64 cpu_milliseconds(pid_t process) {
  clockid_t clock;
  return clock_getcpuclockid(process, &clock) == 0 ? milliseconds(clock) : 0;
}

void put(u8* shared, const void* data, size_t size, Note& note) {
  note.size = static_cast<u32>(std::min(size, max_message));
  memcpy(shared, data, note.size);
}

// Lets the heap go on where a large page begins (launch.cpp asks for such pages): up to there each small page would be a fault of its own,
// some 400 of them in a first compilation. Best effort: what the probe gets is the heap's end only while no such piece is free.
void skip_to_large_page() {
  constexpr size_t large_page = 2 << 20, probe = 64 << 10;
  mallopt(M_MMAP_THRESHOLD, 4 * large_page);  // larger pieces would be mapped on their own, the one skipped too
  u64 top = reinterpret_cast<u64>(malloc(probe)) + probe;
  void* volatile skipped = malloc(-top % large_page);
  (void)skipped;
}

void close_all_but(int kept) {
  close_range(3, static_cast<unsigned>(kept) - 1, 0);
  close_range(static_cast<unsigned>(kept) + 1, ~0u, 0);
}

}  // namespace

Worker::~Worker() {
  stop();
  if (shared_ != nullptr) munmap(shared_, shared_size);
}

bool Worker::start() {
  stop();
  if (shared_ == nullptr) {
    void* p = mmap(nullptr, shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    shared_ = static_cast<u8*>(p);
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
  pid_t parent = getpid();
  process_ = fork();
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    serve(pair[1]);
  }
  close(pair[1]);
  if (process_ < 0) return close(pair[0]), false;
  socket_ = pair[0];
  ready_ = busy_ = false;
  served_ = 0;
  killed_for_ = nullptr;
  return true;
}

void Worker::stop() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {}
  }
  if (socket_ >= 0) close(socket_);
  process_ = socket_ = -1;
  ready_ = busy_ = false;
}

// The worker's whole life.
void Worker::serve(int socket) {
  prctl(PR_SET_NAME, "ferry-compiler");
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::signal(signal, SIG_DFL);
  if (socket >= 3) close_all_but(socket);
  rlimit none{}, memory{options_.memory_limit, options_.memory_limit};
  setrlimit(RLIMIT_CORE, &none);
  // When memory runs out it goes before anybody's guest does (proc(5)); where there is no /proc, not.
  if (int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    (void)!write(fd, "800", 3);
    close(fd);
  }
  if (options_.memory_limit != 0) setrlimit(RLIMIT_AS, &memory);
  skip_to_large_page();
  CompileFunction compile = options_.make_compiler();
  Note note{Word::ready, 0, 0, {}};
  for (;;) {
    if (send(socket, &note, sizeof note, MSG_NOSIGNAL) != sizeof note) _exit(0);
    Order order;
    if (recv(socket, &order, sizeof order, 0) != sizeof order || order.size > max_message) _exit(0);
    std::string why = "malformed";
    std::optional<Region> region;
    Listing listing{.wanted = order.listed != 0, .before = {}, .after = {}, .code = {}};
    note.times = {};
    if (auto request = read_request({shared_, order.size})) region = compile(*request, why, note.times, listing);
    std::vector<u8> text = listing.wanted ? write_listing(listing) : std::vector<u8>{};
    note.listing_size = text.size() <= max_message ? static_cast<u32>(text.size()) : 0;
    if (note.listing_size != 0) memcpy(shared_ + listing_at, text.data(), text.size());
    note.word = region ? Word::region : Word::refused;
    if (region) {
      std::vector<u8> bytes = write_region(*region);
      put(shared_, bytes.data(), bytes.size(), note);
    } else {
      put(shared_, why.data(), why.size(), note);
    }
  }
}

void Worker::begin(std::span<const u8> request, bool listed) {
  Order order{static_cast<u32>(request.size()), listed};
  memcpy(shared_, request.data(), request.size());
  busy_ = true;
  began_wall_ms_ = milliseconds(CLOCK_MONOTONIC);
  began_cpu_ms_ = cpu_milliseconds(process_);
  (void)!send(socket_, &order, sizeof order, MSG_NOSIGNAL);  // to one that has ended: result() says so
}

std::optional<Worker::Result> Worker::result() {
  if (!running()) return std::nullopt;
  Note note;
  ssize_t got = recv(socket_, &note, sizeof note, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got != sizeof note || note.size > max_message || note.listing_size > max_message) return end(killed_for_);
  if (note.word == Word::ready) {
    ready_ = true;
    return std::nullopt;
  }
  busy_ = false;
  Result result;
  // A copy: what has crashed in a worker may write there at any time.
  std::vector<u8> bytes(shared_, shared_ + note.size);
  result.times = note.times;
  if (note.listing_size != 0) result.listing.assign(shared_ + listing_at, shared_ + listing_at + note.listing_size);
  if (note.word == Word::region && read_region(bytes))
    result.region = std::move(bytes);
  else
    result.why = note.word == Word::region ? "the compiler made a region that is not sound"
                                           : std::string(bytes.begin(), bytes.end());
  if (++served_ >= options_.lifetime) stop();
  return result;
}

Worker::Result Worker::end(const char* why) {
  kill(process_, SIGKILL);
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {}
  process_ = -1;
  Result result;
  result.ended = true;
  result.was_ready = ready_;
  if (why != nullptr)
    result.why = why;
  else if (WIFSIGNALED(status))
    result.why = std::string{"the compiler crashed: "} + strsignal(WTERMSIG(status));
  else
    result.why = "the compiler ended with status " + std::to_string(WEXITSTATUS(status));
  stop();
  return result;
}

int Worker::check_limits() {
  if (!busy_) return -1;
  u64 wall = milliseconds(CLOCK_MONOTONIC) - began_wall_ms_, cpu = cpu_milliseconds(process_) - began_cpu_ms_;
  if (cpu >= options_.cpu_limit_ms || wall >= options_.wall_limit_ms) {
    killed_for_ = "it took too long to compile";
    kill(process_, SIGKILL);  // its end of the socket closes with it
    return 1000;
  }
  return static_cast<int>(std::min(options_.cpu_limit_ms - cpu, options_.wall_limit_ms - wall)) + 1;
}

}  // namespace ferry::optimizer
