#include "tests/translator/aarch64/oracle_client.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

extern char** environ;

namespace ferry::test {

namespace {
void append(std::vector<char>& bytes, const void* p, size_t size) {
  bytes.insert(bytes.end(), static_cast<const char*>(p), static_cast<const char*>(p) + size);
}

// Writes and reads at the same time, so that neither side's pipe fills up.
bool exchange(int to, int from, const std::vector<char>& request, char* reply, size_t reply_size) {
  size_t written = 0, got = 0;
  while (got < reply_size) {
    pollfd fds[] = {{from, POLLIN, 0}, {written < request.size() ? to : -1, POLLOUT, 0}};
    if (poll(fds, 2, 60000) <= 0) return false;
    if (fds[1].revents != 0) {
      ssize_t n = write(to, request.data() + written, std::min<size_t>(request.size() - written, 4096));
      if (n <= 0) return false;
      written += static_cast<size_t>(n);
    }
    if (fds[0].revents != 0) {
      ssize_t n = read(from, reply + got, reply_size - got);
      if (n <= 0) return false;
      got += static_cast<size_t>(n);
    }
  }
  return true;
}
// Runs the oracle with this request; false, with a message, when it does not reply.
bool run_oracle(const std::vector<char>& request, const char* processor, void* reply, size_t reply_size) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  std::vector<std::string> command;
  if (strlen(FERRY_ORACLE_EMULATOR) != 0) command = {FERRY_ORACLE_EMULATOR, "-cpu", processor};
  command.push_back(FERRY_ORACLE);
  std::vector<char*> arguments;
  for (std::string& part : command) arguments.push_back(part.data());
  arguments.push_back(nullptr);
  pid_t pid;
  int error = posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  bool good = error == 0 && exchange(to[1], from[0], request, static_cast<char*>(reply), reply_size);
  close(to[1]);
  close(from[0]);
  if (error == 0) {
    int status;
    waitpid(pid, &status, 0);
    if (!good) fprintf(stderr, "the oracle failed: %s, wait status %#x\n", arguments[0], status);
  } else {
    fprintf(stderr, "cannot run the oracle: %s: %s\n", arguments[0], strerror(error));
  }
  return good;
}

std::optional<std::vector<OracleResult>> results_of(std::vector<char>& request, size_t count) {
  std::vector<OracleResult> results(count);
  if (!run_oracle(request, FERRY_ORACLE_CPU, results.data(), results.size() * sizeof(OracleResult)))
    return std::nullopt;
  return results;
}
}  // namespace

std::optional<std::vector<OracleResult>> ask_oracle(std::vector<Case>& cases) {
  std::vector<char> request;
  OracleHeader header{ORACLE_MAGIC, cases.size(), 1, 0};
  append(request, &header, sizeof header);
  for (const Case& c : cases) append(request, &c.word, sizeof c.word);
  for (size_t i = 0; i < cases.size(); i++) {
    cases[i].state.pc = ORACLE_CODE + i * ORACLE_SLOT;
    append(request, &cases[i].state, sizeof cases[i].state);
  }
  return results_of(request, cases.size());
}

std::optional<std::vector<OracleResult>> ask_oracle(std::vector<BlockCase>& cases) {
  std::vector<char> request;
  OracleHeader header{ORACLE_MAGIC, cases.size(), ORACLE_BLOCK_WORDS, 0};
  append(request, &header, sizeof header);
  for (const BlockCase& c : cases) {
    u32 words[ORACLE_BLOCK_WORDS];
    for (u32& word : words) word = 0xd4200000;  // BRK #0
    memcpy(words, c.words.data(), 4 * c.words.size());
    append(request, words, sizeof words);
  }
  for (size_t i = 0; i < cases.size(); i++) {
    cases[i].state.pc = ORACLE_CODE + i * ORACLE_BLOCK_SLOT;
    append(request, &cases[i].state, sizeof cases[i].state);
  }
  return results_of(request, cases.size());
}

std::optional<std::vector<u8>> probe_oracle(const std::vector<u32>& words, const char* processor) {
  std::vector<char> request;
  OracleHeader header{ORACLE_MAGIC, words.size(), 1, 1};
  append(request, &header, sizeof header);
  append(request, words.data(), 4 * words.size());
  std::vector<u8> signals(words.size());
  if (!run_oracle(request, processor, signals.data(), signals.size())) return std::nullopt;
  return signals;
}

}  // namespace ferry::test
