// The optimiser's process but for the compiling: listens, checks who is there, queues what they ask for, hottest first, hands it to
// the workers, and answers everybody who asked for the same. One thread, one poll(); nobody can make it wait.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/process/connection.h"
#include "translator/optimizer/process/page_keeper.h"
#include "translator/optimizer/process/results.h"
#include "translator/optimizer/process/worker.h"

namespace ferry::optimizer {

struct ServerOptions {
  int listener = -1;  // the server's from then on
  StoreOptions store;
  u32 idle_ms = 60'000;
  u32 workers = 1;      // at most
  size_t queue = 1024;  // requests that wait; the coolest are dropped
  WorkerOptions worker;
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();

  // Until it has been idle for long enough, or stop_server() was called. The process's exit status: not 0 when no worker lives long
  // enough to make its compiler.
  int run();

 private:
  // What several may wait for.
  struct Job {
    Request request;
    std::vector<u8> bytes;
    u64 key = 0;          // request_key
    bool listed = false;  // with a listing
    u64 heat = 0, instructions = 0;
    Worker* worker = nullptr;                  // that is at it
    std::vector<std::pair<u64, u64>> waiting;  // connection, id

    // Compiling takes as long as there are instructions: first what gains the most for its time.
    u64 urgency() const { return heat * 65536 / (instructions + 1); }
  };

  bool step();
  int timeout();
  void accept_all();
  void serve(Connection& connection);
  void take(Connection& connection, const Message& message);
  void compile(Connection* connection, u64 id, Request request, std::vector<u8> bytes, bool listed);
  void drop_coolest();
  void dispatch();
  void keep_pages();
  Worker* idle_worker();
  void finish(Worker& worker, Worker::Result result);
  void answer(const Job& job, MessageKind kind, std::span<const u8> bytes);
  void forget_closed();
  void save_sometimes();
  void count(const Job& job, const Worker::Result& result);
  void log_totals() const;

  ServerOptions options_;
  Results results_;
  PageKeeper pages_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unordered_map<u64, std::unique_ptr<Connection>> connections_;
  std::unordered_map<u64, Job> jobs_;  // by request_key, changed for those that are listed
  u64 next_connection_ = 1;
  u64 active_ms_ = 0, saved_ms_ = 0;
  u64 compiled_ = 0, instructions_ = 0;  // regions that were made, and instructions in them
  CompileTimes times_;                   // for those
  int stillborn_ = 0;                    // workers in a row that ended before they were ready
};

// Makes run() return soon. Async-signal-safe.
void stop_server();

}  // namespace ferry::optimizer
