#include "translator/optimizer/protocol.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <cstring>
#include <random>

namespace ferry::optimizer {
namespace {

std::vector<u8> bytes_of(size_t size) {
  std::vector<u8> bytes(size);
  for (size_t i = 0; i < size; i++) bytes[i] = static_cast<u8>(i * 31 + i / 251);
  return bytes;
}

TEST(Protocol, MessagesOfEverySizeArrive) {
  Assembler assembler;
  for (size_t size : {size_t{0}, size_t{1}, max_packet - sizeof(PacketHeader), max_packet - sizeof(PacketHeader) + 1,
                      size_t{1'000'000}, max_message}) {
    std::vector<u8> bytes = bytes_of(size);
    auto packets = packets_of(MessageKind::region, size + 5, bytes);
    std::optional<Message> message;
    for (size_t i = 0; i < packets.size(); i++) {
      ASSERT_LE(packets[i].size(), max_packet);
      EXPECT_FALSE(message);
      ASSERT_TRUE(assembler.add(packets[i], message));
    }
    ASSERT_TRUE(message) << size;
    EXPECT_EQ(message->kind, MessageKind::region);
    EXPECT_EQ(message->id, size + 5);
    EXPECT_EQ(message->bytes, bytes);
  }
}

bool accepts(std::initializer_list<std::vector<u8>> packets) {
  Assembler assembler;
  std::optional<Message> message;
  for (const std::vector<u8>& packet : packets)
    if (!assembler.add(packet, message)) return false;
  return true;
}

std::vector<u8> packet_with(PacketHeader header, size_t size) {
  std::vector<u8> packet(sizeof header + size);
  memcpy(packet.data(), &header, sizeof header);
  return packet;
}

TEST(Protocol, MalformedPacketsAreRefused) {
  PacketHeader good{packet_magic, MessageKind::sample, 1, 10, 0};
  EXPECT_TRUE(accepts({packet_with(good, 10)}));
  for (size_t length = 0; length < sizeof good; length++) EXPECT_FALSE(accepts({std::vector<u8>(length, 0)}));
  auto refused = [&](auto change, size_t size = 10) {
    PacketHeader header = good;
    change(header);
    EXPECT_FALSE(accepts({packet_with(header, size)}));
  };
  refused([](PacketHeader& h) { h.magic++; });
  refused([](PacketHeader& h) { h.kind = static_cast<MessageKind>(0); });
  refused([](PacketHeader& h) { h.kind = static_cast<MessageKind>(message_kinds + 1); });
  refused([](PacketHeader& h) { h.total = max_message + 1; });
  refused([](PacketHeader& h) { h.total = 9; });
  refused([](PacketHeader& h) { h.offset = 1; });
  refused([](PacketHeader& h) { h.total = 20, h.offset = 10; });  // not the first part
  refused([](PacketHeader& h) { h.total = 20, h.offset = 0xfffffff8; });
  refused([](PacketHeader&) {}, 0);
  refused([](PacketHeader& h) { h.total = max_message; }, max_packet);
}

TEST(Protocol, PartsOfDifferentMessagesDoNotMix) {
  PacketHeader first{packet_magic, MessageKind::region, 1, 20, 0}, second{packet_magic, MessageKind::region, 1, 20, 10};
  EXPECT_TRUE(accepts({packet_with(first, 10), packet_with(second, 10)}));
  EXPECT_FALSE(accepts({packet_with(first, 10), packet_with(first, 10)}));
  EXPECT_FALSE(accepts({packet_with(first, 11), packet_with(second, 10)}));
  auto refused = [&](auto change) {
    PacketHeader header = second;
    change(header);
    EXPECT_FALSE(accepts({packet_with(first, 10), packet_with(header, 10)}));
  };
  refused([](PacketHeader& h) { h.id = 2; });
  refused([](PacketHeader& h) { h.kind = MessageKind::refused; });
  refused([](PacketHeader& h) { h.total = 21; });
}

TEST(Protocol, FlippedBitsNeverMakeAMessageThatIsTooLong) {
  std::mt19937 random(7);
  std::vector<u8> packet = packets_of(MessageKind::compile, 3, bytes_of(100))[0];
  for (size_t bit = 0; bit < sizeof(PacketHeader) * 8; bit++) {
    std::vector<u8> changed = packet;
    changed[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    Assembler assembler;
    std::optional<Message> message;
    if (assembler.add(changed, message) && message) {
      EXPECT_EQ(message->bytes.size(), 100u);
    }
  }
}

TEST(Protocol, GreetingsMustAgree) {
  Greeting ours = greeting_for("one"), theirs = greeting_for("one");
  auto says = [&](const Greeting& g, size_t size = sizeof(Greeting)) {
    return disagreement(ours, {reinterpret_cast<const u8*>(&g), size});
  };
  EXPECT_FALSE(says(theirs));
  EXPECT_TRUE(says(greeting_for("two")));
  EXPECT_TRUE(says(theirs, sizeof theirs - 1));
  theirs.version++;
  EXPECT_TRUE(says(theirs));
  theirs = ours;
  theirs.max_code++;
  EXPECT_TRUE(says(theirs));
}

TEST(Protocol, EachIdentityHasItsAbstractSocket) {
  sockaddr_un one, two;
  u32 size = socket_address("one", "", one);
  EXPECT_EQ(socket_address("two", "", two), size);
  EXPECT_LE(size, sizeof one);
  EXPECT_EQ(one.sun_path[0], '\0');
  EXPECT_NE(memcmp(one.sun_path, two.sun_path, sizeof one.sun_path), 0);
  socket_address("one", "", two);
  EXPECT_EQ(memcmp(one.sun_path, two.sun_path, sizeof one.sun_path), 0);
  EXPECT_LE(socket_address("one", std::string(300, 'n'), two), sizeof two);
}

}  // namespace
}  // namespace ferry::optimizer
