#include "sysroots/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace ferry::sysroots {

namespace {

volatile sig_atomic_t interrupt_seen = 0;

constexpr size_t errors_kept = 64 * 1024;

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) read_end = ends[0], write_end = ends[1];
  }
  ~Pipe() { close_read(), close_write(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_read() {
    if (read_end >= 0) close(std::exchange(read_end, -1));
  }
  void close_write() {
    if (write_end >= 0) close(std::exchange(write_end, -1));
  }
};

// -1 with errno when it could not be started. A descriptor of -1 becomes /dev/null.
pid_t spawn(const Words& command, const Words& environment, int in, int out, int err, int third) {
  std::vector<char*> arguments, variables;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (const std::string& entry : environment) variables.push_back(const_cast<char*>(entry.c_str()));
  for (char** entry = environ; *entry != nullptr; ++entry) variables.push_back(*entry);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  int wanted[] = {in, out, err};
  for (int i = 0; i < 3; ++i) {
    if (wanted[i] < 0)
      posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    else
      posix_spawn_file_actions_adddup2(&actions, wanted[i], i);
  }
  if (third >= 0) posix_spawn_file_actions_adddup2(&actions, third, 3);
  pid_t pid = -1;
  int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) errno = error;
  return error == 0 ? pid : -1;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome not_started(const std::string& name) {
  Outcome outcome;
  outcome.status = 127;
  outcome.errors = name + ": " + strerror(errno);
  return outcome;
}

// One read; false at the end of the stream.
bool read_some(int fd, std::string& to) {
  char bytes[16384];
  ssize_t size = read(fd, bytes, sizeof bytes);
  if (size > 0) to.append(bytes, static_cast<size_t>(size));
  return size > 0 || (size < 0 && errno == EINTR);
}

void take_lines(std::string& text, const std::function<void(std::string_view)>& line) {
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != text.npos; begin = end + 1)
    line(std::string_view{text}.substr(begin, end - begin));
  text.erase(0, begin);
}

}  // namespace

void watch_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupt_seen = 1; };
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

Outcome run_tool(const Words& command, const Words& environment) { return run_tool(command, environment, nullptr); }

Outcome run_tool(const Words& command, const Words& environment, const std::function<void(std::string_view)>& line) {
  Pipe out, err, lines;
  pid_t pid = spawn(command, environment, -1, out.write_end, err.write_end, line ? lines.write_end : -1);
  if (pid < 0) return not_started(command[0]);
  out.close_write(), err.close_write(), lines.close_write();
  Outcome outcome;
  std::string text;
  pollfd streams[] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}, {lines.read_end, POLLIN, 0}};
  std::string* to[] = {&outcome.output, &outcome.errors, &text};
  while (streams[0].fd >= 0 || streams[1].fd >= 0 || streams[2].fd >= 0) {
    if (poll(streams, 3, -1) < 0) {
      if (interrupted()) kill(pid, SIGTERM);
      continue;
    }
    for (int i = 0; i < 3; ++i)
      if (streams[i].revents != 0 && !read_some(streams[i].fd, *to[i])) streams[i].fd = -1;
    if (line) take_lines(text, line);
    if (outcome.errors.size() > 2 * errors_kept) outcome.errors.erase(0, outcome.errors.size() - errors_kept);
  }
  outcome.status = wait_for(pid);
  return outcome;
}

Outcome run_pipe(const Words& producer, const Words& consumer) {
  Pipe between, err;
  pid_t first = spawn(producer, {}, -1, between.write_end, err.write_end, -1);
  if (first < 0) return not_started(producer[0]);
  between.close_write();
  pid_t second = spawn(consumer, {}, between.read_end, -1, err.write_end, -1);
  between.close_read(), err.close_write();
  Outcome outcome;
  if (second < 0) outcome = not_started(consumer[0]);
  while (read_some(err.read_end, outcome.errors)) {}
  int status = wait_for(first);
  if (second >= 0)
    if (int consumed = wait_for(second); consumed != 0) status = consumed;  // the producer's is then SIGPIPE's
  if (outcome.status == 0) outcome.status = status;
  return outcome;
}

}  // namespace ferry::sysroots
