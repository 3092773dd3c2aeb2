// Files, directories, pipes and descriptors as a program uses them, each in the directory the test starts in.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "program.h"

static void reading_and_writing(void) {
  int fd = open("data", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10);
  CHECK(open("data", O_RDWR | O_CREAT | O_EXCL, 0640) == -1 && errno == EEXIST);
  CHECK(lseek(fd, 3, SEEK_SET) == 3);
  char text[32] = {0};
  CHECK(read(fd, text, 4) == 4 && strcmp(text, "3456") == 0);
  CHECK(pread(fd, text, 2, 8) == 2 && memcmp(text, "89", 2) == 0 && lseek(fd, 0, SEEK_CUR) == 7);
  CHECK(pwrite(fd, "AB", 2, 1) == 2);
  struct iovec parts[2] = {{text, 3}, {text + 10, 30 - 10}};
  CHECK(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, parts, 2) == 10 && memcmp(text, "0AB", 3) == 0 &&
        memcmp(text + 10, "3456789", 7) == 0);
  struct iovec out[3] = {{"x", 1}, {"yy", 2}, {"zzz", 3}};
  CHECK(pwritev(fd, out, 3, 10) == 6);
  struct stat st;
  CHECK(fstat(fd, &st) == 0 && st.st_size == 16 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0640 &&
        st.st_nlink == 1);
  CHECK(ftruncate(fd, 5) == 0 && lseek(fd, 0, SEEK_END) == 5);
  char* mapped = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED && memcmp(mapped, "0AB34", 5) == 0 && pwrite(fd, "!", 1, 0) == 1 && mapped[0] == '!');
  CHECK(munmap(mapped, 5) == 0);
  int copy = dup(fd), high = fcntl(fd, F_DUPFD_CLOEXEC, 50);
  CHECK(copy >= 0 && high >= 50 && (fcntl(high, F_GETFD) & FD_CLOEXEC) && fcntl(copy, F_GETFD) == 0);
  CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && flock(fd, LOCK_EX | LOCK_NB) == 0);
  CHECK(close(fd) == 0 && close(copy) == 0 && close(high) == 0 && close(high) == -1 && errno == EBADF);
  puts("reading and writing");
}

