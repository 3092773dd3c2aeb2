#include "binfmt/binfmt.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "binfmt/registration.h"

namespace ferry::binfmt {

namespace {

const std::string directory = "/proc/sys/fs/binfmt_misc";
constexpr Isa foreign_isa = host_isa == Isa::x86_64 ? Isa::aarch64 : Isa::x86_64;

constexpr const char* usage =
    "ferry binfmt makes the kernel start ferry for programs of the other architecture.\n\n"
    "  ferry binfmt print [--arch aarch64|x86_64] [--interpreter FILE]   the line for "
    "/proc/sys/fs/binfmt_misc/register or /etc/binfmt.d\n"
    "  ferry binfmt status [--arch ...]                                  what is registered; status 1 when nothing is\n"
    "  ferry binfmt register [--arch ...] [--interpreter FILE]           needs root\n"
    "  ferry binfmt unregister [--arch ...]                              needs root\n\n"
    "The interpreter is this ferry unless another file is named. The kernel keeps it open (flag F): register again "
    "after an update.\n";

struct Request {
  std::string verb;
  Isa isa = foreign_isa;
  std::string interpreter;
};

int complain(int status, const std::string& what, const char* remedy) {
  fprintf(stderr, "ferry: %s%s%s\n", what.c_str(), *remedy != 0 ? "; " : "", remedy);
  return status;
}

std::string own_path() {
  char path[PATH_MAX];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

// Nothing, with a message, for words that are not understood.
std::optional<Request> parse(std::span<char* const> arguments) {
  Request request;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string word = arguments[i], value;
    if (!word.starts_with("--")) {
      if (!request.verb.empty()) return std::nullopt;
      request.verb = word;
      continue;
    }
    if (size_t equals = word.find('='); equals != word.npos)
      value = word.substr(equals + 1), word.resize(equals);
    else if (++i < arguments.size())
      value = arguments[i];
    else
      return std::nullopt;
    if (word == "--interpreter")
      request.interpreter = value;
    else if (word == "--arch" && (value == "aarch64" || value == "arm64"))
      request.isa = Isa::aarch64;
    else if (word == "--arch" && (value == "x86_64" || value == "amd64"))
      request.isa = Isa::x86_64;
    else
      return std::nullopt;
  }
  if (request.interpreter.empty()) request.interpreter = own_path();
  return request;
}

// 0, or what is in the way of talking to the kernel, said on standard error.
int find_binfmt_misc() {
  struct statfs status;
  if (statfs(directory.c_str(), &status) != 0)
    return complain(1, directory + ": this kernel has no binfmt_misc, or the container hides it",
                    "modprobe binfmt_misc on the host");
  if (status.f_type != BINFMTFS_MAGIC)
    return complain(1, directory + ": binfmt_misc is not mounted",
                    "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc");
  return 0;
}

int write_to(const std::string& file, const std::string& text, const std::string& doing) {
  int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  int error = fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ? errno : 0;
  if (fd >= 0) close(fd);
  if (error == 0) return 0;
  const char* remedy = error == EACCES || error == EPERM || error == EROFS ? "only root of the host may: sudo" : "";
  return complain(1, doing + ": " + strerror(error), remedy);
}

int show_status(const Request& request) {
  if (int status = find_binfmt_misc(); status != 0) return status;
  std::string file = directory + "/" + registration_name(request.isa);
  FILE* entry = fopen(file.c_str(), "re");
  if (entry == nullptr)
    return complain(1, registration_name(request.isa) + ": not registered", "`ferry binfmt register` as root");
  char text[4096];
  size_t size = fread(text, 1, sizeof text, entry);
  fclose(entry);
  fwrite(text, 1, size, stdout);
  return 0;
}

int unregister(const Request& request) {
  if (int status = find_binfmt_misc(); status != 0) return status;
  std::string file = directory + "/" + registration_name(request.isa);
  if (access(file.c_str(), F_OK) != 0) return complain(1, registration_name(request.isa) + ": not registered", "");
  return write_to(file, "-1", "unregister " + registration_name(request.isa));
}

int register_ferry(const Request& request) {
  if (std::string problem = interpreter_problem(request.interpreter); !problem.empty())
    return complain(2, request.interpreter + ": " + problem, "");
  if (access(request.interpreter.c_str(), X_OK) != 0)
    return complain(1, request.interpreter + ": " + strerror(errno), "");
  // The kernel would let go of its own way of running these programs.
  if (request.isa == host_isa)
    return complain(2, "programs of this machine's own architecture are not for ferry to register",
                    "--arch names the other one");
  if (int status = find_binfmt_misc(); status != 0) return status;
  // An older registration would be refused as EEXIST.
  std::string file = directory + "/" + registration_name(request.isa);
  if (access(file.c_str(), F_OK) == 0)
    if (int status = unregister(request); status != 0) return status;
  return write_to(directory + "/register", registration_line(request.isa, request.interpreter),
                  "register " + registration_name(request.isa));
}

}  // namespace

int run_command(std::span<char* const> arguments) {
  auto request = parse(arguments);
  if (!request) return complain(2, "`ferry binfmt`: a word is not understood", "`ferry binfmt help` shows how");
  if (request->verb == "help") return fputs(usage, stdout), 0;
  if (request->verb == "status") return show_status(*request);
  if (request->verb == "register") return register_ferry(*request);
  if (request->verb == "unregister") return unregister(*request);
  if (request->verb != "print") return complain(2, "`ferry binfmt` needs a verb", "`ferry binfmt help` shows how");
  if (std::string problem = interpreter_problem(request->interpreter); !problem.empty())
    return complain(2, request->interpreter + ": " + problem, "");
  printf("%s\n", registration_line(request->isa, request->interpreter).c_str());
  return 0;
}

}  // namespace ferry::binfmt
