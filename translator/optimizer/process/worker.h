// Where LLVM runs: a child of the optimiser's process that compiles one request after the other. When it crashes, hangs or eats all
// memory it is replaced, at the cost of the one region. Requests and results travel in memory that both share; a socket says when.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/region.h"
#include "translator/optimizer/report.h"

namespace ferry::optimizer {

// Makes code of a request, or says why not. Made and used in the worker's process only.
using CompileFunction = std::function<std::optional<Region>(const Request& request, std::string& why,
                                                            CompileTimes& times, Listing& listing)>;
using CompilerFactory = std::function<CompileFunction()>;

struct WorkerOptions {
  CompilerFactory make_compiler;
  u32 cpu_limit_ms = 20'000;        // of processor time for one region
  u32 wall_limit_ms = 120'000;      // and of any time
  u64 memory_limit = u64{2} << 30;  // of its address space; 0: none
  u32 lifetime = 2000;              // regions; then a fresh one takes its place, and what it has hoarded goes
};

class Worker {
 public:
  struct Result {
    std::vector<u8> region;  // empty: refused, or the worker has ended
    std::string why;
    CompileTimes times;
    std::vector<u8> listing;  // where one was wanted, as bytes
    bool ended = false;       // crashed, killed for taking too long ...: start() makes a new one
    bool was_ready = true;  // false: it ended before it had made its compiler, which is not to be blamed on the request
  };

  explicit Worker(const WorkerOptions& options) : options_(options) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False: no process can be made.
  bool start();
  void stop();
  bool running() const { return process_ > 0; }
  void begin(std::span<const u8> request, bool listed);
  bool busy() const { return busy_; }

  // Readable when it has something to say: then result(), which is nothing while it still compiles.
  int descriptor() const { return socket_; }
  std::optional<Result> result();
  // Milliseconds until the limits have to be looked at again; -1: it is idle. Ends a worker that is over them; then result().
  int check_limits();

 private:
  [[noreturn]] void serve(int socket);
  Result end(const char* why);

  const WorkerOptions& options_;
  int process_ = -1, socket_ = -1;
  u8* shared_ = nullptr;
  bool ready_ = false, busy_ = false;
  u32 served_ = 0;
  u64 began_wall_ms_ = 0, began_cpu_ms_ = 0;
  const char* killed_for_ = nullptr;
};

}  // namespace ferry::optimizer
