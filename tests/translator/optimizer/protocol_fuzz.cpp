// libFuzzer target for what arrives at a socket: the input is a sequence of packets, each behind its length in two bytes. No input may
// crash the assembler or the readers behind it, and what it lets through is bounded.
#include <cstdlib>
#include <cstring>

#include "translator/optimizer/protocol.h"
#include "translator/optimizer/region.h"

using namespace ferry;
using namespace ferry::optimizer;

static void require(bool kept) {
  if (!kept) abort();
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {  // NOLINT(readability-identifier-naming)
  Assembler assembler;
  Greeting greeting = greeting_for("fuzz");
  while (size >= 2) {
    size_t length = data[0] | data[1] << 8;
    data += 2;
    size -= 2;
    if (length > size) length = size;
    std::vector<u8> packet(data, data + length);  // of its exact size, for the sanitizer
    // A fuzzer seldom guesses the magic number; what is behind it is the matter.
    if (packet.size() >= sizeof(PacketHeader) && packet[0] % 8 != 0)
      memcpy(packet.data(), &packet_magic, sizeof packet_magic);
    std::optional<Message> message;
    if (!assembler.add(packet, message)) return 0;
    if (message) {
      require(message->bytes.size() <= max_message);
      (void)disagreement(greeting, message->bytes);
      (void)read_request(message->bytes);
      (void)read_region(message->bytes);
    }
    data += length;
    size -= length;
  }
  return 0;
}
