#include "translator/optimizer/process/run.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "guest/check.h"
#include "guest/log.h"
#include "translator/optimizer/process/server.h"

namespace ferry::optimizer {

namespace {

u32 count_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? static_cast<u32>(CPU_COUNT(&cores)) : 1;
}

// 0: half of them.
u32 worker_count(u64 wanted) {
  u32 cores = count_cores();
  if (wanted == 0) return std::max(cores / 2, 1u);
  return static_cast<u32>(std::min<u64>(wanted, cores));
}

u64 number(std::string_view name, std::string_view text) {
  u64 value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    fatal("optimiser: " + std::string{name} + "=" + std::string{text} + ": a number is meant",
          "ferry starts it by itself");
  return value;
}

void assign(ServerOptions& options, std::string_view name, std::string_view text) {
  if (name == "identity")
    options.store.identity = text;
  else if (name == "directory")
    options.store.directory = text;
  else if (name == "store-limit") {
    if (u64 limit = number(name, text); limit != 0) options.store.limit = limit;
  } else if (name == "idle")
    options.idle_ms = static_cast<u32>(number(name, text) * 1000);
  else if (name == "idle-ms")
    options.idle_ms = static_cast<u32>(number(name, text));
  else if (name == "cores")
    options.workers = worker_count(number(name, text));
  else if (name == "cpu-limit-ms")
    options.worker.cpu_limit_ms = static_cast<u32>(number(name, text));
  else if (name == "memory-limit")
    options.worker.memory_limit = number(name, text);
  else if (name == "worker-lifetime")
    options.worker.lifetime = static_cast<u32>(number(name, text));
  else if (name == "queue")
    options.queue = number(name, text);
  else if (name == "log" && number(name, text) != 0)
    log_mask |= static_cast<u32>(Log::optimizer);
}

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

// It must never be in a guest's way.
void step_back() {
  // Where ferry has started it, it is there.
  if (getpriority(PRIO_PROCESS, 0) < 10) setpriority(PRIO_PROCESS, 0, 10);
  sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
  prctl(PR_SET_NAME, "ferry-optimizer");
  prctl(PR_SET_DUMPABLE, 0);  // no core files, and nobody attaches
  umask(077);
}

void handle_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop_server(); };
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

}  // namespace

int run_optimizer(int argc, char** argv, CompilerFactory make_compiler, const std::function<std::string()>& describe) {
  ServerOptions options;
  options.workers = worker_count(0);
  for (int i = 1; i < argc; i++) {
    std::string_view word = argv[i];
    size_t equals = word.find('=');
    if (equals != word.npos) assign(options, word.substr(0, equals), word.substr(equals + 1));
  }
  if (!is_listening(STDIN_FILENO)) fatal("the optimiser is not to be started by hand", "ferry does when it needs it");
  options.listener = STDIN_FILENO;
  options.worker.make_compiler = std::move(make_compiler);
  options.store.description = describe();
  step_back();
  handle_signals();
  log(Log::optimizer, "optimiser: %u workers, ends after %u ms with nothing to do", options.workers, options.idle_ms);
  int status = Server{std::move(options)}.run();
  log(Log::optimizer, "optimiser: ends with status %d", status);
  return status;
}

}  // namespace ferry::optimizer
