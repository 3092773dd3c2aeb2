// What the guest programs share: a check that names its place, a hash to print instead of a million results, and random
// numbers that are the same everywhere.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

// FNV-1a over the bytes of a value.
static inline uint64_t hash_bytes(uint64_t hash, const void* bytes, size_t size) {
  const unsigned char* b = (const unsigned char*)bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ b[i]) * 0x100000001b3u;
  return hash;
}
#define HASH_START 0xcbf29ce484222325u
#define HASH(hash, value)                                  \
  do {                                                     \
    __typeof__(value) hashed_ = (value);                   \
    (hash) = hash_bytes((hash), &hashed_, sizeof hashed_); \
  } while (0)

static inline void print_hash(const char* name, uint64_t hash) {
  printf("%-24s %016llx\n", name, (unsigned long long)hash);
}

static uint64_t random_state = 0x9e3779b97f4a7c15u;
static inline uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}
