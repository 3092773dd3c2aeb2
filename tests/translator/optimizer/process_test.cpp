// Clients and the optimiser's process, with a fake compiler in it: who starts it, who may talk to it, and what happens when
// either side is killed, talks nonsense or gives up.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include "tests/translator/optimizer/fake_optimizer.h"
#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/client.h"
#include "translator/optimizer/launch.h"
#include "translator/optimizer/page_notes.h"
#include "translator/optimizer/protocol.h"
#include "translator/optimizer/store.h"
#include "translator/stencil/host.h"

namespace ferry::optimizer {
namespace {

std::span<const u8> map_file(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status{};
  fstat(fd, &status);
  void* p = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  return {static_cast<const u8*>(p), static_cast<size_t>(status.st_size)};
}

std::span<const u8> fake_image() {
  static std::span<const u8> image = map_file(FAKE_OPTIMIZER);
  return image;
}

Request request_of(u32 word, u64 heat = 1) {
  Request request;
  request.heat = heat;
  request.stretches = {{0, {word, 0xd503201f}}};
  request.entries = {0};
  return request;
}

// Holds a worker that has got a request of it.
class Gate {
 public:
  Gate() : path_(testing::TempDir() + "ferry-gate-" + std::to_string(getpid())) {
    close(open(path_.c_str(), O_WRONLY | O_CREAT, 0600));
  }
  ~Gate() { open_it(); }
  void open_it() { unlink(path_.c_str()); }
  Request request(u64 heat = 1) const {
    Request request = request_of(fake_wait, heat);
    request.file = path_;
    return request;
  }

 private:
  std::string path_;
};

u32 worker_of(const Answer& answer) {
  u32 process = 0;
  if (answer.region.code.size() >= sizeof process) memcpy(&process, answer.region.code.data(), sizeof process);
  return process;
}

// Each test has an optimiser of its own, by the name of its socket.
class OptimizerProcess : public testing::Test {
 protected:
  void SetUp() override {
    static int count = 0;
    options_.image = fake_image();
    options_.identity = "test";
    options_.socket_name = "ferry-test-" + std::to_string(getpid()) + "-" + std::to_string(count++);
    options_.idle_seconds = 20;
    options_.cores = 1;
  }
  void TearDown() override { end_server(SIGKILL); }

  // Where there is one: a signal to process 0 would be for this test and whoever runs it.
  void end_server(int signal) const {
    if (pid_t process = server(); process > 0) kill(process, signal);
  }

  // A plain connection to it, or -1.
  int connect_plainly() const {
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);  // before anything can be sent to it
    sockaddr_un address;
    socklen_t size = socket_address(options_.identity, options_.socket_name, address);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
    close(fd);
    return -1;
  }

  // The optimiser's process: found by the name that only it has open; 0 when there is none. The peer's credentials are those of
  // whoever called listen(), so its own are asked for with a message.
  pid_t server() const {
    int fd = connect_plainly();
    if (fd < 0) return 0;
    timeval limit{20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char data[256];
    alignas(cmsghdr) char control[256];
    iovec vector{data, sizeof data};
    msghdr header{nullptr, 0, &vector, 1, control, sizeof control, 0};
    pid_t process = 0;
    if (recvmsg(fd, &header, 0) > 0)
      for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
          ucred credentials;
          memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
          process = credentials.pid;
        }
    close(fd);
    return process;
  }

