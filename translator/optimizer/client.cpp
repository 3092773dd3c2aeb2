#include "translator/optimizer/client.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "guest/log.h"
#include "translator/optimizer/launch.h"
#include "translator/optimizer/protocol.h"

namespace ferry::optimizer {

namespace {

constexpr size_t max_outstanding = 64;
constexpr int max_failures = 3;         // connections in a row that came to nothing
constexpr u64 retry_after_ms = 1000;    // after such a one
constexpr u64 worth_starting_ms = 50;   // of cpu time, for what a process that ends has to say
constexpr int max_packets_a_look = 16;  // what a guest may have to copy at a time
constexpr u64 look_every_ns = 500'000;  // two system calls, about half a microsecond

u64 nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

u64 milliseconds(clockid_t clock) { return nanoseconds(clock) / 1000000; }

// Which socket this is, for as long as the machine runs; 0 when the descriptor is none.
u64 cookie_of(int fd) {
  u64 cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

int open_socket() { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

// Then the optimiser writes there too. Not to a pipe, whose reader would wait for its end, nor to a terminal.
bool log_is_a_file() {
  struct stat status;
  return log_fd > 2 && fstat(log_fd, &status) == 0 && S_ISREG(status.st_mode);
}

// A file that grows beyond RLIMIT_FSIZE, in memory too, is a signal.
bool may_write_much() {
  rlimit most{};
  return getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur == RLIM_INFINITY;
}

// Whoever keeps results elsewhere, or nowhere, has an optimiser of its own.
std::string optimiser_of(const ClientOptions& options) { return options.identity + '\n' + options.directory; }

}  // namespace

struct Client::State {
  explicit State(ClientOptions given) : options(std::move(given)) {}

  ClientOptions options;
  pid_t process = getpid();  // that connects; one that shares its memory (vfork) only uses what is there
  int fd = -1;
  u64 cookie = 0;         // of the socket: the descriptor may have become another's
  bool greeted = false;   // the optimiser's greeting was good
  bool answered = false;  // and it has answered something
  Assembler assembler;
  u64 next_id = 1;
  std::vector<u64> waiting, lost;
  std::optional<Listing> listing;  // of the region that comes next
  int failures = 0;
  bool given_up = false;
  u64 retry_at = 0;
  std::vector<u8> buffer;
  State* left_behind = nullptr;  // of a parent in which another thread was changing it: it cannot even be freed

  bool ready(bool may_start);
  bool connect(bool may_start);
  int connect_socket(int socket_fd);
  int start();
  void adopt(int socket_fd);
  void drop(const char* why);
  void forget();
  void fail(const char* why, int error);
  void give_up(const char* why);
  bool send_packet(MessageKind kind, u64 id, std::span<const u8> bytes);
  bool send_now(std::span<const u8> packet);
  bool ready_at_end();
  void send_file(int file);
  bool receive(std::vector<Answer>& answers);
  void take_message(const Message& message, std::vector<Answer>& answers);
};

// One thread at a time, the others turn away.
class Client::Turn {
 public:
  explicit Turn(Client& client) : client_(client), mine_(!client.busy_.exchange(true, std::memory_order_acquire)) {}
  ~Turn() {
    if (!mine_) return;
    const State& state = *client_.state_;
    client_.outstanding_.store(static_cast<u32>(state.waiting.size() + state.lost.size()), std::memory_order_relaxed);
    client_.given_up_.store(state.given_up, std::memory_order_relaxed);
    client_.busy_.store(false, std::memory_order_release);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return mine_; }

 private:
  Client& client_;
  bool mine_;
};

Client::Client(ClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Client::~Client() {
  if (state_->fd >= 0 && cookie_of(state_->fd) == state_->cookie) state_->drop("the client ends");
}

// Whether there is a connection, made if need be.
bool Client::State::ready(bool may_start) {
  if (given_up) return false;
  if (fd >= 0 && cookie_of(fd) == cookie) return true;
  if (process != getpid()) return false;
  // Its descriptor is not ours in this thread (unshare(CLONE_FILES)): what it is now is not ours to close.
  if (fd >= 0) forget();
  return milliseconds(CLOCK_MONOTONIC_COARSE) >= retry_at && connect(may_start);
}

bool Client::State::connect(bool may_start) {
  int socket_fd = open_socket();
  if (socket_fd < 0) return fail("no socket", errno), false;
  int error = connect_socket(socket_fd);
  if (error == ECONNREFUSED && options.image.empty())
    return give_up("none is running, and ferry was built without one"), close(socket_fd), false;
  if (error == ECONNREFUSED && may_start) {
    error = start();
    if (error == 0) error = connect_socket(socket_fd);
  }
  if (error == 0 && !same_user(socket_fd)) {
    give_up("another user listens in its place");
    error = EPERM;
  }
  if (error != 0) {
    close(socket_fd);
    // Where nobody listens yet, or the backlog is full, it is a matter of time.
    if (error != ECONNREFUSED && error != EAGAIN) fail("no connection", error);
    retry_at = std::max(retry_at, milliseconds(CLOCK_MONOTONIC_COARSE) + 10);
    return false;
  }
  adopt(socket_fd);
  Greeting greeting = greeting_for(options.identity);
  return send_packet(MessageKind::hello, 0, {reinterpret_cast<const u8*>(&greeting), sizeof greeting});
}

int Client::State::connect_socket(int socket_fd) {
  sockaddr_un address;
  socklen_t size = socket_address(optimiser_of(options), options.socket_name, address);
  return ::connect(socket_fd, reinterpret_cast<sockaddr*>(&address), size) == 0 ? 0 : errno;
}

// Makes the socket that the optimiser is to listen on, which settles who starts one when several would, and lets requests wait in
// the kernel until it is there. 0: somebody listens now, or is about to.
int Client::State::start() {
  sockaddr_un address;
  socklen_t size = socket_address(optimiser_of(options), options.socket_name, address);
  int listener = open_socket();
  if (listener < 0) return errno;
  int error =
      bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 128) == 0 ? 0 : errno;
  if (error == 0) {
    LaunchOptions program{.image = options.image,
                          .arguments = {"ferry-optimizer"},
                          .self = !options.self_argument.empty(),
                          .input = listener,
                          .errors = log_is_a_file() ? log_fd : -1};
    if (program.self) program.arguments.push_back(options.self_argument);
    auto argument = [&](const char* name, const std::string& value) {
      program.arguments.push_back(std::string{name} + "=" + value);
    };
    argument("identity", options.identity);
    argument("directory", options.directory);
    argument("store-limit", std::to_string(options.store_limit));
    argument("idle", std::to_string(options.idle_seconds));
    argument("cores", std::to_string(options.cores));
    argument("log", logging(Log::optimizer) && log_fd > 2 ? "1" : "0");
    error = launch(program) ? 0 : EAGAIN;
    if (error == 0)
      log(Log::optimizer, "optimiser: started");
    else
      fail("it cannot be started", 0);
  }
  close(listener);
  return error == EADDRINUSE ? 0 : error;
}

void Client::State::adopt(int socket_fd) {
  fd = socket_fd;
  if (options.take_descriptor != nullptr) {
    if (int taken = options.take_descriptor(socket_fd); taken >= 0) fd = taken;
  }
  cookie = cookie_of(fd);
  greeted = answered = false;
  assembler = {};
  listing.reset();
}

// What was asked of this connection will not be answered.
void Client::State::forget() {
  lost.insert(lost.end(), waiting.begin(), waiting.end());
  waiting.clear();
  fd = -1;
}

void Client::State::drop(const char* why) {
  log(Log::optimizer, "optimiser: connection closed: %s", why);
  if (options.release_descriptor != nullptr) options.release_descriptor(fd);
  close(fd);
  // It may end for having had nothing to do, or be killed once.
  bool useful = answered || (greeted && waiting.empty());
  forget();
  if (!useful) fail(why, 0);
}

void Client::State::fail(const char* why, int error) {
  retry_at = milliseconds(CLOCK_MONOTONIC_COARSE) + retry_after_ms;
  if (++failures < max_failures) return;
  give_up(error != 0 ? strerror(error) : why);
}

void Client::State::give_up(const char* why) {
  given_up = true;
  log(Log::optimizer, "optimiser: going on without it: %s", why);
}

bool Client::State::send_packet(MessageKind kind, u64 id, std::span<const u8> bytes) {
  if (bytes.size() > max_packet - sizeof(PacketHeader)) return false;
  return send_now(packets_of(kind, id, bytes)[0]);
}

bool Client::State::send_now(std::span<const u8> packet) {
  if (fd < 0) return false;
  for (;;) {
    if (send(fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM) return false;
    drop(strerror(errno));
    return false;
  }
}

// False: nothing more for now.
bool Client::State::receive(std::vector<Answer>& answers) {
  buffer.resize(max_packet);
  ssize_t size = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  // An optimiser that ends before it has read everything is an error first; its last answers are still to be had.
  if (size < 0 && errno == ECONNRESET) size = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && errno == EINTR) return true;
  if (size < 0 && errno == EAGAIN) return false;
  if (size <= 0) return drop(size == 0 ? "it has ended" : strerror(errno)), false;
  std::optional<Message> message;
  if (!assembler.add({buffer.data(), static_cast<size_t>(size)}, message)) {
    greeted = answered = false;
    return drop("it says what makes no sense"), false;
  }
  if (message) take_message(*message, answers);
  return fd >= 0;
}

void Client::State::take_message(const Message& message, std::vector<Answer>& answers) {
  if (message.kind == MessageKind::hello && !greeted) {
    if (auto different = disagreement(greeting_for(options.identity), message.bytes))
      return drop(("it is " + *different).c_str());
    greeted = true;
    return;
  }
  auto asked = std::ranges::find(waiting, message.id);
  if (greeted && message.kind == MessageKind::listing && asked != waiting.end()) {
    listing = read_listing(message.bytes);
    return;
  }
  bool answer =
      message.kind == MessageKind::region || message.kind == MessageKind::refused || message.kind == MessageKind::lost;
  if (!greeted || !answer || asked == waiting.end()) {
    greeted = answered = false;
    return drop("it answers what was not asked");
  }
  waiting.erase(asked);
  answered = true;
  failures = 0;
  Answer& result = answers.emplace_back();
  result.id = message.id;
  result.listing = std::exchange(listing, std::nullopt);
  result.kind = message.kind == MessageKind::lost ? Answer::Kind::lost : Answer::Kind::refused;
  if (message.kind != MessageKind::region) {
    log(Log::optimizer, "optimiser: request %lu: %.*s", message.id,
        static_cast<int>(std::min<size_t>(message.bytes.size(), 400)),
        reinterpret_cast<const char*>(message.bytes.data()));
    return;
  }
  auto region = read_region(message.bytes);
  if (!region) return log(Log::optimizer, "optimiser: a region that is not sound");
  result.kind = Answer::Kind::region;
  result.region = std::move(*region);
}

u64 Client::submit(const Request& request, bool listed) {
  Turn turn(*this);
  if (!turn) return 0;
  State& state = *state_;
  if (state.waiting.size() >= max_outstanding || !state.ready(true)) return 0;
  std::vector<u8> bytes = write_request(request);
  MessageKind kind = listed ? MessageKind::compile_listed : MessageKind::compile;
  bool sent = state.send_packet(kind, state.next_id, bytes);
  // An optimiser that has ended for having had nothing to do is found out now.
  if (!sent && state.fd < 0 && state.ready(true)) sent = state.send_packet(kind, state.next_id, bytes);
  if (!sent) return 0;
  state.waiting.push_back(state.next_id);
  return state.next_id++;
}

bool Client::due() const {
  return outstanding() && nanoseconds(CLOCK_MONOTONIC) >= looked_at_.load(std::memory_order_relaxed) + look_every_ns;
}

std::vector<Answer> Client::take() {
  std::vector<Answer> answers;
  Turn turn(*this);
  if (!turn) return answers;
  State& state = *state_;
  looked_at_.store(nanoseconds(CLOCK_MONOTONIC), std::memory_order_relaxed);
  if (state.fd >= 0) {
    if (!state.answered) forget_go_between();
    if (cookie_of(state.fd) == state.cookie) {
      for (int i = 0; i < max_packets_a_look && state.receive(answers);) i++;
    } else if (state.process == getpid()) {
      state.forget();
    }
  }
  for (u64 id : state.lost) answers.push_back({id, Answer::Kind::lost, {}});
  state.lost.clear();
  return answers;
}

bool Client::State::ready_at_end() { return ready(milliseconds(CLOCK_PROCESS_CPUTIME_ID) >= worth_starting_ms); }

void Client::hand_in(std::span<const Request> samples) {
  Turn turn(*this);
  if (!turn || samples.empty()) return;
  State& state = *state_;
  if (!state.ready_at_end()) return;
  for (const Request& request : samples)
    if (!state.send_packet(MessageKind::sample, 0, write_request(request))) return;
}

// As a file in memory: there may be more of it than the socket's buffer holds, and nobody waits.
void Client::hand_in_pages(const std::function<void(int fd)>& write, bool much) {
  Turn turn(*this);
  // A child that shares the memory (vfork) and ends has nothing of its own.
  if (!turn || state_->process != getpid() || !may_write_much() ||
      !(much ? state_->ready(true) : state_->ready_at_end()))
    return;
  int file = memfd_create("ferry-pages", MFD_CLOEXEC);
  if (file < 0) return;
  write(file);
  state_->send_file(file);
  close(file);
}

void Client::State::send_file(int file) {
  std::vector<u8> packet = packets_of(MessageKind::pages, 0, {})[0];
  iovec part{packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof file)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof file);
  memcpy(CMSG_DATA(header), &file, sizeof file);
  sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Client::after_fork_in_child() {
  State* inherited = state_.release();
  if (inherited->fd >= 0 && cookie_of(inherited->fd) == inherited->cookie) {
    if (inherited->options.release_descriptor != nullptr) inherited->options.release_descriptor(inherited->fd);
    close(inherited->fd);
  }
  state_ = std::make_unique<State>(inherited->options);
  state_->given_up = inherited->given_up;
  state_->next_id = inherited->next_id;
  if (busy_.load())
    state_->left_behind = inherited;
  else
    delete inherited;
  outstanding_ = 0;
  busy_ = false;
}

}  // namespace ferry::optimizer
