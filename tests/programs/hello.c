// The first program: start-up, arguments, environment of each kind of linking, and an exit status.
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void before_main(void) { puts("constructor"); }
static void at_end(void) { puts("atexit"); }

static _Thread_local int thread_local_number = 42;
static int relocated_target = 7;
static int* relocated = &relocated_target;

int main(int argc, char** argv) {
  atexit(at_end);
  for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  printf("thread-local %d, relocated %d, aligned %d\n", thread_local_number, *relocated,
         (int)((unsigned long)__builtin_frame_address(0) % 16));
  printf("PATH is %s\n", getenv("PATH") ? "set" : "missing");
  return 0;
}
