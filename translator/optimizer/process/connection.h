// One guest process at the other end of a socket, as the optimiser sees it.
#pragma once
#include <sys/socket.h>

#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "guest/types.h"
#include "translator/optimizer/protocol.h"

namespace ferry::optimizer {

class Connection {
 public:
  Connection(u64 number, int fd) : number_(number), fd_(fd) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  u64 number() const { return number_; }
  int descriptor() const { return fd_; }
  bool closed() const { return closed_; }
  bool wants_to_send() const { return !outgoing_.empty(); }
  bool greeted() const { return greeted_; }  // with a greeting that was good
  void set_greeted() { greeted_ = true; }

  // The descriptor that came with a message, the caller's from then on; -1: none did.
  int take_passed() { return std::exchange(passed_, -1); }

  // The next message that has come; nothing when there is none for now, or never again: closed().
  std::optional<Message> receive(std::vector<u8>& buffer);

  // Sends now what fits and the rest when the guest has taken that; a guest that never does is closed.
  void send(MessageKind kind, u64 id, std::span<const u8> bytes);
  void send_more();

  void close(const char* why);

 private:
  ssize_t receive_packet(std::span<u8> buffer);
  void adopt_passed(msghdr& message);

  u64 number_;
  int fd_;
  int passed_ = -1;
  bool closed_ = false, greeted_ = false;
  int errors_ = 0;
  Assembler assembler_;
  std::deque<std::vector<u8>> outgoing_;
  size_t outgoing_bytes_ = 0;
};

}  // namespace ferry::optimizer