  // Waits, as a guest never would.
  static std::vector<Answer> wait_for(Client& client, size_t count, int seconds = 20) {
    std::vector<Answer> answers;
    for (int i = 0; i < seconds * 1000 && answers.size() < count; i++) {
      for (Answer& answer : client.take()) answers.push_back(std::move(answer));
      usleep(1000);
    }
    return answers;
  }
  static Answer ask(Client& client, const Request& request, bool listed = false) {
    u64 id = 0;
    for (int i = 0; i < 10'000 && (id = client.submit(request, listed)) == 0; i++) usleep(1000);
    std::vector<Answer> answers = wait_for(client, 1);
    if (id == 0 || answers.size() != 1 || answers[0].id != id) {
      ADD_FAILURE() << "request " << id << " has " << answers.size() << " answers";
      return {0, Answer::Kind::lost, {}};
    }
    return std::move(answers[0]);
  }
  // Ended, if perhaps not yet waited for by whoever inherited it.
  static bool is_gone(pid_t process) {
    char text[512] = {};
    int fd = open(("/proc/" + std::to_string(process) + "/stat").c_str(), O_RDONLY);
    if (fd < 0) return true;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    const char* name_end = strrchr(text, ')');
    return size <= 0 || (name_end != nullptr && name_end[2] == 'Z');
  }
  static bool wait_until(const std::function<bool()>& what) {
    for (int i = 0; i < 10'000; i++) {
      if (what()) return true;
      usleep(1000);
    }
    return false;
  }

  ClientOptions options_;
};

TEST_F(OptimizerProcess, IsStartedByTheFirstRequestAndAnswers) {
  Client client(options_);
  EXPECT_FALSE(client.outstanding());
  EXPECT_EQ(connect_plainly(), -1);
  u64 id = client.submit(request_of(1));
  ASSERT_NE(id, 0u);
  EXPECT_TRUE(client.outstanding());
  std::vector<Answer> answers = wait_for(client, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_EQ(answers[0].kind, Answer::Kind::region);
  EXPECT_EQ(answers[0].region.stretches[0].words[0], 1u);
  EXPECT_FALSE(client.outstanding());
  EXPECT_NE(server(), 0);
}

TEST_F(OptimizerProcess, ListsWhatItCompilesWhereThatIsWanted) {
  Client client(options_);
  Answer plain = ask(client, request_of(1));
  EXPECT_FALSE(plain.listing);
  // It is known by now, and compiled once more to be listed.
  Answer listed = ask(client, request_of(1), true);
  EXPECT_EQ(listed.kind, Answer::Kind::region);
  EXPECT_EQ(listed.region.instructions, plain.region.instructions + 1);
  ASSERT_TRUE(listed.listing);
  EXPECT_EQ(listed.listing->before, "before");
  EXPECT_TRUE(listed.listing->after.starts_with(std::string(max_listing_text, 'a') + "\n;"));
  EXPECT_EQ(listed.listing->code, "code of 1");
  EXPECT_FALSE(ask(client, request_of(1)).listing);
  EXPECT_EQ(ask(client, request_of(fake_crash), true).kind, Answer::Kind::refused);
  EXPECT_EQ(ask(client, request_of(fake_large), true).kind, Answer::Kind::region);
}

TEST_F(OptimizerProcess, IsNoChildAndHasNothingOfTheGuests) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int marked = open("/dev/null", O_RDONLY);  // not close-on-exec
  int marked_high = fcntl(marked, F_DUPFD, 700);
  signal(SIGUSR1, SIG_IGN);
  static volatile sig_atomic_t children = 0;
  signal(SIGCHLD, [](int) { children = children + 1; });
  Client client(options_);
  EXPECT_EQ(ask(client, request_of(1)).kind, Answer::Kind::region);
  int status;
  EXPECT_EQ(waitpid(-1, &status, __WALL | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(children, 0);
  int subreaper = 0;
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  EXPECT_EQ(subreaper, 1);
  prctl(PR_SET_CHILD_SUBREAPER, 0);

  pid_t process = server();
  ASSERT_NE(process, 0);
  EXPECT_NE(getsid(process), getsid(0));
  std::string proc = "/proc/" + std::to_string(process);
  if (geteuid() == 0) {  // it is not dumpable
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
    size_t descriptors = 0;
    for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) {
      std::error_code gone;  // a connection may end while this looks
      std::string target = std::filesystem::read_symlink(entry.path(), gone);
      if (gone) continue;
      EXPECT_TRUE(target == "/dev/null" || target.starts_with("socket:")) << target;
      int number = std::stoi(entry.path().filename());
      EXPECT_TRUE(number <= 2 || target.starts_with("socket:")) << number << " " << target;
      descriptors++;
    }
    EXPECT_LE(descriptors, 8u);
  }
  char name[4096] = {};
  int fd = open((proc + "/status").c_str(), O_RDONLY);
  ASSERT_GT(read(fd, name, sizeof name - 1), 0);
  close(fd);
  EXPECT_NE(strstr(name, "SigIgn:\t0000000000001000"), nullptr) << name;  // SIGPIPE alone
  EXPECT_NE(strstr(name, "SigBlk:\t0000000000000000"), nullptr) << name;
  signal(SIGCHLD, SIG_DFL);
  signal(SIGUSR1, SIG_DFL);
  close(marked);
  close(marked_high);
}

TEST_F(OptimizerProcess, AnotherThreadThatWaitsForEverythingKnowsTheGoBetween) {
  std::atomic<bool> stop = false;
  int found = 0, unknown = 0;
  std::thread waiter([&] {
    while (!stop) {
      int process = waitpid(-1, nullptr, __WALL | WNOHANG);
      if (process <= 0) continue;
      found++;
      unknown += !was_go_between(process);
    }
  });
  for (int i = 0; i < 20; i++) {
    options_.socket_name += "x";
    Client client(options_);
    EXPECT_EQ(ask(client, request_of(1)).kind, Answer::Kind::region);
    end_server(SIGKILL);
  }
  stop = true;
  waiter.join();
  EXPECT_EQ(unknown, 0) << "of " << found;
}

TEST_F(OptimizerProcess, ManyClientsShareOneAndEqualRequestsOneCompilation) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; i++) clients.push_back(std::make_unique<Client>(options_));
  Gate gate;
  for (auto& client : clients) {
    EXPECT_TRUE(wait_until([&] { return client->submit(gate.request()) != 0; }));
  }
  gate.open_it();
  std::map<u32, int> counts;
  for (size_t i = 0; i < clients.size(); i++) {
    std::vector<Answer> answers = wait_for(*clients[i], 1);
    ASSERT_EQ(answers.size(), 1u);
    ASSERT_EQ(answers[0].kind, Answer::Kind::region);
    EXPECT_EQ(answers[0].region.instructions, 1u);
    counts[worker_of(answers[0])]++;
  }
  EXPECT_EQ(counts.size(), 1u);
  // It remembers: also who asks later.
  Client late(options_);
  EXPECT_EQ(ask(late, gate.request(99)).region.instructions, 1u);
  EXPECT_EQ(ask(late, request_of(7)).region.instructions, 2u);
}

TEST_F(OptimizerProcess, SeveralProcessesRacingToStartGetOne) {
  constexpr int processes = 8;
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  for (int i = 0; i < processes; i++) {
    if (fork() != 0) continue;
    Client client(options_);
    Answer answer = ask(client, request_of(1));
    u32 worker = answer.kind == Answer::Kind::region ? worker_of(answer) : 0;
    _exit(write(report[1], &worker, sizeof worker) == sizeof worker ? 0 : 1);
  }
  close(report[1]);
  std::map<u32, int> workers;
  u32 worker;
  while (read(report[0], &worker, sizeof worker) == sizeof worker) workers[worker]++;
  close(report[0]);
  while (wait(nullptr) > 0) {}
  EXPECT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0], 0);
}

