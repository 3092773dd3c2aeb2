#include "translator/optimizer/process/server.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "guest/log.h"

namespace ferry::optimizer {

namespace {

constexpr size_t max_connections = 4000;
constexpr u64 save_every_ms = 5000;
constexpr int max_stillborn = 3;
constexpr u64 listed_key = 0x9e3779b97f4a7c15;  // a listed job has another key than the plain one
constexpr int max_messages_a_turn = 32;         // of one guest, before the others are looked at

volatile sig_atomic_t stop_requested = 0;

u64 now_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1000 + static_cast<u64>(t.tv_nsec) / 1000000;
}

std::span<const u8> bytes_of(std::string_view text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }

// In a form that tests/bench/bench reads.
std::string in_words(const CompileTimes& times) {
  auto us = [](u64 ns) { return std::to_string(ns / 1000); };
  return us(times.total()) + " us of cpu time: lift " + us(times.lift) + ", optimise " + us(times.optimise) +
         ", generate " + us(times.generate) + ", pack " + us(times.pack);
}

}  // namespace

void stop_server() { stop_requested = 1; }

Server::Server(ServerOptions options)
    : options_(std::move(options)), results_(options_.store), active_ms_(now_ms()), saved_ms_(now_ms()) {
  for (u32 i = 0; i < std::max(options_.workers, 1u); i++)
    workers_.push_back(std::make_unique<Worker>(options_.worker));
}

Server::~Server() {
  results_.save();
  close(options_.listener);
}

int Server::run() {
  while (step()) {}
  log_totals();
  return stillborn_ >= max_stillborn ? 1 : 0;
}

// Milliseconds that poll() may wait.
int Server::timeout() {
  u64 now = now_ms();
  u64 wait = save_every_ms;
  if (jobs_.empty())
    wait = std::min<u64>(wait, active_ms_ + options_.idle_ms > now ? active_ms_ + options_.idle_ms - now : 0);
  for (auto& worker : workers_)
    if (int limit = worker->check_limits(); limit >= 0) wait = std::min(wait, static_cast<u64>(limit));
  return pages_.has_work() ? 0 : static_cast<int>(wait) + 1;
}

// False: it is time to end.
bool Server::step() {
  std::vector<pollfd> polled{{options_.listener, POLLIN, 0}};
  for (auto& worker : workers_) polled.push_back({worker->descriptor(), POLLIN, 0});
  std::vector<u64> numbers;
  for (auto& [number, connection] : connections_) {
    numbers.push_back(number);
    polled.push_back(
        {connection->descriptor(), static_cast<short>(POLLIN | (connection->wants_to_send() ? POLLOUT : 0)), 0});
  }
  int ready = poll(polled.data(), polled.size(), timeout());
  if (stop_requested || stillborn_ >= max_stillborn) return false;
  if (ready > 0) {
    for (size_t i = 0; i < workers_.size(); i++)
      if (polled[1 + i].revents != 0)
        while (auto result = workers_[i]->result()) finish(*workers_[i], std::move(*result));
    for (size_t i = 0; i < numbers.size(); i++) {
      short events = polled[1 + workers_.size() + i].revents;
      Connection& connection = *connections_[numbers[i]];
      if (events & POLLOUT) connection.send_more();
      if (events & ~POLLOUT) serve(connection);
    }
    if (polled[0].revents != 0) accept_all();
    forget_closed();
  }
  dispatch();
  keep_pages();
  save_sometimes();
  return !jobs_.empty() || pages_.has_work() || now_ms() < active_ms_ + options_.idle_ms;
}

void Server::keep_pages() {
  if (!pages_.has_work()) return;
  pages_.step(results_.store());
  active_ms_ = now_ms();
}

