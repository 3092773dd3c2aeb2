// Starting programs: vfork as vfork, posix_spawn, what execve keeps and what it resets, every way to name a program, and the
// errors. `execution HOST_PROGRAM` also starts a program of the host. man 2 execve, man 2 vfork.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

extern char** environ;
static const char* self;

static int wait_for(pid_t child) {
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return status;
}
static int exit_of(pid_t child) {
  int status = wait_for(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(char* const* argv, char* const* envp) {
  pid_t child = fork();
  if (child == 0) {
    execve(self, argv, envp);
    _exit(98);
  }
  return exit_of(child);
}

// ---- What the started program finds. argv[1] says what to look at.
static int child_main(int argc, char** argv) {
  if (strcmp(argv[1], "arguments") == 0) {
    CHECK(argc == 5 && strcmp(argv[0], "a name of its own") == 0 && strcmp(argv[2], "") == 0 &&
          strcmp(argv[3], "two words") == 0);
    CHECK(strcmp(argv[4], "--strace") == 0);                          // not an option of anybody's
    CHECK(environ[0] && strcmp(environ[0], "FERRY_LOG=exits") == 0);  // the guest's own business
    CHECK(environ[1] && strcmp(environ[1], "no equals sign") == 0 && environ[2] == NULL);
    return 11;
  }
  if (strcmp(argv[1], "signals") == 0) {
    struct sigaction action;
    sigset_t mask;
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN);
    sigaction(SIGSEGV, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    CHECK(sigismember(&mask, SIGINT) && sigismember(&mask, SIGBUS) && !sigismember(&mask, SIGTERM));
    sigpending(&mask);
    CHECK(sigismember(&mask, SIGINT));
    return 12;
  }
  if (strcmp(argv[1], "descriptors") == 0) {
    CHECK(fcntl(atoi(argv[2]), F_GETFD) == 0);
    CHECK(fcntl(atoi(argv[3]), F_GETFD) == -1 && errno == EBADF);
    int open_ones = 0;
    for (int fd = 3; fd < 200; fd++) open_ones += fcntl(fd, F_GETFD) >= 0;
    CHECK(open_ones == 1);
    return 13;
  }
  if (strcmp(argv[1], "script argument") == 0) {
    CHECK(argc == 5 && strcmp(argv[3], "first") == 0 && strcmp(argv[4], "second") == 0);
    return strstr(argv[2], "script") != NULL ? 14 : 1;
  }
  return strcmp(argv[1], "nothing") == 0 ? 15 : 97;
}

static void arguments_and_environment(void) {
  char* argv[] = {"a name of its own", "arguments", "", "two words", "--strace", NULL};
  char* envp[] = {"FERRY_LOG=exits", "no equals sign", NULL};
  CHECK(run(argv, envp) == 11);
}

static void handler(int signal) { (void)signal; }
static void signals_over_exec(void) {
  pid_t child = fork();
  if (child == 0) {
    sigset_t mask;
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGBUS);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    raise(SIGINT);
    execl(self, self, "signals", NULL);
    _exit(98);
  }
  CHECK(exit_of(child) == 12);
}

static void descriptors_over_exec(void) {
  int stays = open("/dev/null", O_RDONLY), goes = open("/dev/null", O_RDONLY | O_CLOEXEC);
  char first[12], second[12];
  snprintf(first, sizeof first, "%d", stays);
  snprintf(second, sizeof second, "%d", goes);
  char* argv[] = {"x", "descriptors", first, second, NULL};
  CHECK(run(argv, environ) == 13);
  close(stays);
  close(goes);
}

static volatile int changed_by_child;
static void vfork_is_vfork(void) {
  struct sigaction action;
  signal(SIGUSR1, handler);
  pid_t child = vfork();
  if (child == 0) {
    changed_by_child = 1;
    usleep(20000);  // the parent waits
    changed_by_child++;
    signal(SIGUSR1, SIG_DFL);  // the child's own dispositions and mask
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    _exit(21);
  }
  CHECK(changed_by_child == 2);
  CHECK(exit_of(child) == 21);
  sigaction(SIGUSR1, NULL, &action);
  CHECK(action.sa_handler == handler);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  CHECK(!sigismember(&mask, SIGUSR1));

  volatile int error = 0;
  child = vfork();
  if (child == 0) {
    execl("/nowhere/at/all", "x", NULL);
    error = errno;  // how posix_spawn and Python tell the parent
    _exit(127);
  }
  CHECK(error == ENOENT && exit_of(child) == 127);

  int fds[2];
  CHECK(pipe(fds) == 0);
  for (int i = 0; i < 20; i++) {
    child = vfork();
    if (child == 0) {
      close(fds[0]);  // its own table of descriptors, whatever its execve opens there
      close(fds[1]);
      execl(self, self, "nothing", NULL);
      _exit(98);
    }
    CHECK(exit_of(child) == 15);
    CHECK(fcntl(fds[0], F_GETFD) == 0 && fcntl(fds[1], F_GETFD) == 0);
  }
  close(fds[0]);
  close(fds[1]);
  child = vfork();
  if (child == 0) {
    kill(getpid(), SIGKILL);
    _exit(1);
  }
  CHECK(exit_of(child) == -SIGKILL);
}

static void spawning(void) {
  pid_t child;
  char* argv[] = {"x", "nothing", NULL};
  CHECK(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0 && exit_of(child) == 15);
  CHECK(posix_spawn(&child, "/nowhere/at/all", NULL, NULL, argv, environ) == ENOENT);
  posix_spawnattr_t attributes;
  sigset_t set;
  posix_spawnattr_init(&attributes);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  CHECK(posix_spawn(&child, self, NULL, &attributes, argv, environ) == 0 && exit_of(child) == 15);

  char line[64] = "";
  FILE* pipe = popen("echo through a shell; exit 9", "r");
  CHECK(fgets(line, sizeof line, pipe) && strcmp(line, "through a shell\n") == 0);
  CHECK(WEXITSTATUS(pclose(pipe)) == 9);
  CHECK(WEXITSTATUS(system("exit 4")) == 4);
}

static void write_file(const char* name, const char* content, int mode) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content) && fchmod(fd, mode) == 0);
  close(fd);
}

