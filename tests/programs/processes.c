// Processes: fork, exec of itself and of other programs and scripts, pipelines, environments, exit statuses.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

static int wait_for(pid_t child) {
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void copies_of_memory(void) {
  int* shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int private = 1;
  pid_t child = fork();
  if (child == 0) {
    private = 2;
    *shared = 3;
    _exit(private);
  }
  CHECK(wait_for(child) == 2 && private == 1 && *shared == 3);
#ifndef EMULATED_HOST  // qemu-user's vfork is fork
  // vfork's child borrows the parent's memory.
  volatile int borrowed = 1;
  child = vfork();
  if (child == 0) {
    borrowed = 5;
    _exit(0);
  }
  CHECK(wait_for(child) == 0 && borrowed == 5);
#endif
  puts("copies of memory");
}

static void execution(char* self) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    char* arguments[] = {"other name", "again", "", "last one", NULL};
    char* environment[] = {"ONLY=this", NULL};
    execve(self, arguments, environment);
    _exit(99);
  }
  CHECK(wait_for(child) == 17);
  CHECK(execl("./nothing", "nothing", NULL) == -1 && errno == ENOENT);
  int fd = open("script", O_WRONLY | O_CREAT, 0700);
  CHECK(dprintf(fd, "#!/bin/sh\necho script $0 $1\nexit 9\n") > 0 && close(fd) == 0);
  child = fork();
  if (child == 0) execl("./script", "ignored", "argument", NULL), _exit(99);
  CHECK(wait_for(child) == 9);
  CHECK(chmod("script", 0600) == 0 && execl("./script", "script", NULL) == -1 && errno == EACCES);
  fd = open("garbage", O_WRONLY | O_CREAT, 0700);
  CHECK(write(fd,
              "\x7f"
              "ELFgarbage",
              11) == 11 &&
        close(fd) == 0 && execl("./garbage", "garbage", NULL) == -1 && errno == ENOEXEC);
  char* arguments[] = {"sh", "-c", "echo spawned; exit 4", NULL};
  char* environment[] = {NULL};
  CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environment) == 0 && wait_for(child) == 4);
#ifndef EMULATED_HOST  // its child tells the failure in memory that it borrows, which qemu-user copies
  CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, environment) == ENOENT);
#endif
  CHECK(unlink("script") == 0 && unlink("garbage") == 0);
  CHECK(WEXITSTATUS(system("exit 21")) == 21);
  FILE* pipe = popen("echo a | tr a b", "r");
  char line[10];
  CHECK(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "b\n") == 0 && pclose(pipe) == 0);
  puts("execution");
}

static void close_on_exec(void) {
  int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char command[100];
  snprintf(command, sizeof command, "[ -e /proc/self/fd/%d ] && ! [ -e /proc/self/fd/%d ]", kept, closed);
  CHECK(system(command) == 0);
  puts("close on exec");
}

extern char** environ;
int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "again") == 0) {
    printf("again as %s with %d arguments '%s' '%s' and %s\n", argv[0], argc, argv[2], argv[3], environ[0]);
    return environ[1] == NULL ? 17 : 18;
  }
  copies_of_memory();
  execution("/proc/self/exe");
  close_on_exec();
  return 0;
}
