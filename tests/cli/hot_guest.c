// A guest program for optimizer_test.py, without a C library: `hot_guest STEP...`. Each step prints a line that is right when the step
// went as on Linux without an optimiser.
//   loop        a hot loop's result
//   again       another one's
//   warm        a third one's, too short to become hot in one process
//   quiet       no child, no descriptor but the first three
//   close       closes every descriptor
//   fork        a child with a hot loop, waited for
//   exec        executes itself with the steps that follow
#define SYS_dup3 24
#define SYS_fcntl 25
#define SYS_write 64
#define SYS_exit_group 94
#define SYS_clone 220
#define SYS_execve 221
#define SYS_wait4 260
#define SYS_close_range 436

static long call(long number, long a, long b, long c, long d, long e) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

static void print(const char* name, unsigned long value) {
  char line[80];
  int n = 0;
  while (name[n]) line[n] = name[n], n++;
  line[n++] = ' ';
  for (int shift = 60; shift >= 0; shift -= 4) line[n++] = "0123456789abcdef"[value >> shift & 15];
  line[n++] = '\n';
  call(SYS_write, 1, (long)line, n, 0, 0);
}

#define TURNS 300000000ul

__attribute__((noinline)) static unsigned long loop(unsigned long turns) {
  unsigned long x = 1;
  for (unsigned long i = 0; i < turns; i++) x = x * 6364136223846793005ul + i;
  return x;
}

__attribute__((noinline)) static unsigned long again(unsigned long turns) {
  unsigned long x = 88172645463325252ul;
  for (unsigned long i = 0; i < turns; i++) x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  return x;
}

__attribute__((noinline)) static unsigned long warm(unsigned long turns) {
  unsigned long x = 1;
  for (unsigned long i = 0; i < turns; i++) x = (x + i) ^ (x >> 3);
  return x;
}

static int is(const char* word, const char* name) {
  while (*word && *word == *name) word++, name++;
  return *word == *name;
}

static void quiet(void) {
  int status;
  print("wait", (unsigned long)call(SYS_wait4, -1, (long)&status, 0x40000001, 0, 0));  // __WALL | WNOHANG
  unsigned long seen = 0;
  for (int fd = 3; fd < 5000; fd++) seen += call(SYS_fcntl, fd, 1, 0, 0, 0) >= 0;
  print("descriptors", seen);
}

__attribute__((used)) static void start(long* stack) {
  long count = stack[0];
  char** words = (char**)(stack + 1);
  for (long i = 1; i < count; i++) {
    if (is(words[i], "loop")) print("loop", loop(TURNS));
    if (is(words[i], "again")) print("again", again(TURNS / 3));
    if (is(words[i], "warm")) print("warm", warm(60000));
    if (is(words[i], "quiet")) quiet();
    if (is(words[i], "close")) call(SYS_close_range, 3, 0xffffffff, 0, 0, 0);
    if (is(words[i], "fork")) {
      long child = call(SYS_clone, 17, 0, 0, 0, 0);
      if (child == 0) {
        print("child", loop(TURNS));
        call(SYS_exit_group, 0, 0, 0, 0, 0);
      }
      int status = -1;
      call(SYS_wait4, child, (long)&status, 0, 0, 0);
      print("status", (unsigned long)status);
    }
    if (is(words[i], "exec")) {
      char* empty[] = {0};
      words[i] = words[0];
      call(SYS_execve, (long)words[0], (long)(words + i), (long)empty, 0, 0);
      print("not executed", 0);
    }
  }
  call(SYS_exit_group, 0, 0, 0, 0, 0);
}

__attribute__((naked)) void _start(void) { asm("mov x0, sp\n\tb start"); }
