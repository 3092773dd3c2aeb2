// What guests and the optimiser say to each other over a SOCK_SEQPACKET unix socket with an abstract name (unix(7)): each user and
// build has its own. A packet is a header and a part of a message; both sides check every field of what they read, the other's user
// (SO_PEERCRED) and, before anything else, its greeting.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/types.h"

struct sockaddr_un;

namespace ferry::optimizer {

inline constexpr u32 protocol_version = 3;
inline constexpr size_t max_packet =
    112 * 1024;  // of Linux's default send buffer of 208 KiB a packet takes twice its size at worst
inline constexpr size_t max_message = size_t{8} << 20;

enum class MessageKind : u32 {
  hello = 1,  // both, first of all: a Greeting
  // From the guest, each in one packet: a request's bytes.
  compile,
  compile_listed,  // with a listing before the answer, of a compilation of its own
  sample,          // only its heat counts; not answered
  pages,           // empty; with a descriptor of a file (SCM_RIGHTS) that page_notes.h reads; not answered
  // To the guest, with the id of its request.
  listing,  // a listing's bytes; the region comes next
  region,   // a region's bytes
  refused,  // why nothing can be made of it, in words
  lost,     // it had to be dropped; in words
};
inline constexpr u32 message_kinds = 9;

struct PacketHeader {
  u32 magic;
  MessageKind kind;
  u64 id;
  u32 total;   // bytes of the message
  u32 offset;  // in it, of what follows
};
inline constexpr u32 packet_magic = 0x504f5246;  // "FROP"

// What client and optimiser must have in common: else the one's requests mean something else to the other.
struct Greeting {
  u32 version;
  u32 cpu_size;  // sizeof(Cpu)
  u32 max_instructions, max_code;
  u64 identity;  // hash of store_identity()
};
Greeting greeting_for(std::string_view identity);
// Nothing, or what differs, in words.
std::optional<std::string> disagreement(const Greeting& ours, std::span<const u8> theirs);

struct Message {
  MessageKind kind;
  u64 id;
  std::vector<u8> bytes;
};

// The packets of a message.
std::vector<std::vector<u8>> packets_of(MessageKind kind, u64 id, std::span<const u8> bytes);

// Puts the packets of one connection together again: those of a message come one after the other.
class Assembler {
 public:
  // False: the packet is malformed, and so is what the peer says from then on. A message that is complete with it is in `message`.
  bool add(std::span<const u8> packet, std::optional<Message>& message);

 private:
  std::optional<Message> partial_;
  size_t total_ = 0;
};

// The address of the user's optimiser for this identity; `name` instead if it is not empty. Its length.
u32 socket_address(std::string_view identity, std::string_view name, sockaddr_un& address);

// Whether the process at the other end has this process's effective user.
bool same_user(int socket);

}  // namespace ferry::optimizer
