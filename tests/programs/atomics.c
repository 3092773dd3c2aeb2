// Atomic operations of each size and order, alone and by four threads at once. Compiled three times: with the C library's
// outline functions, with LSE instructions, and with exclusive loads and stores.
#include <pthread.h>
#include <stdatomic.h>

#include "program.h"

#define ONE_SIZE(type)                                                                          \
  static void alone_##type(void) {                                                              \
    _Atomic type value = 5;                                                                     \
    uint64_t hash = HASH_START;                                                                 \
    for (int i = 0; i < 200; i++) {                                                             \
      type operand = (type)next_random();                                                       \
      HASH(hash, atomic_fetch_add_explicit(&value, operand, memory_order_relaxed));             \
      HASH(hash, atomic_fetch_sub_explicit(&value, (type)(operand * 3), memory_order_acquire)); \
      HASH(hash, atomic_fetch_or_explicit(&value, (type)(operand << 1), memory_order_release)); \
      HASH(hash, atomic_fetch_and_explicit(&value, (type)~operand, memory_order_acq_rel));      \
      HASH(hash, atomic_fetch_xor_explicit(&value, (type)(operand * 7), memory_order_seq_cst)); \
      HASH(hash, atomic_exchange(&value, (type)(operand + 9)));                                 \
      type expected = i % 2 ? (type)(operand + 9) : (type)(operand + 8);                        \
      int done = atomic_compare_exchange_strong(&value, &expected, (type)i);                    \
      CHECK(done == i % 2);                                                                     \
      CHECK(expected == (type)(operand + 9));                                                   \
      HASH(hash, atomic_load_explicit(&value, memory_order_acquire));                           \
      atomic_store_explicit(&value, (type)(operand ^ 0x5a), memory_order_release);              \
    }                                                                                           \
    print_hash(#type, hash);                                                                    \
  }                                                                                             \
  static _Atomic type shared_##type;

ONE_SIZE(uint8_t)
ONE_SIZE(uint16_t)
ONE_SIZE(uint32_t)
ONE_SIZE(uint64_t)
ONE_SIZE(int32_t)

static uint64_t guarded;
static atomic_flag spin_lock = ATOMIC_FLAG_INIT;
static _Atomic(struct Node*) stack_top;
struct Node {
  struct Node* next;
  int number;
};

enum { threads = 4, rounds = 3000 };

static void* work(void* argument) {
  int number = *(int*)argument;
  for (int i = 0; i < rounds; i++) {
    atomic_fetch_add(&shared_uint8_t, 1);
    atomic_fetch_add(&shared_uint16_t, 3);
    atomic_fetch_add_explicit(&shared_uint32_t, 5, memory_order_relaxed);
    atomic_fetch_xor(&shared_uint64_t, (uint64_t)i << number);
    int32_t seen = atomic_load(&shared_int32_t);
    while (!atomic_compare_exchange_weak(&shared_int32_t, &seen, seen + 7)) {}
    while (atomic_flag_test_and_set_explicit(&spin_lock, memory_order_acquire)) {}
    guarded += (uint64_t)number + 1;
    atomic_flag_clear_explicit(&spin_lock, memory_order_release);
    if (i % 10 == 0) {
      struct Node* node = malloc(sizeof *node);
      node->number = i;
      node->next = atomic_load(&stack_top);
      while (!atomic_compare_exchange_weak(&stack_top, &node->next, node)) {}
    }
  }
  return NULL;
}

// One writer publishes data behind a flag; the reader must see the data whenever it sees the flag.
static int message;
static _Atomic int message_ready, message_taken;
static void* publish(void* unused) {
  for (int i = 1; i <= 2000; i++) {
    message = i * 11;
    atomic_store_explicit(&message_ready, i, memory_order_release);
    while (atomic_load_explicit(&message_taken, memory_order_acquire) != i) sched_yield();
  }
  return unused;
}

static void pair_of_words(void) {
  unsigned __int128 value = (unsigned __int128)1 << 90;
  unsigned __int128 previous = __sync_val_compare_and_swap(&value, (unsigned __int128)1 << 90, 77);
  CHECK(previous == (unsigned __int128)1 << 90 && value == 77);
  previous = __sync_val_compare_and_swap(&value, 76, 1);
  CHECK(previous == 77 && value == 77);
}

int main(void) {
  alone_uint8_t(), alone_uint16_t(), alone_uint32_t(), alone_uint64_t(), alone_int32_t();
  pair_of_words();
  pthread_t ids[threads];
  int numbers[threads];
  for (int i = 0; i < threads; i++) numbers[i] = i, pthread_create(&ids[i], NULL, work, &numbers[i]);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  int nodes = 0;
  for (struct Node* n = stack_top; n; n = n->next) nodes++;
  printf("%u %u %u %llu %d %llu %d\n", shared_uint8_t, shared_uint16_t, shared_uint32_t,
         (unsigned long long)shared_uint64_t, shared_int32_t, (unsigned long long)guarded, nodes);
  pthread_t publisher;
  pthread_create(&publisher, NULL, publish, NULL);
  for (int i = 1; i <= 2000; i++) {
    while (atomic_load_explicit(&message_ready, memory_order_acquire) != i) sched_yield();
    CHECK(message == i * 11);
    atomic_store_explicit(&message_taken, i, memory_order_release);
  }
  pthread_join(publisher, NULL);
  puts("published");
  return 0;
}