static void names(void) {
  CHECK(mkdir("directory", 0755) == 0 && mkdir("directory", 0755) == -1 && errno == EEXIST);
  CHECK(rename("data", "directory/moved") == 0 && access("data", F_OK) == -1 && errno == ENOENT);
  CHECK(symlink("moved", "directory/link") == 0 && link("directory/moved", "directory/second") == 0);
  char target[20];
  CHECK(readlink("directory/link", target, sizeof target) == 5 && memcmp(target, "moved", 5) == 0);
  struct stat st;
  CHECK(lstat("directory/link", &st) == 0 && S_ISLNK(st.st_mode) && stat("directory/link", &st) == 0 &&
        st.st_nlink == 2);
  struct statx stx;
  CHECK(statx(AT_FDCWD, "directory", 0, STATX_BASIC_STATS, &stx) == 0 && S_ISDIR(stx.stx_mode));
  CHECK(chmod("directory/moved", 0600) == 0 && truncate("directory/moved", 100) == 0);
  struct timespec times[2] = {{1000000000, 5}, {1234567890, 123456789}};
  CHECK(utimensat(AT_FDCWD, "directory/moved", times, 0) == 0 && stat("directory/moved", &st) == 0 &&
        st.st_mtim.tv_sec == 1234567890 && st.st_mtim.tv_nsec == 123456789);
  int directory = open("directory", O_RDONLY | O_DIRECTORY);
  CHECK(directory >= 0 && openat(directory, "nothing", O_RDONLY) == -1 && errno == ENOENT &&
        unlinkat(directory, "second", 0) == 0);
  CHECK(fstatat(directory, "link", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
        faccessat(directory, "moved", R_OK, 0) == 0);
  char before[4096], after[4096];
  CHECK(getcwd(before, sizeof before) && fchdir(directory) == 0 && getcwd(after, sizeof after) &&
        strcmp(after + strlen(before), "/directory") == 0);
  CHECK(chdir("..") == 0 && close(directory) == 0);
  struct dirent** entries;
  int n = scandir("directory", &entries, NULL, alphasort);
  for (int i = 0; i < n; i++) printf("entry %s %d\n", entries[i]->d_name, entries[i]->d_type);
  glob_t found;
  CHECK(glob("directory/*", 0, NULL, &found) == 0 && found.gl_pathc == 2);
  CHECK(rmdir("directory") == -1 && errno == ENOTEMPTY);
  CHECK(unlink("directory/link") == 0 && unlink("directory/moved") == 0 && rmdir("directory") == 0);
  puts("names");
}

static void many_entries(void) {
  CHECK(mkdir("many", 0700) == 0 && chdir("many") == 0);
  char name[64];
  for (int i = 0; i < 500; i++) {
    snprintf(name, sizeof name, "a-rather-long-file-name-so-that-buffers-fill-%d", i);
    int fd = creat(name, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
  }
  DIR* directory = opendir(".");
  int seen = 0;
  for (struct dirent* entry; (entry = readdir(directory));)
    seen += entry->d_name[0] == 'a' && unlink(entry->d_name) == 0;
  closedir(directory);
  CHECK(seen == 500 && chdir("..") == 0 && rmdir("many") == 0);
  puts("many entries");
}

static void waiting(void) {
  int ends[2], pair[2];
  char byte;
  CHECK(pipe2(ends, O_NONBLOCK) == 0 && read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
  struct pollfd polled = {ends[0], POLLIN, 0};
  CHECK(poll(&polled, 1, 0) == 0 && write(ends[1], "x", 1) == 1 && poll(&polled, 1, 1000) == 1 &&
        polled.revents == POLLIN);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval limit = {1, 0};
  CHECK(select(ends[0] + 1, &set, NULL, NULL, &limit) == 1 && FD_ISSET(ends[0], &set));
  int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_NONBLOCK),
      timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct epoll_event watch = {EPOLLIN, {.u64 = 0x1122334455667788}}, happened[4];
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &watch) == 0 && epoll_wait(epoll, happened, 4, 0) == 0 &&
        eventfd_write(event, 3) == 0);
  CHECK(epoll_wait(epoll, happened, 4, 1000) == 1 && happened[0].data.u64 == 0x1122334455667788 &&
        happened[0].events == EPOLLIN);
  struct itimerspec soon = {{0, 0}, {0, 2000000}};
  uint64_t expirations;
  CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0 && read(timer, &expirations, 8) == 8 && expirations == 1);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && send(pair[0], "hello", 5, 0) == 5);
  char text[8] = {0};
  struct iovec part = {text, sizeof text};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  CHECK(recvmsg(pair[1], &message, 0) == 5 && strcmp(text, "hello") == 0);
  CHECK(shutdown(pair[0], SHUT_WR) == 0 && read(pair[1], text, 1) == 0);
  puts("waiting");
}

static void bad_pointers(void) {
  int ends[2];
  CHECK(pipe(ends) == 0 && write(ends[1], (void*)8, 4) == -1 && errno == EFAULT);
  CHECK(write(ends[1], "abcd", 4) == 4 && read(ends[0], (void*)16, 4) == -1 && errno == EFAULT);
  CHECK(open((char*)24, O_RDONLY) == -1 && errno == EFAULT);
  CHECK(stat("/", (struct stat*)32) == -1 && errno == EFAULT);
  char* long_name = malloc(6000);
  memset(long_name, 'n', 5999);
  long_name[5999] = 0;
  CHECK(open(long_name, O_RDONLY) == -1 && errno == ENAMETOOLONG);
  CHECK(open("", O_RDONLY) == -1 && errno == ENOENT);
  free(long_name);
  puts("bad pointers");
}

static void standard_streams(void) {
  FILE* file = fopen("text", "w+");
  CHECK(file && fprintf(file, "line one\nline %d\n", 2) == 16 && fseek(file, 0, SEEK_SET) == 0);
  char* line = NULL;
  size_t room = 0;
  CHECK(getline(&line, &room, file) == 9 && getline(&line, &room, file) == 7 && getline(&line, &room, file) == -1 &&
        feof(file));
  CHECK(fclose(file) == 0);
  FILE* temporary = tmpfile();
  CHECK(temporary && fputs("x", temporary) >= 0 && fclose(temporary) == 0);
  char template[] = "name-XXXXXX";
  int fd = mkstemp(template), source = open("text", O_RDONLY);
  CHECK(fd >= 0 && sendfile(fd, source, NULL, 100) == 16 && unlink(template) == 0 && unlink("text") == 0);
  free(line);
  struct statvfs space;
  CHECK(statvfs("/", &space) == 0 && space.f_bsize > 0);
  puts("standard streams");
}

int main(void) {
  reading_and_writing();
  names();
  many_entries();
  waiting();
  bad_pointers();
  standard_streams();
  return 0;
}