void Server::accept_all() {
  for (;;) {
    int fd = accept4(options_.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (!same_user(fd) || connections_.size() >= max_connections) {
      log(Log::optimizer, "a connection is refused: %s", same_user(fd) ? "there are too many" : "it is another user's");
      close(fd);
      continue;
    }
    u64 number = next_connection_++;
    Connection& connection = *connections_.emplace(number, std::make_unique<Connection>(number, fd)).first->second;
    Greeting greeting = greeting_for(options_.store.identity);
    connection.send(MessageKind::hello, 0, {reinterpret_cast<const u8*>(&greeting), sizeof greeting});
    serve(connection);  // its first words are mostly there
  }
}

void Server::serve(Connection& connection) {
  std::vector<u8> buffer;
  for (int i = 0; i < max_messages_a_turn; i++) {
    auto message = connection.receive(buffer);
    if (!message) return;
    take(connection, *message);
  }
}

void Server::take(Connection& connection, const Message& message) {
  if (!connection.greeted()) {
    if (message.kind != MessageKind::hello) return connection.close("it does not greet");
    if (auto different = disagreement(greeting_for(options_.store.identity), message.bytes))
      return connection.close(("it is " + *different).c_str());
    return connection.set_greeted();
  }
  if (message.kind == MessageKind::pages) {
    if (int fd = connection.take_passed(); fd >= 0) pages_.add(fd);
    return;
  }
  bool listed = message.kind == MessageKind::compile_listed;
  if (message.kind != MessageKind::compile && message.kind != MessageKind::sample && !listed)
    return connection.close("it says what only an optimiser may");
  auto request = read_request(message.bytes);
  if (!request) return connection.close("its request is not sound");
  active_ms_ = now_ms();
  bool hot = results_.add_heat(*request);
  if (message.kind == MessageKind::compile || listed)
    compile(&connection, message.id, std::move(*request), message.bytes, listed);
  else if (hot)
    compile(nullptr, 0, std::move(*request), message.bytes, false);
}

void Server::compile(Connection* connection, u64 id, Request request, std::vector<u8> bytes, bool listed) {
  u64 key = request_key(request);
  Results::Known known = results_.find(key);
  // A listing is of a compilation, so that one is made; but not of what is known to crash the compiler.
  if (known.kind == Results::Known::Kind::bad || (known.kind == Results::Known::Kind::region && !listed)) {
    bool bad = known.kind == Results::Known::Kind::bad;
    if (connection != nullptr)
      connection->send(bad ? MessageKind::refused : MessageKind::region, id, bad ? bytes_of(known.why) : known.region);
    return;
  }
  auto [at, fresh] = jobs_.try_emplace(listed ? key ^ listed_key : key);
  Job& job = at->second;
  job.heat += request.heat;
  if (connection != nullptr) job.waiting.emplace_back(connection->number(), id);
  if (!fresh) return;
  job.request = std::move(request);
  for (const Stretch& stretch : job.request.stretches) job.instructions += stretch.words.size();
  job.bytes = std::move(bytes);
  job.key = key;
  job.listed = listed;
  if (jobs_.size() > options_.queue) drop_coolest();
}

void Server::drop_coolest() {
  auto coolest = jobs_.end();
  for (auto at = jobs_.begin(); at != jobs_.end(); ++at)
    if (at->second.worker == nullptr && (coolest == jobs_.end() || at->second.heat < coolest->second.heat))
      coolest = at;
  if (coolest == jobs_.end()) return;
  answer(coolest->second, MessageKind::lost, bytes_of("the optimiser's queue is full of hotter requests"));
  jobs_.erase(coolest);
}

Worker* Server::idle_worker() {
  for (auto& worker : workers_)
    if (worker->running() && !worker->busy()) return worker.get();
  for (auto& worker : workers_)
    if (!worker->running() && worker->start()) return worker.get();
  return nullptr;
}

void Server::dispatch() {
  for (;;) {
    Job* next = nullptr;
    for (auto& [key, job] : jobs_)
      if (job.worker == nullptr && (next == nullptr || job.urgency() > next->urgency())) next = &job;
    Worker* worker = next != nullptr ? idle_worker() : nullptr;
    if (worker == nullptr) return;
    next->worker = worker;
    worker->begin(next->bytes, next->listed);
  }
}

void Server::finish(Worker& worker, Worker::Result result) {
  active_ms_ = now_ms();
  auto at = std::ranges::find_if(jobs_, [&](const auto& item) { return item.second.worker == &worker; });
  bool stillborn = result.ended && !result.was_ready;
  stillborn_ = stillborn ? stillborn_ + 1 : 0;
  if (result.ended) log(Log::optimizer, "a worker is replaced: %s", result.why.c_str());
  if (at == jobs_.end()) return;
  Job& job = at->second;
  if (stillborn) {  // not this request's doing
    job.worker = nullptr;
    return;
  }
  if (result.region.empty()) {
    log(Log::optimizer, "nothing is made of the code at %#lx in %s: %s",
        job.request.file_offset + job.request.entries[0],
        job.request.file.empty() ? "memory" : job.request.file.c_str(), result.why.c_str());
    answer(job, MessageKind::refused, bytes_of(result.why));
    results_.remember_bad(job.request, job.key, std::move(result.why));
  } else {
    if (!result.listing.empty()) answer(job, MessageKind::listing, result.listing);
    answer(job, MessageKind::region, result.region);
    if (!job.listed) count(job, result);
    results_.add(job.request, job.key, std::move(result.region));
  }
  jobs_.erase(at);
}

void Server::answer(const Job& job, MessageKind kind, std::span<const u8> bytes) {
  for (auto [number, id] : job.waiting)
    if (auto at = connections_.find(number); at != connections_.end()) at->second->send(kind, id, bytes);
}

void Server::count(const Job& job, const Worker::Result& result) {
  u32 instructions = read_region(result.region)->instructions;  // the worker's answer has been checked
  compiled_++;
  instructions_ += instructions;
  times_.add(result.times);
  if (!logging(Log::optimizer)) return;
  log(Log::optimizer, "compiled: the code at %#lx in %s, %u instructions: %s",
      job.request.file_offset + job.request.entries[0], job.request.file.empty() ? "memory" : job.request.file.c_str(),
      instructions, in_words(result.times).c_str());
}

void Server::log_totals() const {
  log(Log::optimizer, "optimiser: compiled %lu regions, %lu instructions: %s", compiled_, instructions_,
      in_words(times_).c_str());
  log(Log::optimizer, "optimiser: kept %lu pages", pages_.kept());
}

// With what they alone have asked for and nobody could find in a store.
void Server::forget_closed() {
  if (std::erase_if(connections_, [](const auto& item) { return item.second->closed(); }) == 0) return;
  std::erase_if(jobs_, [&](const auto& item) {
    const Job& job = item.second;
    auto is_there = [&](const auto& waiter) { return connections_.contains(waiter.first); };
    bool asked_for = !job.waiting.empty();  // or made of samples that add up
    return asked_for && job.worker == nullptr && !job.request.storable && std::ranges::none_of(job.waiting, is_there);
  });
}

void Server::save_sometimes() {
  if (now_ms() - saved_ms_ < save_every_ms) return;
  results_.save();
  saved_ms_ = now_ms();
}

}  // namespace ferry::optimizer
