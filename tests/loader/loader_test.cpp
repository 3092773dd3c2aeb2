// The face on real files: what is prepared, what is refused with which errno and words, what is mapped.
#include "loader/loader.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/loader/elf_builder.h"
#include "tests/loader/maps.h"

namespace ferry::loader {
namespace {

const std::string programs = TEST_PROGRAMS;

struct Directory : testing::Test {
  std::string path = testing::TempDir() + "loader_test." + std::to_string(getpid()) + "/";
  Directory() { std::filesystem::create_directory(path); }
  ~Directory() override { std::filesystem::remove_all(path); }

  std::string write_file(const std::string& name, const std::string& text, mode_t mode = 0755) {
    std::ofstream(path + name) << text;
    chmod((path + name).c_str(), mode);
    return path + name;
  }
  std::string write_file(const std::string& name, const ElfBuilder& elf) {
    auto bytes = elf.bytes();
    return write_file(name, std::string(bytes.begin(), bytes.end()));
  }
  // The tests' interpreter in the place that the programs name.
  static std::string resolve(const std::string& guest_path) {
    return guest_path == "/lib/ld-test.so.1" ? programs + "interpreter" : guest_path;
  }
  static LoadRequest request(const std::string& path) {
    LoadRequest r;
    r.path = path;
    r.arguments = {path, "argument"};
    r.environment = {"A=1"};
    r.resolve = resolve;
    return r;
  }
  static LoadError refusal(LoadRequest r) {
    auto program = prepare(std::move(r));
    EXPECT_FALSE(program);
    return program ? LoadError{} : program.error();
  }
};

TEST_F(Directory, LoadsADynamicProgramWithItsInterpreter) {
  auto r = request(programs + "pie");
  r.hwcap = 0xabc;
  r.hwcap2 = 0xdef;
  auto program = prepare(std::move(r));
  ASSERT_TRUE(program) << program.error().text;
  EXPECT_EQ(program->interpreter(), "/lib/ld-test.so.1");
  EXPECT_FALSE(program->native());
  auto loaded = map(*program);
  ASSERT_TRUE(loaded) << loaded.error().text;
  Unmapper unmapper(loaded->mappings);

  auto file = read_whole(programs + "pie"), interpreter_file = read_whole(programs + "interpreter");
  auto elf = parse_elf(file), interpreter = parse_elf(interpreter_file);
  u64 bias = raw(loaded->program_entry) - elf->elf.entry, interpreter_bias = raw(loaded->interpreter_base);
  EXPECT_EQ(bias % 0x10000, 0u);
  EXPECT_NE(interpreter_bias, 0u);
  EXPECT_EQ(raw(loaded->entry), interpreter_bias + interpreter->elf.entry);
  EXPECT_GE(raw(loaded->brk_start), bias + elf->elf.end());
  EXPECT_EQ(loaded->executable, programs + "pie");

  auto value = [&](u64 type) {
    for (size_t i = 0; i < loaded->auxv.size(); i += 2) {
      if (loaded->auxv[i] == type) return loaded->auxv[i + 1];
    }
    return ~u64{0};
  };
  EXPECT_EQ(value(AT_HWCAP), 0xabcu);
  EXPECT_EQ(value(AT_HWCAP2), 0xdefu);
  EXPECT_EQ(value(AT_BASE), interpreter_bias);
  EXPECT_EQ(value(AT_ENTRY), raw(loaded->program_entry));
  EXPECT_EQ(value(AT_SYSINFO_EHDR), raw(loaded->vdso));
  EXPECT_EQ(value(AT_PHNUM), elf->elf.program_header_count);
  EXPECT_EQ(guest_bytes(value(AT_PHDR), 56), std::vector<u8>(file.begin() + 64, file.begin() + 64 + 56));
  EXPECT_EQ(*read(GuestPtr<u32>{loaded->signal_trampoline}), 0xd2801168u);
  EXPECT_EQ(*read(GuestPtr<u64>{loaded->stack_pointer}), 2u);
  EXPECT_EQ(*read_guest_string(loaded->arguments_begin), programs + "pie");
  EXPECT_EQ(*read_guest_string(loaded->environment_begin), "A=1");
  EXPECT_EQ(loaded->auxv_end - loaded->auxv_begin, loaded->auxv.size() * 8);
  EXPECT_EQ(loaded->stack.protection, PROT_READ | PROT_WRITE);
  EXPECT_LE(raw(loaded->stack.begin), raw(loaded->stack_pointer));
  EXPECT_LT(raw(loaded->stack_pointer), raw(loaded->stack.end));
}

TEST_F(Directory, LoadsStaticProgramsAtTheirEntry) {
  for (const char* name : {"static", "static-pie"}) {
    auto loaded = load(request(programs + name));
    ASSERT_TRUE(loaded) << loaded.error().text;
    Unmapper unmapper(loaded->mappings);
    EXPECT_EQ(loaded->entry, loaded->program_entry);
    EXPECT_EQ(raw(loaded->interpreter_base), 0u);
  }
}

TEST_F(Directory, StackIsExecutableToTheGuestOnlyWhenTheProgramAsks) {
  auto loaded = load(request(programs + "executable-stack"));
  ASSERT_TRUE(loaded);
  Unmapper unmapper(loaded->mappings);
  EXPECT_EQ(loaded->stack.protection, PROT_READ | PROT_WRITE | PROT_EXEC);
  EXPECT_EQ(host_permissions(raw(loaded->stack_pointer)), "rw-p");
}

TEST_F(Directory, LoadsFromADescriptorWhichStaysTheCallers) {
  for (int flags : {O_RDONLY, O_PATH}) {
    int fd = open((programs + "static-pie").c_str(), flags | O_CLOEXEC);
    auto r = request("/nowhere/prog");
    r.fd = fd;
    auto program = prepare(std::move(r));
    ASSERT_TRUE(program) << program.error().text;
    EXPECT_EQ(program->execfn(), "/nowhere/prog");
    EXPECT_NE(fcntl(fd, F_GETFD), -1);
    close(fd);
    auto loaded = map(*program);
    ASSERT_TRUE(loaded);
    Unmapper unmapper(loaded->mappings);
  }
  auto r = request("/nowhere/prog");
  r.fd = 1000;
  EXPECT_EQ(refusal(std::move(r)).error, EBADF);
}

TEST_F(Directory, ProgramWithoutArgumentsHasAnEmptyOne) {
  auto r = request(programs + "static-pie");
  r.arguments.clear();
  auto program = prepare(std::move(r));
  ASSERT_TRUE(program);
  EXPECT_EQ(program->arguments(), std::vector<std::string>{""});
}

TEST_F(Directory, PrepareLeavesNoDescriptorOpenAfterItsProgramIsGone) {
  auto count = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  auto before = count();
  {
    auto program = prepare(request(programs + "pie"));
    ASSERT_TRUE(program);
    EXPECT_EQ(count(), before + 2);
    Program moved = std::move(*program);
    EXPECT_EQ(count(), before + 2);
  }
  refusal(request(write_file("bad", "no program")));
  EXPECT_EQ(count(), before);
}

TEST_F(Directory, RefusesWhatIsNotThereOrNotAllowed) {
  LoadError e = refusal(request(path + "missing"));
  EXPECT_EQ(e.error, ENOENT);
  EXPECT_EQ(e.exit_status(), 127);
  EXPECT_EQ(e.text, path + "missing: no such file");
  e = refusal(request(path));
  EXPECT_EQ(e.error, EACCES) << "a directory";
  EXPECT_EQ(e.exit_status(), 126);
  EXPECT_EQ(refusal(request(write_file("plain", "#!/bin/sh\n", 0644))).error, EACCES);
  EXPECT_EQ(refusal(request(write_file("file", "x") + "/below")).error, ENOTDIR);
  ASSERT_EQ(mkfifo((path + "fifo").c_str(), 0755), 0);
  EXPECT_EQ(refusal(request(path + "fifo")).error, EACCES);
  ASSERT_EQ(symlink("loop", (path + "loop").c_str()), 0);
  EXPECT_EQ(refusal(request(path + "loop")).error, ELOOP);
}

TEST_F(Directory, RefusesWhatIsNoProgramWithItsReason) {
  EXPECT_EQ(refusal(request(write_file("empty", ""))).error, ENOEXEC);
  EXPECT_EQ(refusal(request(write_file("text", "echo\n"))).text, path + "text: not an ELF file");
  ElfBuilder cut;
  cut.file_size = 0x2000;
  LoadError e = refusal(request(write_file("cut", cut)));
  EXPECT_EQ(e.error, ENOEXEC);
  EXPECT_EQ(e.exit_status(), 126);
  EXPECT_EQ(e.text, path + "cut: truncated: segment 1 ends at 0x2800 but the file has 0x2000 bytes");
}

TEST_F(Directory, ReadsProgramHeadersFromAnywhereInTheFile) {
  ElfBuilder b;
  b.header.e_phoff = 0x2900;
  auto program = prepare(request(write_file("far", b)));
  ASSERT_TRUE(program) << program.error().text;
  auto loaded = map(*program);
  ASSERT_TRUE(loaded) << loaded.error().text;
  Unmapper unmapper(loaded->mappings);
}

TEST_F(Directory, KnowsProgramsOfOtherArchitectures) {
  auto r = request(programs + "x86_64");
  if (host_isa == Isa::x86_64) {
    auto program = prepare(std::move(r));
    ASSERT_TRUE(program);
    EXPECT_TRUE(program->native());
    EXPECT_EQ(program->isa(), Isa::x86_64);
    auto loaded = map(*program);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().error, ENOEXEC);
    EXPECT_NE(loaded.error().text.find("an x86-64 program, which this machine runs itself"), std::string::npos);
  } else {
    LoadError e = refusal(std::move(r));
    EXPECT_EQ(e.error, ENOEXEC);
    EXPECT_NE(e.text.find("an x86-64 program"), std::string::npos);
  }
  ElfBuilder b;
  b.header.e_machine = EM_RISCV;
  EXPECT_NE(refusal(request(write_file("riscv", b))).text.find("neither AArch64 nor x86-64"), std::string::npos);
}

TEST_F(Directory, NamesAnInterpreterThatIsMissing) {
  auto r = request(programs + "pie");
  r.resolve = [](const std::string& p) { return p == "/lib/ld-test.so.1" ? "/nowhere/ld" : p; };
  LoadError e = refusal(std::move(r));
  EXPECT_EQ(e.error, ENOENT);
  EXPECT_EQ(e.text, "the interpreter /lib/ld-test.so.1 of " + programs + "pie was not found");
  EXPECT_EQ(e.remedy, "give its tree with --sysroot");
}

TEST_F(Directory, RefusesAnInterpreterThatIsNone) {
  std::string target;
  auto with = [&](const std::string& file) {
    target = file;
    auto r = request(programs + "pie");
    r.resolve = [&](const std::string& p) { return p == "/lib/ld-test.so.1" ? target : p; };
    return refusal(std::move(r));
  };
  EXPECT_EQ(with(write_file("text", "text")).error, ELIBBAD);
  LoadError e = with(programs + "x86_64");
  EXPECT_EQ(e.error, ELIBBAD);
  EXPECT_EQ(e.text, "the interpreter /lib/ld-test.so.1 of " + programs + "pie is for x86-64, not AArch64");
  EXPECT_EQ(with(write_file("unreadable", "", 0600)).error, EACCES);
}

TEST_F(Directory, RefusesAnInterpretersPathWithoutItsEnd) {
  ElfBuilder b;
  b.with_interpreter("/lib/ld.so");
  EXPECT_NE(refusal(request(write_file("open", b))).text.find("does not end in a NUL"), std::string::npos);
}

TEST_F(Directory, RunsScriptsByTheirInterpreter) {
  std::string inner = write_file("inner", "#!" + programs + "static-pie  -a b \n");
  auto program = prepare(request(inner));
  ASSERT_TRUE(program) << program.error().text;
  EXPECT_EQ(program->arguments(), (std::vector<std::string>{programs + "static-pie", "-a b", inner, "argument"}));
  EXPECT_EQ(program->path(), programs + "static-pie");
  EXPECT_EQ(program->execfn(), inner);

  std::string outer = write_file("outer", "#!" + inner + "\n");
  program = prepare(request(outer));
  ASSERT_TRUE(program) << program.error().text;
  EXPECT_EQ(program->arguments(),
            (std::vector<std::string>{programs + "static-pie", "-a b", inner, outer, "argument"}));
  EXPECT_EQ(program->execfn(), outer);
}

TEST_F(Directory, ResolvesAScriptsInterpreter) {
  auto r = request(write_file("script", "#!/lib/ld-test.so.1\n"));
  auto program = prepare(std::move(r));
  ASSERT_TRUE(program) << program.error().text;
  EXPECT_EQ(program->path(), "/lib/ld-test.so.1");
  EXPECT_EQ(program->host_path(), programs + "interpreter");
  EXPECT_EQ(program->arguments()[0], "/lib/ld-test.so.1");
}

TEST_F(Directory, ScriptOfAHostProgramIsNative) {
  if (host_isa != Isa::x86_64) GTEST_SKIP();
  std::string script = write_file("script", "#!" + programs + "x86_64 -x\n");
  auto program = prepare(request(script));
  ASSERT_TRUE(program) << program.error().text;
  EXPECT_TRUE(program->native());
  EXPECT_EQ(program->host_path(), programs + "x86_64");
  EXPECT_EQ(program->arguments(), (std::vector<std::string>{programs + "x86_64", "-x", script, "argument"}));
}

TEST_F(Directory, FollowsFiveScriptsAndNoMore) {
  std::string interpreter = programs + "static-pie";
  for (int depth = 1; depth <= 6; ++depth) {
    interpreter = write_file(std::to_string(depth), std::string("#!").append(interpreter).append("\n"));
    auto program = prepare(request(interpreter));
    ASSERT_EQ(program.has_value(), depth <= 5) << depth;
    if (!program) {
      EXPECT_EQ(program.error().error, ELOOP);
    }
  }
  std::string self = write_file("self", "#!" + path + "self\n");
  EXPECT_EQ(refusal(request(self)).error, ELOOP);
}

TEST_F(Directory, RefusesScriptsWithoutAnInterpreter) {
  EXPECT_EQ(refusal(request(write_file("none", "#!\n"))).error, ENOEXEC);
  LoadError e = refusal(request(write_file("missing", "#!/nowhere/sh\n")));
  EXPECT_EQ(e.error, ENOENT);
  EXPECT_EQ(e.text, "the interpreter /nowhere/sh of " + path + "missing was not found");
}

TEST_F(Directory, RefusesTooManyArguments) {
  auto r = request(programs + "static-pie");
  r.arguments.push_back(std::string(200000, 'a'));
  EXPECT_EQ(refusal(std::move(r)).error, E2BIG);
}

}  // namespace
}  // namespace ferry::loader
