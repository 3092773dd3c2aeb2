// prepare(): open, follow #! lines, parse, find the interpreter. map(): image, interpreter, vDSO, stack.
#include "loader/loader.h"

#include <sys/personality.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "guest/log.h"
#include "loader/image.h"
#include "loader/script.h"
#include "loader/stack.h"
#include "loader/vdso.h"

namespace ferry::loader {
namespace {

// One read brings the script line or the headers of nearly every program.
using Start = u8[1024];

const char* name_of(Isa isa) { return isa == Isa::aarch64 ? "AArch64" : "x86-64"; }

std::unexpected<LoadError> failed(int error, std::string text, std::string remedy = {}) {
  return std::unexpected(LoadError{error, std::move(text), std::move(remedy)});
}

std::unexpected<LoadError> cannot_open(const std::string& path, Errno error) {
  int number = static_cast<int>(error);
  if (number == ENOENT)
    return failed(number, path + ": no such file", "it is looked for in the sysroot first (--sysroot), then here");
  if (number == EACCES)
    return failed(number, path + ": cannot be run: not a regular file, or no permission to read and execute it",
                  "chmod +rx");
  return failed(number, path + ": cannot be opened: " + strerror(number));
}

std::unexpected<LoadError> no_interpreter(const std::string& interpreter, const std::string& program, Errno error,
                                          const char* remedy) {
  int number = static_cast<int>(error);
  const char* why = number == ENOENT ? "was not found" : strerror(number);
  const char* link = number == ENOENT ? " " : ": ";
  return failed(number, "the interpreter " + interpreter + " of " + program + link + std::string(why), remedy);
}

// Parses what is at the start of a file and, when the program headers are elsewhere, reads them. With `native` an ELF file of
// the host stops after its header: what else it may contain is the host kernel's business.
std::expected<Elf, LoadError> read_elf(const File& file, const std::string& path, std::span<const u8> start,
                                       std::optional<Isa> native) {
  auto header = parse_elf_header(start, file.size());
  if (!header) return failed(ENOEXEC, path + ": " + header.error().text(), header.error().remedy());
  if (native == header->isa) {
    Elf elf;
    elf.isa = header->isa;
    return elf;
  }
  std::vector<u8> elsewhere;
  std::span<const u8> table;
  if (header->table_offset + header->table_size() <= start.size()) {
    table = start.subspan(header->table_offset, header->table_size());
  } else {
    elsewhere.resize(header->table_size());
    auto count = file.read_at(header->table_offset, elsewhere);
    if (!count) return cannot_open(path, count.error());
    table = std::span(elsewhere).first(*count);
  }
  auto elf = parse_program_headers(*header, table, file.size());
  if (!elf) return failed(ENOEXEC, path + ": " + elf.error().text(), elf.error().remedy());
  return std::move(*elf);
}

std::expected<std::string, LoadError> read_interpreter_path(const File& file, const Elf& elf, const std::string& path) {
  std::vector<u8> bytes(elf.interpreter_size);
  auto count = file.read_at(elf.interpreter_offset, bytes);
  if (!count) return cannot_open(path, count.error());
  auto name = parse_interpreter(std::span(bytes).first(*count));
  if (!name) return failed(ENOEXEC, path + ": " + name.error().text(), name.error().remedy());
  return std::string(*name);
}

std::string resolve(const LoadRequest& request, const std::string& path) {
  return request.resolve ? request.resolve(path) : path;
}

// The program's bytes up to the point where it is known to be an ELF file, after any #! lines.
struct Opened {
  File file;
  Start bytes;
  size_t size = 0;
  std::string path, host_path;
  std::span<const u8> start() const { return {bytes, size}; }
};

std::expected<void, LoadError> open_and_read(Opened& opened, int fd, const std::string& script) {
  auto file = fd >= 0 ? File::duplicate_program(fd) : File::open_program(opened.host_path.c_str());
  if (!file && !script.empty()) {
    return no_interpreter(
        opened.path, script, file.error(),
        static_cast<int>(file.error()) == ENOENT ? "install it, or give its tree with --sysroot" : "");
  }
  if (!file) return cannot_open(opened.path, file.error());
  opened.file = std::move(*file);
  auto size = opened.file.read_at(0, opened.bytes);
  if (!size) return cannot_open(opened.path, size.error());
  opened.size = *size;
  return {};
}

// argv of the interpreter: itself, the line's argument, the script, what the script was given.
void prepend_interpreter(std::vector<std::string>& arguments, ScriptLine line, const std::string& script) {
  arguments[0] = script;
  if (line.argument) arguments.insert(arguments.begin(), std::move(*line.argument));
  arguments.insert(arguments.begin(), std::move(line.interpreter));
}

std::expected<void, LoadError> open_through_scripts(Opened& opened, LoadRequest& request) {
  opened.path = request.path;
  opened.host_path = !request.host_path.empty() ? request.host_path
                     : request.fd >= 0          ? ""
                                                : resolve(request, request.path);
  if (auto done = open_and_read(opened, request.fd, ""); !done) return done;
  for (int depth = 0; opened.start().size() >= 2 && memcmp(opened.bytes, "#!", 2) == 0; ++depth) {
    std::string script = opened.path;
    if (depth == script_depth_limit) return failed(ELOOP, script + ": more than five #! lines lead to one another");
    auto line = parse_script_line(opened.start().first(std::min(opened.size, script_line_limit)));
    if (!line)
      return failed(ENOEXEC, script + ": its #! line names no interpreter, or not within 256 bytes",
                    "write the interpreter's path there");
    opened.path = line->interpreter;
    prepend_interpreter(request.arguments, std::move(*line), script);
    opened.host_path = resolve(request, opened.path);
    if (auto done = open_and_read(opened, -1, script); !done) return done;
  }
  return {};
}

bool randomization_wanted() {
  int persona = personality(0xffffffff);
  return persona < 0 || (persona & ADDR_NO_RANDOMIZE) == 0;
}

struct Interpreter {
  std::string path;
  File file;
  Elf elf;
};

std::expected<Interpreter, LoadError> open_interpreter(const LoadRequest& request, const Opened& program,
                                                       const Elf& elf) {
  auto path = read_interpreter_path(program.file, elf, program.path);
  if (!path) return std::unexpected(path.error());
  auto file = File::open_program(resolve(request, *path).c_str());
  if (!file) {
    return no_interpreter(*path, program.path, file.error(),
                          static_cast<int>(file.error()) == ENOENT ? "give its tree with --sysroot" : "");
  }
  Start start;
  auto size = file->read_at(0, start);
  if (!size) return cannot_open(*path, size.error());
  auto parsed = read_elf(*file, *path, std::span(start).first(*size),
                         host_isa == elf.isa ? std::nullopt : std::optional(host_isa));
  if (!parsed) {
    parsed.error().error = ELIBBAD;
    return std::unexpected(parsed.error());
  }
  if (parsed->isa != elf.isa) {
    return failed(ELIBBAD,
                  "the interpreter " + *path + " of " + program.path + " is for " + name_of(parsed->isa) + ", not " +
                      name_of(elf.isa),
                  "give the program's tree with --sysroot");
  }
  return Interpreter{std::move(*path), std::move(*file), std::move(*parsed)};
}

void note_stack(LoadedProgram& loaded, InitialStack initial) {
  loaded.stack_pointer = GuestAddr{initial.stack_pointer};
  loaded.arguments_begin = GuestAddr{initial.arguments_begin};
  loaded.arguments_end = GuestAddr{initial.arguments_end};
  loaded.environment_begin = GuestAddr{initial.environment_begin};
  loaded.environment_end = GuestAddr{initial.environment_end};
  loaded.auxv_begin = GuestAddr{initial.auxv_begin};
  loaded.auxv_end = GuestAddr{initial.auxv_end};
  loaded.auxv = std::move(initial.auxv);
}

}  // namespace

std::expected<Program, LoadError> prepare(LoadRequest request) {
  if (request.arguments.empty()) request.arguments.emplace_back();
  Opened opened;
  if (auto done = open_through_scripts(opened, request); !done) return std::unexpected(done.error());
  auto elf = read_elf(opened.file, opened.path, opened.start(),
                      host_isa == request.guest ? std::nullopt : std::optional(host_isa));
  if (!elf) return std::unexpected(elf.error());
  bool native = elf->isa != request.guest;
  if (native && elf->isa != host_isa) {
    return failed(ENOEXEC, opened.path + ": an " + name_of(elf->isa) + " program, and this is a ferry for " +
                               name_of(request.guest) + " programs");
  }

  Program program;
  if (!native && elf->interpreter_size != 0) {
    auto interpreter = open_interpreter(request, opened, *elf);
    if (!interpreter) return std::unexpected(interpreter.error());
    program.interpreter_path_ = std::move(interpreter->path);
    program.interpreter_file_ = std::move(interpreter->file);
    program.interpreter_ = std::move(interpreter->elf);
  }
  if (!check_argument_size(request.arguments, request.environment, request.path, stack_limit())) {
    return failed(E2BIG, request.path + ": its arguments and environment are too long",
                  "raise `ulimit -s`, a quarter of which they may take");
  }
  program.isa_ = elf->isa;
  program.guest_ = request.guest;
  program.path_ = std::move(opened.path);
  program.host_path_ = std::move(opened.host_path);
  program.execfn_ = std::move(request.path);
  program.arguments_ = std::move(request.arguments);
  program.environment_ = std::move(request.environment);
  program.hwcap_ = request.hwcap;
  program.hwcap2_ = request.hwcap2;
  program.randomize_ = request.randomize.value_or(randomization_wanted());
  program.file_ = std::move(opened.file);
  program.elf_ = std::move(*elf);
  return program;
}

std::expected<LoadedProgram, LoadError> map(const Program& program) {
  if (program.native()) {
    return failed(ENOEXEC,
                  program.path() + ": an " + name_of(program.isa()) + " program, which this machine runs itself",
                  "run it without ferry");
  }
  LoadedProgram loaded{};
  loaded.isa = program.isa();
  loaded.executable = program.path();

  const Elf& elf = program.elf_;
  auto image = map_image(elf, program.file_, program.path(), Placement::program, program.randomize_);
  if (!image) return std::unexpected(image.error());
  loaded.mappings = std::move(image->mappings);
  loaded.program_entry = loaded.entry = GuestAddr{elf.entry + image->bias};
  loaded.brk_start = GuestAddr{choose_brk_start(image->end, program.randomize_)};

  if (program.interpreter_) {
    auto interpreter = map_image(*program.interpreter_, program.interpreter_file_, program.interpreter(),
                                 Placement::interpreter, program.randomize_);
    if (!interpreter) return std::unexpected(interpreter.error());
    loaded.mappings.insert(loaded.mappings.end(), interpreter->mappings.begin(), interpreter->mappings.end());
    loaded.interpreter_base = GuestAddr{interpreter->bias};
    loaded.entry = GuestAddr{program.interpreter_->entry + interpreter->bias};
  }

  auto vdso = map_vdso(program.isa());
  if (!vdso) return std::unexpected(vdso.error());
  loaded.vdso = vdso->base;
  loaded.signal_trampoline = vdso->signal_trampoline;
  if (raw(vdso->base) != 0) loaded.mappings.push_back(vdso->mapping);

  auto stack = map_stack(stack_limit(), elf.executable_stack);
  if (!stack) return std::unexpected(stack.error());
  loaded.stack = *stack;
  loaded.mappings.push_back(*stack);
  StackContents contents{
      .arguments = program.arguments_,
      .environment = program.environment_,
      .execfn = program.execfn_,
      .auxiliary = {.vdso = raw(loaded.vdso),
                    .hwcap = program.hwcap_,
                    .hwcap2 = program.hwcap2_,
                    .program_headers = elf.program_headers == 0 ? 0 : elf.program_headers + image->bias,
                    .program_header_count = elf.program_header_count,
                    .interpreter_base = raw(loaded.interpreter_base),
                    .entry = raw(loaded.program_entry)},
      .randomize = program.randomize_};
  note_stack(loaded, fill_stack(program.isa(), *stack, contents));
  log(Log::load, "entry 0x%llx, stack 0x%llx, heap from 0x%llx", static_cast<unsigned long long>(raw(loaded.entry)),
      static_cast<unsigned long long>(raw(loaded.stack_pointer)),
      static_cast<unsigned long long>(raw(loaded.brk_start)));
  return loaded;
}

std::expected<LoadedProgram, LoadError> load(LoadRequest request) {
  auto program = prepare(std::move(request));
  if (!program) return std::unexpected(program.error());
  return map(*program);
}

}  // namespace ferry::loader