TEST_F(OptimizerProcess, LargeRegionsArriveWhole) {
  Client client(options_);
  Answer answer = ask(client, request_of(fake_large));
  ASSERT_EQ(answer.kind, Answer::Kind::region);
  ASSERT_EQ(answer.region.code.size(), max_code_bytes);
  for (size_t i = 4; i < max_code_bytes; i += 977) ASSERT_EQ(answer.region.code[i], static_cast<u8>(i * 7));
}

TEST_F(OptimizerProcess, ACrashCostsOneRegionWhichIsRemembered) {
  Client client(options_);
  Answer good = ask(client, request_of(1));
  ASSERT_EQ(good.kind, Answer::Kind::region);
  EXPECT_EQ(ask(client, request_of(fake_crash)).kind, Answer::Kind::refused);
  EXPECT_EQ(ask(client, request_of(fake_exit)).kind, Answer::Kind::refused);
  EXPECT_EQ(ask(client, request_of(fake_unsound)).kind, Answer::Kind::refused);
  EXPECT_EQ(ask(client, request_of(fake_refuse)).kind, Answer::Kind::refused);
  Answer after = ask(client, request_of(2));
  ASSERT_EQ(after.kind, Answer::Kind::region);
  EXPECT_NE(worker_of(after), worker_of(good));
  // Not tried again: the worker lives on.
  EXPECT_EQ(ask(client, request_of(fake_crash, 50)).kind, Answer::Kind::refused);
  EXPECT_EQ(worker_of(ask(client, request_of(3))), worker_of(after));
}

