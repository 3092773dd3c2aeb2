#include "tests/syscalls/guest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "guest/memory.h"
#include "sysroots/resolve.h"

namespace ferry::syscalls {

namespace {
void on_fault(int signal, siginfo_t*, void* context) {
  if (fix_up_guest_access(context)) return;
  ::signal(signal, SIG_DFL);  // the instruction faults again and ends the test
}
}  // namespace

Guest::Guest() : process_(std::make_unique<Process>()), thread_(std::make_unique<Thread>()) {
  thread_->process = process_.get();
  thread_->actions = &process_->actions;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

bool on_a_real_kernel() { return syscall(SYS_openat2, -1, nullptr, nullptr, 0) != -1 || errno != ENOSYS; }

Captured::Captured(int& descriptor)
    : descriptor_(descriptor), saved_(descriptor), file_(memfd_create("captured", MFD_CLOEXEC)) {
  descriptor = file_;
}
Captured::~Captured() {
  descriptor_ = saved_;
  close(file_);
}
std::string Captured::text() const {
  lseek(file_, 0, SEEK_SET);
  return read_whole(file_);
}

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/ferry-test-XXXXXX";
  path_ = mkdtemp(name);
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Sysroot::enter() { ASSERT_TRUE(sysroots::set_sysroot(path())); }
Sysroot::~Sysroot() { sysroots::leave_sysroot(); }

void write_file(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << content;
}

std::string read_whole(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

}  // namespace ferry::syscalls
