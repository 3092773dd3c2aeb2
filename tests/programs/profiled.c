// Something for a profiler to name: three functions that work, in a process, in its child, and in what that executes. `profiled FILE`
// works until the file exists.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

KEEP static uint64_t parent_work(uint64_t n) {
  uint64_t sum = n;
  for (uint64_t i = 0; i < n; i++) sum = sum * 31 + (i ^ sum >> 7);
  return sum;
}
KEEP static uint64_t child_work(uint64_t n) {
  uint64_t sum = n;
  for (uint64_t i = 0; i < n; i++) sum = sum * 33 - (i ^ sum >> 9);
  return sum;
}
KEEP static uint64_t executed_work(uint64_t n) {
  uint64_t sum = n;
  for (uint64_t i = 0; i < n; i++) sum = sum * 37 + (i | sum >> 11);
  return sum;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "executed") == 0) return executed_work(1000) == 1;
  if (argc == 2) {
    volatile uint64_t sum = 0;
    while (access(argv[1], F_OK) != 0) sum = sum + parent_work(10 * 1000 * 1000);
    return 0;
  }
  uint64_t sum = parent_work(1000);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (child_work(sum % 2 + 1000) == 1) return 1;
    execl("/proc/self/exe", argv[0], "executed", NULL);
    return 1;
  }
  int status;
  waitpid(child, &status, 0);
  printf("%d %d %d\n", getpid(), child, status);
  return 0;
}
