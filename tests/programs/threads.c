// POSIX threads: creation, joining, mutexes, condition variables, barriers, thread-local storage, once, cancellation.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

enum { workers = 6 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t semaphore;
static int counter, queue[16], queued, consumed, initialised, destroyed;
static _Thread_local int mine = 100;

static void initialise(void) { initialised++; }
static void destroy(void* value) {
  pthread_mutex_lock(&mutex);
  destroyed += *(int*)value;
  pthread_mutex_unlock(&mutex);
  free(value);
}

static void* worker(void* argument) {
  long number = (long)argument;
  pthread_once(&once, initialise);
  int* one = malloc(sizeof *one);
  *one = 1;
  pthread_setspecific(key, one);
  for (int i = 0; i < 2000; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
    mine++;
  }
  for (int round = 0; round < 20; round++) pthread_barrier_wait(&barrier);
  CHECK(mine == 2100);
  sem_post(&semaphore);
  return (void*)(number * number);
}

static void* consumer(void* unused) {
  for (;;) {
    pthread_mutex_lock(&mutex);
    while (queued == 0) pthread_cond_wait(&changed, &mutex);
    int item = queue[--queued];
    consumed += item;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    if (item == 0) return unused;
  }
}

static void produce(int item) {
  pthread_mutex_lock(&mutex);
  while (queued == 16) pthread_cond_wait(&changed, &mutex);
  // The end marker goes below what is queued: items are taken from the top.
  queue[queued++] = item;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static void* wait_forever(void* unused) {
  for (;;) pause();
  return unused;
}
static void* nothing(void* argument) { return argument; }

static void short_threads(void) {
  for (int i = 0; i < 300; i++) {
    pthread_t id;
    void* result;
    CHECK(pthread_create(&id, NULL, nothing, (void*)(long)i) == 0 && pthread_join(id, &result) == 0 &&
          result == (void*)(long)i);
  }
  puts("short threads");
}

int main(void) {
  pthread_t ids[workers];
  pthread_key_create(&key, destroy);
  pthread_barrier_init(&barrier, NULL, workers);
  sem_init(&semaphore, 0, 0);
  for (long i = 0; i < workers; i++) CHECK(pthread_create(&ids[i], NULL, worker, (void*)i) == 0);
  for (int i = 0; i < workers; i++) sem_wait(&semaphore);
  long squares = 0;
  for (int i = 0; i < workers; i++) {
    void* result;
    CHECK(pthread_join(ids[i], &result) == 0);
    squares += (long)result;
  }
  printf("counter %d squares %ld initialised %d destroyed %d mine %d\n", counter, squares, initialised, destroyed,
         mine);

  pthread_t consumers[2];
  for (int i = 0; i < 2; i++) pthread_create(&consumers[i], NULL, consumer, NULL);
  for (int i = 1; i <= 1000; i++) produce(i);
  pthread_mutex_lock(&mutex);
  while (queued) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  produce(0), produce(0);
  for (int i = 0; i < 2; i++) pthread_join(consumers[i], NULL);
  printf("consumed %d\n", consumed);

  void* result;
  CHECK(pthread_create(&ids[0], NULL, wait_forever, NULL) == 0 && pthread_cancel(ids[0]) == 0);
  CHECK(pthread_join(ids[0], &result) == 0 && result == PTHREAD_CANCELED);
  struct timespec past = {1, 0};
  pthread_mutex_lock(&mutex);
  CHECK(pthread_cond_timedwait(&changed, &mutex, &past) == ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
  puts("cancelled");
  short_threads();
  return 0;
}
