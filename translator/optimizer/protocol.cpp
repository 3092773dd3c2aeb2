#include "translator/optimizer/protocol.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "guest/aarch64/cpu.h"
#include "translator/optimizer/region.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferry::optimizer {

static_assert(sizeof(PacketHeader) == 24 && sizeof(Greeting) == 24);

Greeting greeting_for(std::string_view identity) {
  return {protocol_version, sizeof(aarch64::Cpu), max_region_instructions, max_code_bytes,
          XXH3_64bits(identity.data(), identity.size())};
}

std::optional<std::string> disagreement(const Greeting& ours, std::span<const u8> theirs) {
  Greeting greeting;
  if (theirs.size() != sizeof greeting) return "a greeting of " + std::to_string(theirs.size()) + " bytes";
  memcpy(&greeting, theirs.data(), sizeof greeting);
  if (greeting.version != ours.version) return "protocol version " + std::to_string(greeting.version);
  if (greeting.identity != ours.identity) return "another build of ferry, or another processor";
  if (memcmp(&greeting, &ours, sizeof ours) != 0) return "other sizes";
  return std::nullopt;
}

std::vector<std::vector<u8>> packets_of(MessageKind kind, u64 id, std::span<const u8> bytes) {
  constexpr size_t room = max_packet - sizeof(PacketHeader);
  std::vector<std::vector<u8>> packets;
  size_t offset = 0;
  do {
    size_t size = std::min(room, bytes.size() - offset);
    PacketHeader header{packet_magic, kind, id, static_cast<u32>(bytes.size()), static_cast<u32>(offset)};
    std::vector<u8>& packet = packets.emplace_back(sizeof header + size);
    memcpy(packet.data(), &header, sizeof header);
    if (size != 0) memcpy(packet.data() + sizeof header, bytes.data() + offset, size);
    offset += size;
  } while (offset < bytes.size());
  return packets;
}

bool Assembler::add(std::span<const u8> packet, std::optional<Message>& message) {
  message.reset();
  PacketHeader header;
  if (packet.size() < sizeof header || packet.size() > max_packet) return false;
  memcpy(&header, packet.data(), sizeof header);
  std::span<const u8> part = packet.subspan(sizeof header);
  auto kind = static_cast<u32>(header.kind);
  if (header.magic != packet_magic || kind == 0 || kind > message_kinds) return false;
  if (header.total > max_message || part.size() > header.total || header.offset > header.total - part.size())
    return false;
  if (part.empty() && header.total != 0) return false;
  if (!partial_) {
    if (header.offset != 0) return false;
    partial_ = {header.kind, header.id, {}};
    total_ = header.total;
  }
  if (header.kind != partial_->kind || header.id != partial_->id || header.total != total_ ||
      header.offset != partial_->bytes.size())
    return false;
  partial_->bytes.insert(partial_->bytes.end(), part.begin(), part.end());
  if (partial_->bytes.size() == total_) {
    message = std::move(partial_);
    partial_.reset();
  }
  return true;
}

u32 socket_address(std::string_view identity, std::string_view name, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  char* text = address.sun_path + 1;  // after a zero byte: abstract
  constexpr size_t room = sizeof address.sun_path - 1;
  int length = name.empty() ? snprintf(text, room, "ferry-optimizer-%u-%016llx", static_cast<unsigned>(geteuid()),
                                       static_cast<unsigned long long>(XXH3_64bits(identity.data(), identity.size())))
                            : snprintf(text, room, "%.*s", static_cast<int>(name.size()), name.data());
  return static_cast<u32>(offsetof(sockaddr_un, sun_path) + 1 +
                          static_cast<size_t>(std::min<int>(length, static_cast<int>(room) - 1)));
}

bool same_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

}  // namespace ferry::optimizer
