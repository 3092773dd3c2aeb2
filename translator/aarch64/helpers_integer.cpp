// Helpers of the integer and system instructions, and what the processor says of itself to the rest of ferry.
#include <time.h>

#include <array>

#include "translator/aarch64/features.h"
#include "translator/aarch64/helpers.h"
#include "translator/aarch64/lazy_flags.h"
#include "translator/translator.h"

using namespace ferry;

namespace {

// CRC-32 of one byte, least significant bit first, for a reflected polynomial.
constexpr std::array<u32, 256> crc_table(u32 polynomial) {
  std::array<u32, 256> table{};
  for (u32 i = 0; i < 256; i++) {
    u32 remainder = i;
    for (int bit = 0; bit < 8; bit++) remainder = remainder >> 1 ^ (remainder & 1 ? polynomial : 0);
    table[i] = remainder;
  }
  return table;
}
constexpr std::array<u32, 256> crc32_table = crc_table(0xedb88320), crc32c_table = crc_table(0x82f63b78);

u32 checksum_on(const std::array<u32, 256>& table, u32 checksum, u64 value, u32 size) {
  for (; size != 0; size--, value >>= 8) checksum = checksum >> 8 ^ table[(checksum ^ value) & 0xff];
  return checksum;
}

}  // namespace

extern "C" {
FERRY_KEEPS_REGISTERS void ferry_a64_settle_flags(aarch64::Cpu* cpu) { aarch64::settle_flags(*cpu); }

u32 ferry_a64_crc32(u32 checksum, u64 value, u32 size) { return checksum_on(crc32_table, checksum, value, size); }
u32 ferry_a64_crc32c(u32 checksum, u64 value, u32 size) { return checksum_on(crc32c_table, checksum, value, size); }

#if defined(__aarch64__)
u64 ferry_a64_counter_frequency() {
  u64 value;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(value));
  return value;
}
u64 ferry_a64_counter() {
  u64 value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value) : : "memory");
  return value;
}
#else
// The frequency that Armv8.6 makes the rule.
u64 ferry_a64_counter_frequency() { return 1000000000; }
u64 ferry_a64_counter() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1000000000 + static_cast<u64>(now.tv_nsec);
}
#endif
}

namespace ferry::translator {
u64 hwcap() { return aarch64::hwcap; }
u64 hwcap2() { return aarch64::hwcap2; }
}  // namespace ferry::translator
