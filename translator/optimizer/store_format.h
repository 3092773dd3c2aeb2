// What a store file looks like. It has its full size from the beginning (most of it a hole) and is filled from the front:
//   header (one page) | records and indices, in the order they were written | room
// A record is written first, then StoreHeader::end, then the index slots that lead to it; so what a killed writer leaves is a
// record that nothing leads to. What a crash of the machine, a bad disk or another hand leaves is found out by the reader: every
// position is checked against the size of the mapping, and a record counts only if its checksum and its key are right. Records never
// change: to evict some, the writer makes a new file and renames it over the old one, which lives on for those who have it mapped.
// Host byte order: a store is its machine's.
#pragma once
#include "guest/types.h"

namespace ferry::optimizer {

inline constexpr u64 store_magic = 0x31'45'52'4f'54'53'46'1a;  // "\x1aFSTORE1"
inline constexpr u32 store_format = 1;
inline constexpr u64 store_unit = 64;  // records and indices begin at multiples
inline constexpr u64 store_header_size = 4096;
inline constexpr u64 smallest_store = u64{1} << 20, largest_store = u64{64} << 30;
inline constexpr u64 default_store_size = u64{256} << 20;
inline constexpr u32 smallest_index_bits = 10, largest_index_bits = 24;
inline constexpr u32 max_probes = 256;    // how far a slot may be from where its tag belongs
inline constexpr u32 max_candidates = 8;  // with one key: an older one gives way
inline constexpr u32 max_record_keys = 256;
inline constexpr u32 max_payload = u32{16} << 20;

struct StoreHeader {
  u64 magic;
  u32 format, header_size;
  u64 identity;  // hash of store_identity()
  u64 size;      // of the file
  u64 created;   // seconds since 1970
  u64 reserved[3];
  // The writer's, while readers read:
  u64 end;       // what is written ends here
  u64 index;     // of the current index: position | log2 of its slots, as index_word() packs them
  u64 replaced;  // not 0: another file has taken this one's place
  u64 reserved_too[5];
  char description[512];  // the identity in words, for people; NUL-terminated
};
static_assert(sizeof(StoreHeader) <= store_header_size);

constexpr u64 index_word(u64 position, u32 bits) { return position | bits; }
constexpr u64 index_position(u64 word) { return word & ~(store_unit - 1); }
constexpr u32 index_bits(u64 word) { return static_cast<u32>(word & (store_unit - 1)); }

enum class RecordKind : u32 {
  region = 0x4e474552,  // the payload is a region's bytes
  bad = 0x20444142,     // nothing could be made of a request; the payload says why
  page = 0x45474150,    // the payload is that of write_page(), which page_key() leads to
};

// Followed by key_count u64, entry_keys() of the region, and the payload.
struct RecordHeader {
  u64 checksum;  // XXH3 of the record behind this field, seeded with StoreHeader::identity
  RecordKind kind;
  u32 key_count;
  u32 payload_size;
  u32 heat;     // samples that asked for it, as far as they go; 0: made ahead of time
  u64 request;  // key of the request that it answers, or of the page
};

constexpr u64 record_size(u32 key_count, u32 payload_size) {
  return sizeof(RecordHeader) + u64{8} * key_count + payload_size;
}
constexpr u64 round_up_to_unit(u64 size) { return (size + store_unit - 1) & ~(store_unit - 1); }

// What a record is looked up by.
enum class KeyKind : u32 { entry, request };

// A slot: a tag, which decides where in the index it belongs, over a bit that says that the region was made ahead of time (so that
// nobody need look at it before its code is hot), over the record's position in units. 0: empty; a slot whose position is 0 has
// been dropped. Linear probing. A slot is written by one pwrite() of eight bytes: should a reader ever see half of one, it
// meets a record that has not its key.
constexpr u32 slot_tag(u64 key, KeyKind kind) {
  return static_cast<u32>(((key ^ (u64{kind == KeyKind::request} << 63)) * 0x9e3779b97f4a7c15) >> 32);
}
constexpr u64 slot_of(u32 tag, u64 position, bool ahead = false) {
  return u64{tag} << 32 | u64{ahead} << 31 | position / store_unit;
}
constexpr u64 slot_position(u64 slot) { return (slot & 0x7fffffff) * store_unit; }
constexpr bool slot_is_ahead(u64 slot) { return (slot >> 31 & 1) != 0; }
static_assert(largest_store / store_unit <= 0x7fffffff);
constexpr u32 slot_home(u32 tag, u32 bits) { return tag >> (32 - bits); }

}  // namespace ferry::optimizer
