// measure REPORT COMMAND...: runs the command once and writes one line to the file REPORT: wall ns, user us, system us,
// minor faults, peak kB, wait status. It is small itself, so that a child's peak memory is not the parent's before exec.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char** environ;

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  long long start = now();
  pid_t child;
  if (posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ) != 0) return 127;
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child) return 1;
  long long wall = now() - start;
  FILE* report = fopen(argv[1], "w");
  if (report == NULL) return 1;
  fprintf(report, "%lld %lld %lld %ld %ld %d\n", wall, usage.ru_utime.tv_sec * 1000000ll + usage.ru_utime.tv_usec,
          usage.ru_stime.tv_sec * 1000000ll + usage.ru_stime.tv_usec, usage.ru_minflt, usage.ru_maxrss, status);
  return fclose(report) != 0;
}
