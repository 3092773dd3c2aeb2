#include "translator/optimizer/process/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guest/log.h"

namespace ferry::optimizer {

namespace {
constexpr size_t max_outgoing_bytes = size_t{32} << 20;
}

Connection::~Connection() {
  ::close(fd_);
  if (passed_ >= 0) ::close(passed_);
}

ssize_t Connection::receive_packet(std::span<u8> buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(sizeof(int));  // without the padding, where a second descriptor has room
  ssize_t size = recvmsg(fd_, &message, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
  if (size >= 0) adopt_passed(message);
  return size;
}

// There is room for one descriptor: the kernel closes others.
void Connection::adopt_passed(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    if (header->cmsg_len < CMSG_LEN(sizeof(int))) continue;
    if (passed_ >= 0) ::close(passed_);
    memcpy(&passed_, CMSG_DATA(header), sizeof passed_);
  }
}

std::optional<Message> Connection::receive(std::vector<u8>& buffer) {
  buffer.resize(max_packet);
  while (!closed_) {
    ssize_t size = receive_packet(buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return std::nullopt;
    // A guest that ends without reading what it was told is an error first; what it said before is still to be had.
    if (size < 0 && errors_++ == 0) continue;
    if (size <= 0) {
      close("it ended");
      break;
    }
    std::optional<Message> message;
    if (static_cast<size_t>(size) > buffer.size() ||
        !assembler_.add({buffer.data(), static_cast<size_t>(size)}, message)) {
      close("it says what makes no sense");
      break;
    }
    if (message) return message;
  }
  return std::nullopt;
}

void Connection::send(MessageKind kind, u64 id, std::span<const u8> bytes) {
  if (closed_) return;
  for (std::vector<u8>& packet : packets_of(kind, id, bytes)) {
    outgoing_bytes_ += packet.size();
    outgoing_.push_back(std::move(packet));
  }
  send_more();
  if (outgoing_bytes_ > max_outgoing_bytes) close("it does not take its answers");
}

void Connection::send_more() {
  while (!closed_ && !outgoing_.empty()) {
    std::vector<u8>& packet = outgoing_.front();
    if (::send(fd_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
        // Its last words may still be there to be read; they end the connection.
        outgoing_.clear();
        outgoing_bytes_ = 0;
      }
      return;
    }
    outgoing_bytes_ -= packet.size();
    outgoing_.pop_front();
  }
}

void Connection::close(const char* why) {
  if (closed_) return;
  closed_ = true;
  log(Log::optimizer, "connection %lu: %s", number_, why);
}

}  // namespace ferry::optimizer