static void scripts(void) {
  char line[4200];
  snprintf(line, sizeof line, "#!%s script argument\nanything\n", self);
  write_file("a script", line, 0755);
  pid_t child = fork();
  if (child == 0) {
    execl("./a script", "lost", "first", "second", NULL);
    _exit(98);
  }
  CHECK(exit_of(child) == 14);
  write_file("shell script", "#!/bin/sh\nexit 33\n", 0755);
  child = fork();
  if (child == 0) {
    execl("./shell script", "x", NULL);
    _exit(98);
  }
  CHECK(exit_of(child) == 33);
}

static int error_of(const char* path) {
  int fds[2], error = 0;
  CHECK(pipe2(fds, O_CLOEXEC) == 0);
  pid_t child = fork();
  if (child == 0) {
    execl(path, path, NULL);
    _exit(write(fds[1], &errno, sizeof errno) != sizeof errno);
  }
  close(fds[1]);
  if (read(fds[0], &error, sizeof error) != sizeof error) error = 0;
  close(fds[0]);
  CHECK(exit_of(child) == 0);
  return error;
}
static void errors(void) {
  CHECK(error_of("./absent") == ENOENT);
  CHECK(error_of("") == ENOENT);
  CHECK(error_of("/") == EACCES);
  write_file("text", "just text\n", 0755);
  CHECK(error_of("./text") == ENOEXEC);
  write_file("forbidden", "#!/bin/sh\n", 0644);
  CHECK(error_of("./forbidden") == EACCES);
  CHECK(error_of("./text/below") == ENOTDIR);
  write_file("no interpreter", "#!/nowhere/at/all\n", 0755);
  CHECK(error_of("./no interpreter") == ENOENT);
  CHECK(symlink("loop", "loop") == 0 && error_of("./loop") == ELOOP);
  CHECK(syscall(SYS_execve, 8, NULL, NULL) == -1 && errno == EFAULT);
  CHECK(syscall(SYS_execve, self, 8, NULL) == -1 && errno == EFAULT);
  CHECK(syscall(SYS_execveat, -1, "relative", NULL, NULL, 0) == -1 && errno == EBADF);
  CHECK(syscall(SYS_execveat, AT_FDCWD, self, NULL, NULL, 0x10) == -1 && errno == EINVAL);
}

static void by_descriptor(void) {
  char* argv[] = {"x", "nothing", NULL};
  int fd = open(self, O_RDONLY | O_CLOEXEC);
  pid_t child = fork();
  if (child == 0) {
    fexecve(fd, argv, environ);
    _exit(98);
  }
  CHECK(exit_of(child) == 15);
  close(fd);
  char directory[4096];
  snprintf(directory, sizeof directory, "%s", self);
  char* slash = strrchr(directory, '/');
  *slash = 0;
  int at = open(*directory ? directory : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  child = fork();
  if (child == 0) {
    syscall(SYS_execveat, at, slash + 1, argv, environ, 0);
    _exit(98);
  }
  CHECK(exit_of(child) == 15);
  close(at);
  // A program that has no name at all.
  int in = open(self, O_RDONLY), memory = memfd_create("nameless", MFD_CLOEXEC);
  char block[65536];
  for (ssize_t n; (n = read(in, block, sizeof block)) > 0;) CHECK(write(memory, block, (size_t)n) == n);
  child = fork();
  if (child == 0) {
    fexecve(memory, argv, environ);
    _exit(98);
  }
  CHECK(exit_of(child) == 15);
  close(in);
  close(memory);
}

static void statuses(void) {
  int status;
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) &&
        WSTOPSIG(status) == SIGSTOP);
  CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
  CHECK(waitpid(child, &status, WNOHANG) == 0);
  CHECK(kill(child, SIGKILL) == 0 && exit_of(child) == -SIGKILL);
  CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
  signal(SIGCHLD, SIG_IGN);  // children vanish by themselves
  child = fork();
  if (child == 0) _exit(1);
  CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
  signal(SIGCHLD, SIG_DFL);
}

static void host_program(const char* path) {
  int fds[2];
  char line[64] = "";
  CHECK(pipe(fds) == 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(fds[1], 1);
    execl(path, path, "-E", "echo", "from the host", NULL);
    _exit(98);
  }
  CHECK(exit_of(child) == 0);
  CHECK(read(fds[0], line, sizeof line) > 0 && strcmp(line, "from the host\n") == 0);
}

int main(int argc, char** argv) {
  if (argc > 1 && argv[1][0] != '/') return child_main(argc, argv);
  syscall(SYS_close_range, 3, ~0u, 0);  // whatever came from outside
  static char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  self = path;
  arguments_and_environment();
  signals_over_exec();
  descriptors_over_exec();
  vfork_is_vfork();
  spawning();
  scripts();
  errors();
  by_descriptor();
  statuses();
  if (argc > 1) host_program(argv[1]);
  return 0;
}
