// execve and execveat. fs/exec.c: every errno that can be known is known before anything changes (loader::prepare).
#include "syscalls/exec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "guest/log.h"
#include "guest/memory.h"
#include "loader/loader.h"
#include "syscalls/descriptors.h"
#include "syscalls/handlers.h"
#include "syscalls/paths.h"
#include "syscalls/proc_files.h"
#include "syscalls/process.h"
#include "syscalls/strace.h"

namespace ferry::syscalls {

Handover handover_template;
void (*before_exit_group)() = nullptr;

// Everything an execve allocates, so that the parent of a vfork child that has gone can free it. Memory only: descriptors are
// numbers in the child's own table.
struct ExecRequest {
  std::string path;
  std::vector<std::string> arguments, environment;
  bool native = false;
  std::string host_path;  // of the program that runs, after #! lines; empty: program_fd
  std::vector<std::string> host_arguments;
  std::vector<char*> argument_pointers, environment_pointers;
  int program_fd = -1;  // a descriptor the next ferry gets
};

void free_exec_request(Thread& thread) {
  delete thread.exec_request;
  thread.exec_request = nullptr;
}

namespace {

// Where the guest's path to a program is on the host. A path that is too long is found out by the kernel.
std::string program_host_path(const std::string& path) {
  PathBuffer buffer;
  Result<const char*> found = host_path(AT_FDCWD, path.c_str(), true, buffer);
  return found ? std::string{*found} : path;
}

constexpr size_t longest_argument = 128 * 1024;        // MAX_ARG_STRLEN
constexpr size_t largest_arguments = 6 * 1024 * 1024;  // the most bprm_set_stack_limits() allows
constexpr const char* handover_option = "--handover";

int own_executable_fd = -1;

Result<std::vector<std::string>> read_strings(GuestAddr array) {
  std::vector<std::string> strings;
  if (raw(array) == 0) return strings;
  size_t total = 0;
  for (GuestPtr<u64> entry{array};; entry = entry + 1) {
    u64 address = TRY(read(entry));
    if (address == 0) return strings;
    Result<std::string> string = read_guest_string(GuestAddr{address}, longest_argument);
    if (!string) return fail(string.error() == Errno{ENAMETOOLONG} ? E2BIG : static_cast<int>(string.error()));
    total += string->size() + 1 + sizeof(u64);
    if (total > largest_arguments) return fail(E2BIG);
    strings.push_back(std::move(*string));
  }
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

void keep_through_exec(int fd) {
  if (fd >= 0) fcntl(fd, F_SETFD, 0);
}

// Runs the descriptor, or `file` when it is negative, or says why not. The signal state is exec's for that moment only; a
// signal that comes before the kernel is entered is delivered first, and the guest's svc runs again.
i64 host_exec(Thread& thread, int fd, const char* file, ExecRequest& request) {
  begin_exec_signals(thread);
  u64 arguments = reinterpret_cast<u64>(request.argument_pointers.data());
  u64 environment = reinterpret_cast<u64>(request.environment_pointers.data());
  i64 error = fd >= 0 ? host_syscall(SYS_execveat, static_cast<u64>(fd), reinterpret_cast<u64>(""), arguments,
                                     environment, AT_EMPTY_PATH)
                      : host_syscall(SYS_execve, reinterpret_cast<u64>(file), arguments, environment);
  cancel_exec_signals(thread);
  return error;
}

i64 exec_native(Thread& thread, ExecRequest& request) {
  request.argument_pointers = pointers_to(request.host_arguments);
  if (request.host_path.empty() && request.program_fd >= 0) return host_exec(thread, request.program_fd, "", request);
  return host_exec(thread, -1, request.host_path.c_str(), request);
}

i64 exec_foreign(Thread& thread, ExecRequest& request) {
  Handover handover = handover_template;
  handover.strace_fd = strace_enabled ? strace_descriptor() : -1;
  handover.own_executable_fd = own_executable_fd;
  handover.program_fd = request.program_fd;
  handover.path = request.path;
  handover.arguments = std::move(request.arguments);
  for (int fd : {handover.strace_fd, handover.log_fd > 2 ? handover.log_fd : -1, own_executable_fd, request.program_fd})
    keep_through_exec(fd);
  request.host_arguments = handover_arguments(handover);
  request.arguments = std::move(handover.arguments);
  handover = {};
  request.argument_pointers = pointers_to(request.host_arguments);
  i64 error = own_executable_fd >= 0 ? host_exec(thread, own_executable_fd, "", request) : -ENOENT;
  if (error == -ENOENT) error = host_exec(thread, -1, "/proc/self/exe", request);
  if (error != -ENOENT) return error;
  // Neither ferry nor /proc can be seen: what is left is the host's binfmt registration, if it has one.
  log(Log::warning, "execve %s: no /proc here to find ferry by; trying the host's binfmt_misc", request.path.c_str());
  request.argument_pointers = pointers_to(request.arguments);
  return host_exec(thread, -1, request.host_path.c_str(), request);
}

Result<void> prepare(ExecRequest& request, const std::string& host_path) {
  loader::LoadRequest load;
  load.path = request.path;
  load.host_path = host_path;
  load.fd = request.program_fd;
  load.arguments = request.arguments;
  load.environment = request.environment;
  load.resolve = program_host_path;
  auto program = loader::prepare(std::move(load));
  if (!program) {
    log(Log::load, "execve: %s", program.error().text.c_str());
    return fail(program.error().error);
  }
  request.native = program->native();
  request.host_path = program->host_path();
  if (request.native) request.host_arguments = program->arguments();
  return {};
}

// Paths that mean something else, or nothing, once this process image is gone: /proc/self/exe would be ferry's own file, and a
// descriptor may be close-on-exec.
void name_own_program(ExecRequest& request) {
  if (const char* target = proc_link_target(request.path.c_str())) request.path = target;
}
bool names_descriptor(const std::string& path) {
  return path.starts_with("/proc/self/fd/") || path.starts_with("/dev/fd/");
}
Result<void> open_descriptor_path(ExecRequest& request, const std::string& host_path) {
  request.program_fd = open(host_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (request.program_fd < 0) return fail(errno);
  return {};
}

// All that execve does once it is known what to run. Returns only with an error.
Result<i64> execute(Thread& thread, ExecRequest& request, const std::string& host_path) {
  if (request.program_fd < 0 && names_descriptor(request.path)) TRY_VOID(open_descriptor_path(request, host_path));
  TRY_VOID(prepare(request, host_path));
  TRY_VOID(block_signals(thread));
  request.environment_pointers = pointers_to(request.environment);
  log(Log::load, "execve %s (%s)", request.path.c_str(), request.native ? "host program" : "foreign program");
  if (strace_enabled) strace_finish_pending(0);
  return from_raw(request.native ? exec_native(thread, request) : exec_foreign(thread, request));
}

// Reads what both calls share; the caller fills in what is to be run.
Result<ExecRequest*> begin_request(Thread& thread, GuestAddr path, GuestAddr arguments, GuestAddr environment) {
  free_exec_request(thread);
  auto request = std::make_unique<ExecRequest>();
  request->path = TRY(read_guest_string(path));
  request->arguments = TRY(read_strings(arguments));
  request->environment = TRY(read_strings(environment));
  name_own_program(*request);
  if (request->arguments.empty()) request->arguments.emplace_back();  // as Linux does since 5.18
  return thread.exec_request = request.release();
}

// After an execve that failed.
void end_request(Thread& thread) {
  if (thread.exec_request->program_fd >= 0) close(thread.exec_request->program_fd);
  free_exec_request(thread);
}

// A path relative to a directory descriptor, or a descriptor itself, is handed to the next ferry as an open file.
Result<void> open_at(ExecRequest& request, int directory, int flags) {
  if (request.path.empty() && !(flags & AT_EMPTY_PATH)) return fail(ENOENT);
  if (is_protected_descriptor(directory)) return fail(EBADF);
  int fd;
  if (request.path.empty()) {
    fd = fcntl(directory, F_DUPFD_CLOEXEC, 3);
    request.path = "/dev/fd/" + std::to_string(directory);
  } else {
    fd = openat(directory, request.path.c_str(), O_RDONLY | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
    request.path = "/dev/fd/" + std::to_string(directory) + "/" + request.path;
  }
  if (fd < 0) return fail(errno);
  request.program_fd = fd;
  return {};
}

bool parse_number(std::string_view text, i64& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

// "name=number", comma-separated; the names are those of handover_arguments().
bool parse_fields(std::string_view text, Handover& handover) {
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view field = text.substr(0, comma);
    text = comma == text.npos ? std::string_view{} : text.substr(comma + 1);
    size_t equals = field.find('=');
    i64 value;
    if (equals == field.npos || !parse_number(field.substr(equals + 1), value)) return false;
    std::string_view name = field.substr(0, equals);
    if (name == "strace")
      handover.strace = value != 0;
    else if (name == "strace_fd")
      handover.strace_fd = static_cast<int>(value);
    else if (name == "log")
      handover.log_mask = static_cast<u32>(value);
    else if (name == "log_fd")
      handover.log_fd = static_cast<int>(value);
    else if (name == "reference")
      handover.reference = value != 0;
    else if (name == "chain")
      handover.chain = value != 0;
    else if (name == "stats")
      handover.stats = value != 0;
    else if (name == "perf_map")
      handover.perf_map = value != 0;
    else if (name == "jitdump")
      handover.jitdump = value != 0;
    else if (name == "store_limit")
      handover.store_limit = static_cast<u64>(value);
    else if (name == "optimizer")
      handover.optimizer = value != 0;
    else if (name == "optimizer_cores")
      handover.optimizer_cores = static_cast<u32>(value);
    else if (name == "optimizer_idle")
      handover.optimizer_idle = static_cast<u32>(value);
    else if (name == "program_fd")
      handover.program_fd = static_cast<int>(value);
    else if (name == "own_fd")
      handover.own_executable_fd = static_cast<int>(value);
    else
      return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> handover_arguments(const Handover& handover) {
  char fields[320];
  snprintf(fields, sizeof fields,
           "strace=%d,strace_fd=%d,log=%u,log_fd=%d,reference=%d,chain=%d,stats=%d,perf_map=%d,jitdump=%d,"
           "store_limit=%lu,optimizer=%d,"
           "optimizer_cores=%u,optimizer_idle=%u,program_fd=%d,own_fd=%d",
           handover.strace, handover.strace_fd, handover.log_mask, handover.log_fd, handover.reference, handover.chain,
           handover.stats, handover.perf_map, handover.jitdump, handover.store_limit, handover.optimizer,
           handover.optimizer_cores, handover.optimizer_idle, handover.program_fd, handover.own_executable_fd);
  std::vector<std::string> arguments{"ferry",          handover_option,          fields,
                                     handover.sysroot, handover.store_directory, handover.dump_directory,
                                     handover.path};
  arguments.insert(arguments.end(), handover.arguments.begin(), handover.arguments.end());
  return arguments;
}

std::optional<Handover> parse_handover(int argc, char* const* argv) {
  if (argc < 8 || std::string_view{argv[1]} != handover_option) return std::nullopt;
  Handover handover;
  if (!parse_fields(argv[2], handover)) return std::nullopt;
  handover.sysroot = argv[3];
  handover.store_directory = argv[4];
  handover.dump_directory = argv[5];
  handover.path = argv[6];
  handover.arguments.assign(argv + 7, argv + argc);
  return handover;
}

void keep_own_executable() {
  if (own_executable_fd >= 0) return;
  int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  if (fd >= 0) own_executable_fd = take_descriptor(fd);
}

void adopt_own_executable(int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  protect_descriptor(fd);
  own_executable_fd = fd;
}

Result<i64> sys_execve(Thread& thread, Path<follow> path, StringArray arguments, Environment environment) {
  ExecRequest* request = TRY(begin_request(thread, path.value, arguments.value, environment.value));
  Result<i64> result =
      request->path.empty() ? fail(ENOENT) : execute(thread, *request, program_host_path(request->path));
  return end_request(thread), result;
}

Result<i64> sys_execveat(Thread& thread, DirFd directory, PathAt<keep_if_flag<4>> path, StringArray arguments,
                         Environment environment, Flags<at_flags> flags) {
  if (flags.value & ~u64{AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) return fail(EINVAL);
  ExecRequest* request = TRY(begin_request(thread, path.value, arguments.value, environment.value));
  bool by_path = !request->path.empty() && (request->path[0] == '/' || directory.value == AT_FDCWD) &&
                 !(flags.value & AT_SYMLINK_NOFOLLOW);
  auto run = [&]() -> Result<i64> {
    if (by_path) return execute(thread, *request, program_host_path(request->path));
    TRY_VOID(open_at(*request, directory.value, static_cast<int>(flags.value)));
    return execute(thread, *request, "");
  };
  Result<i64> result = run();
  return end_request(thread), result;
}

}  // namespace ferry::syscalls
