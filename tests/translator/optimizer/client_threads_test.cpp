// A client in the hands of many threads, with an optimiser that is one more: what ThreadSanitizer can watch.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/client.h"
#include "translator/optimizer/protocol.h"

namespace ferry::optimizer {
namespace {

// Answers everything with the same region until the client goes.
void serve_one_client(int listener) {
  int fd = accept(listener, nullptr, nullptr);
  auto say = [&](MessageKind kind, u64 id, std::span<const u8> bytes) {
    for (const std::vector<u8>& packet : packets_of(kind, id, bytes))
      send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
  };
  Greeting greeting = greeting_for("test");
  say(MessageKind::hello, 0, {reinterpret_cast<const u8*>(&greeting), sizeof greeting});
  std::vector<u8> region = write_region(sample_region()), buffer(max_packet);
  Assembler assembler;
  ssize_t size;
  while ((size = recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
    std::optional<Message> message;
    EXPECT_TRUE(assembler.add({buffer.data(), static_cast<size_t>(size)}, message));
    if (message && message->kind == MessageKind::compile) say(MessageKind::region, message->id, region);
  }
  close(fd);
}

TEST(ClientThreads, SubmitAndTakeWithoutLosingAnAnswer) {
  ClientOptions options;
  options.identity = "test";
  options.socket_name = "ferry-threads-" + std::to_string(getpid());
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address;
  socklen_t size = socket_address("", options.socket_name, address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  std::thread server(serve_one_client, listener);
  {
    Client client(options);
    std::atomic<u32> submitted = 0, answered = 0;
    std::vector<std::thread> threads;
    for (u32 t = 0; t < 4; t++)
      threads.emplace_back([&] {
        for (u32 i = 0; i < 300; i++) {
          if (client.submit(sample_request()) != 0) submitted++;
          if (!client.outstanding()) continue;
          for (const Answer& answer : client.take()) answered += answer.kind == Answer::Kind::region;
          std::this_thread::yield();
        }
      });
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 20'000 && client.outstanding(); i++) {
      for (const Answer& answer : client.take()) answered += answer.kind == Answer::Kind::region;
      usleep(1000);
    }
    EXPECT_GT(submitted, 0u);
    EXPECT_EQ(answered, submitted);
  }
  server.join();
  close(listener);
}

}  // namespace
}  // namespace ferry::optimizer
