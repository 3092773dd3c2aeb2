#include "command/run.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstring>

#include "command/function_names.h"
#include "command/program.h"
#include "guest/check.h"
#include "guest/log.h"
#include "loader/loader.h"
#include "syscalls/descriptors.h"
#include "syscalls/memory.h"
#include "syscalls/proc_files.h"
#include "syscalls/strace.h"
#include "syscalls/thread.h"
#include "sysroots/home.h"
#include "sysroots/resolve.h"
#include "translator/optimizer/image.h"
#include "translator/optimizer/store.h"
#include "translator/pages.h"
#include "translator/perf/perf.h"
#include "translator/regions.h"
#include "translator/translator.h"

namespace ferry::command {

namespace {

constexpr Isa guest_isa = Isa::aarch64;

std::string resolve_guest_path(const std::string& path) {
  sysroots::PathBuffer buffer;
  auto host = sysroots::resolve_at(AT_FDCWD, path.c_str(), sysroots::LastLink::follow, buffer);
  return host ? std::string{*host} : path;  // the loader's open() says what is wrong with it
}

void use_sysroot(const std::string& directory) {
  if (auto done = sysroots::set_sysroot(directory); !done)
    fatal("sysroot " + directory + ": " + strerror(static_cast<int>(done.error())),
          "`ferry sysroot list` shows what there is");
  if (sysroots::sysroot_descriptor() >= 0) syscalls::protect_descriptor(sysroots::sysroot_descriptor());
}

std::string chosen_sysroot(const Options& options) {
  if (!options.sysroot) return sysroots::default_sysroot(guest_isa);
  if (options.sysroot->empty()) return {};
  auto found = sysroots::find_sysroot(*options.sysroot);
  if (!found) fatal(found.error().what, found.error().remedy, 127);
  return *found;
}

// As the guest's working directory will not be ferry's for long.
std::string absolute(const std::string& path) {
  char directory[PATH_MAX];
  if (path.empty() || path[0] == '/') return path;
  return getcwd(directory, sizeof directory) != nullptr ? std::string{directory} + "/" + path : "";
}

// Made now if need be, and not when something is hot enough to be shown.
std::string dump_directory(const std::string& name) {
  if ((mkdir(name.c_str(), 0700) != 0 && errno != EEXIST) || access((name + "/").c_str(), W_OK | X_OK) != 0)
    fatal("--dump-regions " + name + ": " + strerror(errno), "name a directory that files can be made in", 2);
  return absolute(name);
}

void use_store(syscalls::Handover& handover) {
  // A set-user-ID program's caller must not say where ferry finds code.
  if (getauxval(AT_SECURE) != 0) return;
  handover.store_directory = absolute(optimizer::store_directory());
  auto limit = optimizer::store_limit();
  if (!limit) fatal(limit.error(), "", 2);
  handover.store_limit = *limit;
}

// What of the options lasts: it reaches the next ferry through execve, too.
syscalls::Handover settings(const Options& options) {
  syscalls::Handover handover;
  handover.strace = options.strace;
  handover.log_mask = log_mask;
  if (options.log) parse_log_categories(options.log->c_str(), handover.log_mask);
  if (options.log_file) {
    int fd = open(options.log_file->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
      fatal("log file " + *options.log_file + ": " + strerror(errno),
            "name one that can be written to with --log-file");
    handover.log_fd = syscalls::take_descriptor(fd);
  } else if (options.log || options.stats) {
    // Of its own: guests close theirs, coreutils before they end.
    if (int fd = syscalls::take_descriptor(dup(STDERR_FILENO)); fd >= 0) handover.log_fd = fd;
  }
  handover.reference = options.reference;
  handover.chain = options.chain;
  handover.stats = options.stats;
  if (getauxval(AT_SECURE) == 0) {
    handover.perf_map = options.perf_map;
    handover.jitdump = options.jitdump;
    if (options.dump_regions) handover.dump_directory = dump_directory(*options.dump_regions);
  }
  if (options.cache) use_store(handover);
  handover.optimizer = options.optimizer && getauxval(AT_SECURE) == 0;
  handover.optimizer_cores = options.optimizer_cores;
  handover.optimizer_idle = options.optimizer_idle;
  return handover;
}

// The path without links, as the kernel would show it in /proc/self/exe.
std::string executable_of(const std::string& host_path, int program_fd) {
  char name[PATH_MAX];
  if (!host_path.empty() && realpath(host_path.c_str(), name) != nullptr) return name;
  ssize_t size = readlink(("/proc/self/fd/" + std::to_string(program_fd)).c_str(), name, sizeof name);
  return size > 0 ? std::string(name, static_cast<size_t>(size)) : host_path;
}

[[noreturn]] void execute_native(const loader::Program& program, std::vector<std::string> environment) {
  log(Log::load, "%s is a program of this machine: executed as it is", program.host_path().c_str());
  auto pointers = [](const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& string : strings) result.push_back(const_cast<char*>(string.c_str()));
    result.push_back(nullptr);
    return result;
  };
  execve(program.host_path().c_str(), pointers(program.arguments()).data(), pointers(environment).data());
  fatal(program.path() + ": " + strerror(errno), "", 126);
}

loader::Program prepare(const syscalls::Handover& handover, const std::vector<std::string>& environment) {
  loader::LoadRequest request;
  request.path = handover.path;
  request.fd = handover.program_fd;
  request.arguments = handover.arguments;
  request.environment = environment;
  request.resolve = resolve_guest_path;
  request.guest = guest_isa;
  request.hwcap = translator::hwcap();
  request.hwcap2 = translator::hwcap2();
  auto program = loader::prepare(std::move(request));
  if (!program) fatal(program.error().text, program.error().remedy, program.error().exit_status());
  return std::move(*program);
}

void start_tracing(const Options& options) {
  if (!options.strace && !options.strace_file) return;
  const char* file = options.strace_file ? options.strace_file->c_str() : nullptr;
  if (!syscalls::start_strace(file))
    fatal(std::string{"--strace: "} + (file != nullptr ? file : "standard error") + ": " + strerror(errno),
          "name a file that can be written to with --strace-file");
}

void tell_the_kernel(const loader::LoadedProgram& loaded, const std::string& executable) {
  for (const loader::Mapping& mapping : loaded.mappings)
    syscalls::adopt_mapping(mapping.begin, mapping.end, mapping.protection);
  syscalls::set_initial_break(loaded.brk_start);
  syscalls::set_stack(loaded.stack.begin, loaded.stack.end);
  syscalls::set_program_image({.executable = executable,
                               .arguments_begin = loaded.arguments_begin,
                               .arguments_end = loaded.arguments_end,
                               .environment_begin = loaded.environment_begin,
                               .environment_end = loaded.environment_end,
                               .auxv_begin = loaded.auxv_begin,
                               .auxv_end = loaded.auxv_end,
                               .stack_begin = loaded.stack.begin,
                               .stack_end = loaded.stack.end});
}

// The client's socket is at a descriptor of ferry's own.
void start_optimizer(const syscalls::Handover& handover) {
  if (!handover.optimizer) return;
  optimizer::ClientOptions client;
  client.image = optimizer::image();
  client.self_argument = optimizer::image_argument;
  client.identity = optimizer::store_identity();
  client.directory = handover.store_directory;
  client.store_limit = handover.store_limit;
  client.cores = handover.optimizer_cores;
  client.idle_seconds = handover.optimizer_idle;
  client.take_descriptor = [](int fd) { return syscalls::take_descriptor(fd); };
  client.release_descriptor = syscalls::unprotect_descriptor;
  translator::start_optimizer(std::move(client));
}

// Made when the first name is asked for.
FunctionNames& function_names() {
  static FunctionNames names;
  return names;
}
std::string name_of(u64 pc) { return function_names().name_of(pc); }

// `continued`: by execve.
void start_perf(const syscalls::Handover& handover, bool continued) {
  if (!handover.perf_map && !handover.jitdump) return;
  perf::Options options;
  options.map = handover.perf_map;
  options.jitdump = handover.jitdump;
  options.continued = continued;
  options.name_of = name_of;
  options.forget_mappings = [] { function_names().forget_mappings(); };
  options.take_descriptor = [](int fd) { return syscalls::take_descriptor(fd); };
  options.release_descriptor = syscalls::unprotect_descriptor;
  perf::reporter = std::make_unique<perf::Reporter>(std::move(options));
}

void print_stats() {
  translator::Stats stats = translator::stats();
  dprintf(log_fd,
          "process %d\ntranslated_instructions %lu\ntranslated_blocks %lu\ntranslate_ns %lu\ncode_bytes %lu\nflushes "
          "%lu\ninvalidated_blocks %lu\nregions_formed %lu\nregions_asked %lu\nregions_received %lu\n"
          "regions_refused %lu\nregions_lost %lu\nregions_loaded %lu\nregions_installed %lu\nregions_discarded %lu\n"
          "regions_invalidated %lu\npages_loaded %lu\npages_instructions %lu\nregions_ns %lu\nregion_bytes "
          "%lu\nregion_answer_ns %lu\ntime_baseline_ms %lu\n"
          "time_regions_ms %lu\ntime_elsewhere_ms %lu\n",
          getpid(), stats.translated_instructions, stats.translated_blocks, stats.translate_ns, stats.code_bytes,
          stats.flushes, stats.invalidated_blocks, stats.formed_regions, stats.asked_regions, stats.received_regions,
          stats.refused_regions, stats.lost_regions, stats.loaded_regions, stats.installed_regions,
          stats.discarded_regions, stats.invalidated_regions, stats.loaded_pages, stats.loaded_instructions,
          stats.region_ns, stats.region_bytes, stats.answer_ns, stats.baseline_ms, stats.regions_ms,
          stats.elsewhere_ms);
}

void end_process() {
  translator::hand_in_pages();
  translator::hand_in_heat();
  if (syscalls::handover_template.stats) print_stats();
}

// Log, trace and sysroot are set; `handover` names the program.
[[noreturn]] void launch(syscalls::Handover handover, std::vector<std::string> environment, bool continued = false) {
  syscalls::handover_template = handover;
  syscalls::handover_template.path.clear();
  syscalls::handover_template.arguments.clear();
  syscalls::handover_template.program_fd = -1;
  syscalls::before_exit_group = end_process;

  static syscalls::Process process;
  static syscalls::Thread thread;
  {
    loader::Program program = prepare(handover, environment);
    if (program.native()) execute_native(program, std::move(environment));
    translator::start({.chain = handover.chain,
                       .reference = handover.reference,
                       .stats = handover.stats,
                       .dump_directory = handover.dump_directory,
                       .name_of = name_of});
    start_perf(handover, continued);
    start_optimizer(handover);
    translator::name_program(program.host_path());
    auto loaded = loader::map(program);
    if (!loaded) fatal(loaded.error().text, loaded.error().remedy, loaded.error().exit_status());
    process.executable_host = executable_of(program.host_path(), handover.program_fd);
    process.executable = sysroots::guest_view(process.executable_host);
    process.command = program.execfn();
    process.signal_trampoline = raw(loaded->signal_trampoline);
    tell_the_kernel(*loaded, process.executable);
    thread.cpu.pc = raw(loaded->entry);
    thread.cpu.sp = raw(loaded->stack_pointer);
  }
  if (handover.program_fd >= 0) close(handover.program_fd);
  thread.process = &process;
  syscalls::run_main_thread(thread);
}

void start_logging(const syscalls::Handover& handover) {
  log_mask = handover.log_mask;
  log_fd = handover.log_fd;
}

[[noreturn]] void refuse(const std::string& name) {
  std::string remedy = "a path with a slash in it is taken as it is";
  if (sysroots::sysroot().empty())
    remedy = "there is no sysroot to look in either: `ferry sysroot create NAME --arch arm64 --include PKG,...`";
  fatal(name + ": not found in PATH", remedy, 127);
}

}  // namespace

void run_program(const Options& options, std::span<char* const> environment) {
  syscalls::Handover handover = settings(options);
  start_logging(handover);
  start_tracing(options);
  use_sysroot(chosen_sysroot(options));
  handover.sysroot = sysroots::sysroot();
  std::vector<std::string> guest = guest_environment(environment, options);
  handover.path = find_program(options.program[0], guest);
  if (handover.path.empty()) refuse(options.program[0]);
  handover.arguments = options.program;
  if (options.argv0) handover.arguments[0] = *options.argv0;
  launch(std::move(handover), std::move(guest));
}

void run_registered(std::span<char* const> arguments, std::span<char* const> environment) {
  if (arguments.size() < 2)
    fatal("started by binfmt_misc without a program", "register ferry with `ferry binfmt register`");
  // A set-user-ID program's caller must not say where ferry looks or writes.
  auto options = getauxval(AT_SECURE) != 0 ? Options{} : parse_environment(environment);
  if (!options) fatal(options.error(), "", 2);
  syscalls::Handover handover = settings(*options);
  start_logging(handover);
  start_tracing(*options);
  use_sysroot(getauxval(AT_SECURE) != 0 ? "" : chosen_sysroot(*options));
  handover.sysroot = sysroots::sysroot();
  handover.path = arguments[0];
  errno = 0;
  unsigned long descriptor = getauxval(AT_EXECFD);  // flag O
  if (errno == 0) handover.program_fd = static_cast<int>(descriptor);
  handover.arguments.assign(arguments.begin() + 1, arguments.end());
  if (options->argv0) handover.arguments[0] = *options->argv0;
  launch(std::move(handover), guest_environment(environment, *options));
}

void run_handed_over(syscalls::Handover handover, std::span<char* const> environment) {
  if (handover.log_fd > 2) syscalls::protect_descriptor(handover.log_fd);
  start_logging(handover);
  if (handover.own_executable_fd >= 0) syscalls::adopt_own_executable(handover.own_executable_fd);
  if (handover.strace_fd >= 0) syscalls::continue_strace(handover.strace_fd);
  // The guest may have changed its root since: then what it sees is all there is.
  if (auto done = sysroots::set_sysroot(handover.sysroot); !done) handover.sysroot.clear();
  if (sysroots::sysroot_descriptor() >= 0) syscalls::protect_descriptor(sysroots::sysroot_descriptor());
  launch(std::move(handover), {environment.begin(), environment.end()}, true);
}

}  // namespace ferry::command