TEST_F(OptimizerProcess, AWorkerThatHangsIsEnded) {
  Client client(options_);
  u64 hanging = client.submit(request_of(fake_hang, 9));
  ASSERT_NE(hanging, 0u);
  ASSERT_NE(client.submit(request_of(5)), 0u);
  std::vector<Answer> answers = wait_for(client, 2);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].id, hanging);
  EXPECT_EQ(answers[0].kind, Answer::Kind::refused);
  EXPECT_EQ(answers[1].kind, Answer::Kind::region);
}

// The fake one's workers make 500 regions each.
TEST_F(OptimizerProcess, WorkersAreReplacedBeforeTheyGrowOld) {
  Client client(options_);
  std::map<u32, u32> made;
  for (u32 i = 0; i < 12; i++) {
    for (u32 j = 0; j < 50; j++) ASSERT_NE(client.submit(request_of(1000 + 50 * i + j)), 0u);
    for (const Answer& answer : wait_for(client, 50)) {
      ASSERT_EQ(answer.kind, Answer::Kind::region);
      made[worker_of(answer)]++;
    }
  }
  ASSERT_EQ(made.size(), 2u);
  for (auto [worker, count] : made) EXPECT_TRUE(count == 500 || count == 100) << count;
}

TEST_F(OptimizerProcess, CompilersThatCannotBeMadeEndItAndTheClientGivesUp) {
  options_.identity = "stillborn";
  Client client(options_);
  EXPECT_TRUE(wait_until([&] {
    client.submit(request_of(1));
    for (Answer& answer : client.take()) EXPECT_EQ(answer.kind, Answer::Kind::lost);
    return client.given_up() && !client.outstanding();
  }));
  EXPECT_EQ(client.submit(request_of(1)), 0u);
}

TEST_F(OptimizerProcess, HotterRequestsComeFirst) {
  Client client(options_);
  ask(client, request_of(1));
  Gate gate;
  ASSERT_NE(client.submit(gate.request(100)), 0u);
  u64 cool = client.submit(request_of(10, 1)), hot = client.submit(request_of(11, 50)),
      warm = client.submit(request_of(12, 5));
  ask(client, request_of(1));  // known: when it is answered the others are in the queue
  gate.open_it();
  std::vector<Answer> answers = wait_for(client, 4);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[1].id, hot);
  EXPECT_EQ(answers[2].id, warm);
  EXPECT_EQ(answers[3].id, cool);
}

TEST_F(OptimizerProcess, ShortRequestsComeBeforeLongOnesThatAreAsHot) {
  Client client(options_);
  ask(client, request_of(1));
  Gate gate;
  ASSERT_NE(client.submit(gate.request(100)), 0u);
  Request large = request_of(10, 12);
  large.stretches[0].words.resize(1000, 0xd503201f);
  u64 slow = client.submit(large), quick = client.submit(request_of(11, 12)), hot = client.submit(request_of(12, 24));
  ask(client, request_of(1));  // known: when it is answered the others are in the queue
  gate.open_it();
  std::vector<Answer> answers = wait_for(client, 4);
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[1].id, hot);
  EXPECT_EQ(answers[2].id, quick);
  EXPECT_EQ(answers[3].id, slow);
}

