// Ends as its argument says: a status, a signal, by _exit without the buffers' contents, or without standard error.
#include <signal.h>
#include <unistd.h>

#include "program.h"

int main(int argc, char** argv) {
  CHECK(argc == 2);
  printf("ending by %s\n", argv[1]);
  if (strcmp(argv[1], "_exit") == 0) _exit(3);
  if (strcmp(argv[1], "closed") == 0) return close(STDERR_FILENO);
  if (strcmp(argv[1], "abort") == 0) fflush(stdout), abort();
  if (strcmp(argv[1], "fault") == 0) fflush(stdout), *(volatile int*)8 = 1;
  if (strcmp(argv[1], "kill") == 0) fflush(stdout), raise(SIGKILL);
  return atoi(argv[1]);
}