// The fake optimiser's queue has room for 256.
TEST_F(OptimizerProcess, AFullQueueDropsTheCoolest) {
  std::vector<std::unique_ptr<Client>> clients;
  clients.push_back(std::make_unique<Client>(options_));
  ask(*clients[0], request_of(1));
  Gate gate;
  ASSERT_NE(clients[0]->submit(gate.request(1000)), 0u);
  u32 sent = 0;
  std::vector<Answer> answers;
  for (int c = 0; c < 6; c++) {
    clients.push_back(std::make_unique<Client>(options_));
    Client& client = *clients.back();
    for (u32 i = 0; i < 60; i++) sent += client.submit(request_of(100 + sent, 10 + sent)) != 0;
    u64 known = client.submit(request_of(1));
    ASSERT_TRUE(wait_until([&] {
      for (Answer& answer : client.take()) answers.push_back(std::move(answer));
      return std::ranges::any_of(answers,
                                 [&](const Answer& a) { return a.id == known && a.kind == Answer::Kind::region; });
    }));
    std::erase_if(answers, [&](const Answer& a) { return a.kind == Answer::Kind::region; });
  }
  ASSERT_EQ(sent, 360u);
  gate.open_it();
  size_t compiled = 0;
  EXPECT_TRUE(wait_until([&] {
    bool outstanding = false;
    for (auto& client : clients) {
      for (Answer& answer : client->take()) {
        compiled += answer.kind == Answer::Kind::region;
        if (answer.kind == Answer::Kind::lost) answers.push_back(std::move(answer));
      }
      outstanding = outstanding || client->outstanding();
    }
    return !outstanding;
  }));
  EXPECT_EQ(compiled, 256u);  // what was at the worker counts as in the queue
  EXPECT_EQ(answers.size(), 361u - 256u);
}

TEST_F(OptimizerProcess, KilledItLosesOnlyWhatWasOutstanding) {
  Client client(options_);
  Answer first = ask(client, request_of(1));
  pid_t process = server();
  ASSERT_NE(process, 0);
  Gate gate;
  u64 id = client.submit(gate.request());
  ASSERT_NE(id, 0u);
  kill(process, SIGKILL);
  std::vector<Answer> answers = wait_for(client, 1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_EQ(answers[0].kind, Answer::Kind::lost);
  // Its worker goes with it, and the next request starts another.
  EXPECT_TRUE(wait_until([&] { return is_gone(static_cast<pid_t>(worker_of(first))); }));
  EXPECT_EQ(ask(client, request_of(2)).kind, Answer::Kind::region);
  EXPECT_NE(server(), process);
}

TEST_F(OptimizerProcess, AKilledClientIsNoMatter) {
  Client client(options_);
  ask(client, request_of(1));
  Gate gate;
  for (int i = 0; i < 5; i++) {
    pid_t child = fork();
    if (child == 0) {
      client.after_fork_in_child();
      client.submit(gate.request());
      client.submit(request_of(20 + static_cast<u32>(i)));
      raise(SIGKILL);
    }
    waitpid(child, nullptr, 0);
  }
  gate.open_it();
  EXPECT_EQ(ask(client, gate.request()).kind, Answer::Kind::region);
  EXPECT_EQ(ask(client, request_of(2)).kind, Answer::Kind::region);
}

TEST_F(OptimizerProcess, WhatOnlyAnEndedGuestHadUseForIsNotCompiled) {
  Client client(options_);
  EXPECT_EQ(ask(client, request_of(1)).region.instructions, 1u);
  Gate gate;
  ASSERT_NE(client.submit(gate.request(100)), 0u);
  pid_t child = fork();
  if (child == 0) {
    client.after_fork_in_child();
    for (u32 i = 0; i < 5; i++) client.submit(request_of(20 + i));
    Request storable = request_of(30);
    storable.storable = true;
    client.submit(storable);
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  ask(client, request_of(1));  // known: when it is answered the child's end is
  gate.open_it();
  EXPECT_EQ(wait_for(client, 1).at(0).region.instructions, 2u);
  EXPECT_EQ(ask(client, request_of(2)).region.instructions, 4u);
}

TEST_F(OptimizerProcess, AForkedChildHasAConnectionOfItsOwn) {
  Client client(options_);
  ask(client, request_of(1));
  Gate gate;
  u64 id = client.submit(gate.request());
  ASSERT_NE(id, 0u);
  pid_t child = fork();
  if (child == 0) {
    client.after_fork_in_child();
    if (client.outstanding()) _exit(2);
    gate.open_it();
    Answer answer = ask(client, request_of(30));
    _exit(answer.kind == Answer::Kind::region ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  std::vector<Answer> answers = wait_for(client, 1);  // the parent's own, untouched
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, id);
  EXPECT_EQ(answers[0].kind, Answer::Kind::region);
}

TEST_F(OptimizerProcess, AStolenDescriptorIsNotUsed) {
  static int taken = -1;
  options_.take_descriptor = [](int fd) { return taken = fd; };
  Client client(options_);
  ask(client, request_of(1));
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  ASSERT_EQ(dup2(pair[0], taken), taken);  // a guest's socket at the number of ours
  EXPECT_EQ(ask(client, request_of(2)).kind, Answer::Kind::region);
  char byte;
  EXPECT_EQ(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);  // nothing was written to it
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_NE(fcntl(pair[0], F_GETFD), -1);  // and it was not closed
  EXPECT_NE(fcntl(pair[1], F_GETFD), -1);
  close(pair[0]);
  close(pair[1]);
}

TEST_F(OptimizerProcess, ThreadsMayAllUseOneClient) {
  Client client(options_);
  std::atomic<size_t> submitted = 0, answered = 0;
  std::vector<std::thread> threads;
  for (u32 t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (u32 i = 0; i < 200; i++) {
        submitted += client.submit(request_of(1000 + 200 * t + i)) != 0;
        answered += client.take().size();
        usleep(200);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(wait_until([&] {
    answered += client.take().size();
    return answered == submitted;
  }));
  EXPECT_GT(submitted, 0u);
  EXPECT_FALSE(client.outstanding());
}

TEST_F(OptimizerProcess, GarbageIsShownTheDoor) {
  Client client(options_);
  ask(client, request_of(1));
  auto is_closed_after = [&](const std::vector<std::vector<u8>>& packets) {
    int fd = connect_plainly();
    timeval limit{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (const std::vector<u8>& packet : packets) send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
    std::vector<u8> buffer(max_packet);
    ssize_t size;
    while ((size = recv(fd, buffer.data(), buffer.size(), 0)) > 0) {}
    bool closed = size == 0 || errno == ECONNRESET;
    close(fd);
    return closed;
  };
  Greeting greeting = greeting_for("test");
  auto hello = [](Greeting g) { return packets_of(MessageKind::hello, 0, {reinterpret_cast<u8*>(&g), sizeof g})[0]; };
  auto request = packets_of(MessageKind::compile, 1, write_request(request_of(1)))[0];
  EXPECT_TRUE(is_closed_after({{1, 2, 3}}));
  EXPECT_TRUE(is_closed_after({std::vector<u8>(max_packet, 0xff)}));
  EXPECT_TRUE(is_closed_after({request}));  // without a greeting
  Greeting other = greeting;
  other.version++;
  EXPECT_TRUE(is_closed_after({hello(other), request}));
  other = greeting;
  other.identity++;
  EXPECT_TRUE(is_closed_after({hello(other), request}));
  other = greeting;
  other.cpu_size++;
  EXPECT_TRUE(is_closed_after({hello(other), request}));
  EXPECT_TRUE(is_closed_after({hello(greeting), packets_of(MessageKind::compile, 1, std::vector<u8>(100, 1))[0]}));
  EXPECT_TRUE(is_closed_after({hello(greeting), packets_of(MessageKind::region, 1, write_region(sample_region()))[0]}));
  EXPECT_EQ(ask(client, request_of(1)).kind, Answer::Kind::region);
}

// An optimiser that says what it should not.
class FalseOptimizer {
 public:
  explicit FalseOptimizer(const ClientOptions& options) {
    sockaddr_un address;
    socklen_t size = socket_address(options.identity, options.socket_name, address);
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
  }
  ~FalseOptimizer() { close(listener_); }
  void say(const std::vector<std::vector<u8>>& packets) {
    int fd = accept(listener_, nullptr, nullptr);
    for (const std::vector<u8>& packet : packets) send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
    close(fd);
  }

 private:
  int listener_;
};

TEST_F(OptimizerProcess, AFalseOptimizerIsNotBelieved) {
  Greeting greeting = greeting_for("test");
  auto hello = [](Greeting g) { return packets_of(MessageKind::hello, 0, {reinterpret_cast<u8*>(&g), sizeof g})[0]; };
  Greeting older = greeting;
  older.version--;
  std::vector<u8> unsound = write_region(sample_region());
  unsound.pop_back();
  auto region = packets_of(MessageKind::region, 1, write_region(sample_region()))[0];
  struct {
    std::vector<std::vector<u8>> packets;
    Answer::Kind kind;
  } cases[] = {
      {{region}, Answer::Kind::lost},                // without a greeting
      {{hello(older), region}, Answer::Kind::lost},  // another version
      {{{1, 2, 3}}, Answer::Kind::lost},
      {{hello(greeting), packets_of(MessageKind::region, 77, write_region(sample_region()))[0]}, Answer::Kind::lost},
      {{hello(greeting), packets_of(MessageKind::region, 1, unsound)[0]}, Answer::Kind::refused},
      {{hello(greeting), region}, Answer::Kind::region},
  };
  for (const auto& given : cases) {
    FalseOptimizer optimizer(options_);
    Client client(options_);
    ASSERT_EQ(client.submit(request_of(1)), 1u);
    optimizer.say(given.packets);
    std::vector<Answer> answers = wait_for(client, 1);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].kind, given.kind) << &given - cases;
  }
}

TEST_F(OptimizerProcess, AnotherUsersOptimizerIsNotTalkedTo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t other = fork();
  ASSERT_GE(other, 0);
  if (other == 0) {
    if (setuid(65534) != 0) _exit(1);
    FalseOptimizer optimizer(options_);
    if (write(ready[1], "r", 1) != 1) _exit(1);
    pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  Client client(options_);
  EXPECT_EQ(client.submit(request_of(1)), 0u);
  EXPECT_FALSE(client.outstanding());
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_TRUE(client.given_up());
}

TEST_F(OptimizerProcess, AnotherUsersGuestIsShownTheDoor) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
  Client client(options_);
  ask(client, request_of(1));
  pid_t other = fork();
  if (other == 0) {
    if (setuid(65534) != 0) _exit(1);
    int fd = connect_plainly();
    timeval limit{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char data[256];
    _exit(fd >= 0 && recv(fd, data, sizeof data, 0) == 0 ? 0 : 2);
  }
  int status = 0;
  waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(OptimizerProcess, EndsWhenIdleAndIsStartedAgain) {
  options_.idle_seconds = 1;
  Client client(options_);
  ask(client, request_of(1));
  pid_t process = server();
  ASSERT_NE(process, 0);
  EXPECT_TRUE(wait_until([&] { return is_gone(process); }));
  EXPECT_EQ(ask(client, request_of(2)).kind, Answer::Kind::region);
}

TEST_F(OptimizerProcess, WithoutAnImageOnlyOneThatRunsIsUsed) {
  ClientOptions without = options_;
  without.image = {};
  Client early(without);
  EXPECT_EQ(early.submit(request_of(1)), 0u);
  EXPECT_TRUE(early.given_up());
  Client starter(options_);
  ask(starter, request_of(1));
  Client late(without);
  EXPECT_EQ(ask(late, request_of(2)).kind, Answer::Kind::region);
}

TEST_F(OptimizerProcess, WithoutADescriptorToSpareItIsGivenUp) {
  int next = dup(0);
  close(next);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit small{static_cast<rlim_t>(next), limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &small);
  Client client(options_);
  EXPECT_TRUE(wait_until([&] {
    EXPECT_EQ(client.submit(request_of(1)), 0u);
    return client.given_up();
  }));
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(OptimizerProcess, AnImageThatIsNoProgramIsGivenUp) {
  options_.image = map_file("/etc/passwd");
  Client client(options_);
  EXPECT_TRUE(wait_until([&] {
    client.submit(request_of(1));
    client.take();
    return client.given_up() && !client.outstanding();
  }));
}

TEST_F(OptimizerProcess, HeatOfManyShortProcessesAddsUp) {
  Client client(options_);
  ask(client, request_of(1));
  u64 each = accumulated_heat / 4;
  for (int i = 0; i < 4; i++) {
    pid_t child = fork();
    if (child == 0) {
      client.after_fork_in_child();
      Request samples[] = {request_of(40, each), request_of(41, 1)};
      client.hand_in(samples);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  // Sooner or later one more has been compiled than was asked for.
  u32 asked = 1, word = 100;
  EXPECT_TRUE(wait_until([&] { return ask(client, request_of(word++)).region.instructions == ++asked + 1; }));
  EXPECT_LT(ask(client, request_of(40)).region.instructions, asked + 1);  // it was this one
  EXPECT_EQ(ask(client, request_of(41)).region.instructions, asked + 2);
}

TEST_F(OptimizerProcess, AShortProcessStartsNoneToHandItsSamplesIn) {
  pid_t child = fork();
  if (child == 0) {  // its own cpu time counts
    Client client(options_);
    Request sample = request_of(1);
    client.hand_in({&sample, 1});
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(connect_plainly(), -1);
}

TEST_F(OptimizerProcess, PagesThatAreHandedInAddUpInTheStore) {
  if (!stencil::code_can_move) GTEST_SKIP() << "code for this host is not kept";
  options_.directory = testing::TempDir() + "ferry-pages-" + std::to_string(getpid());
  Client client(options_);
  ask(client, request_of(1));
  StoreReader reader;
  auto blocks_kept = [&](const PageNote& note) {
    reader.open(options_.directory, options_.identity, false);
    auto page = read_page(reader.find_page(page_key(note.words, note.program)));
    return page ? page->blocks.size() : 0;
  };
  PageNote first{1, std::vector<u32>(page_words, 0xd503201f), {0, 512}},
      second{1, std::vector<u32>(page_words, 0x8b000000), {8}};
  client.hand_in_pages(
      [&](int fd) {
        write_page_note(fd, first);
        write_page_note(fd, second);
      },
      false);
  EXPECT_TRUE(wait_until([&] { return blocks_kept(first) == 2 && blocks_kept(second) == 1; }));
  first.blocks = {512, 100};
  client.hand_in_pages([&](int fd) { write_page_note(fd, first); }, false);
  EXPECT_TRUE(wait_until([&] { return blocks_kept(first) == 3; }));
  first.program = 2;
  EXPECT_EQ(blocks_kept(first), 0u);
  // What is no note, and what cannot be read without waiting.
  client.hand_in_pages(
      [&](int fd) {
        write_page_note(fd, second);
        EXPECT_EQ(write(fd, "what?", 5), 5);
      },
      false);
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  client.hand_in_pages([&](int fd) { dup2(pipe_ends[0], fd); }, false);
  EXPECT_EQ(ask(client, request_of(2)).kind, Answer::Kind::region);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  std::filesystem::remove_all(options_.directory);
}

TEST_F(OptimizerProcess, WhatItMadeOutlivesItInTheStore) {
  std::string directory = testing::TempDir() + "ferry-store-" + std::to_string(getpid());
  options_.directory = directory;
  Request request = request_of(60), bad = request_of(fake_crash), anonymous = request_of(61);
  request.storable = bad.storable = true;
  u32 worker = 0;
  {
    Client client(options_);
    worker = worker_of(ask(client, request));
    ask(client, bad);
    ask(client, anonymous);
    pid_t process = server();
    ASSERT_GT(process, 0);
    kill(process, SIGTERM);
    ASSERT_TRUE(wait_until([&] { return is_gone(process); }));
  }
  Client client(options_);
  Answer again = ask(client, request);
  ASSERT_EQ(again.kind, Answer::Kind::region);
  EXPECT_EQ(worker_of(again), worker);  // not compiled a second time
  EXPECT_EQ(ask(client, bad).kind, Answer::Kind::refused);
  EXPECT_NE(worker_of(ask(client, anonymous)), worker);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace ferry::optimizer
