// The initial stack, read back as a C library's start code reads it.
#include "loader/stack.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>

#include "tests/loader/maps.h"

namespace ferry::loader {
namespace {

u64 word(u64 address) { return *read(GuestPtr<u64>{GuestAddr{address}}); }
std::string text(u64 address) { return *read_guest_string(GuestAddr{address}); }

struct ParsedStack {
  std::vector<std::string> arguments, environment;
  std::vector<u64> pointers;
  std::map<u64, u64> auxv;
  std::vector<u64> types;
  u64 end;
};

ParsedStack parse(u64 sp) {
  ParsedStack p;
  u64 count = word(sp), at = sp + 8;
  for (u64 i = 0; i < count; ++i, at += 8) {
    p.pointers.push_back(word(at));
    p.arguments.push_back(text(word(at)));
  }
  EXPECT_EQ(word(at), 0u);
  for (at += 8; word(at) != 0; at += 8) {
    p.pointers.push_back(word(at));
    p.environment.push_back(text(word(at)));
  }
  for (at += 8;; at += 16) {
    p.types.push_back(word(at));
    p.auxv[word(at)] = word(at + 8);
    if (word(at) == AT_NULL) break;
  }
  p.end = at + 16;
  return p;
}

struct StackFixture : testing::Test {
  std::expected<Mapping, LoadError> stack = map_stack(8 << 20, false);
  std::vector<std::string> arguments{"prog", "", "-x"}, environment{"HOME=/root", "LANG=C"};
  StackContents contents{.arguments = arguments,
                         .environment = environment,
                         .execfn = "./prog",
                         .auxiliary = {.vdso = 0x7000,
                                       .hwcap = 0x1234,
                                       .hwcap2 = 0x5678,
                                       .program_headers = 0x400040,
                                       .program_header_count = 9,
                                       .interpreter_base = 0x5000,
                                       .entry = 0x400400}};
  ~StackFixture() override {
    if (stack) munmap(reinterpret_cast<void*>(raw(stack->begin)), stack->end - stack->begin);
  }
};

TEST_F(StackFixture, HoldsArgumentsEnvironmentAndVectorAsLinuxLaysThem) {
  ASSERT_TRUE(stack);
  for (bool randomize : {false, true}) {
    contents.randomize = randomize;
    InitialStack s = fill_stack(Isa::aarch64, *stack, contents);
    EXPECT_EQ(s.stack_pointer % 16, 0u);
    ParsedStack p = parse(s.stack_pointer);
    EXPECT_EQ(p.arguments, arguments);
    EXPECT_EQ(p.environment, environment);
    // The strings follow each other, arguments, environment, execfn, and a null word ends the stack.
    EXPECT_EQ(p.pointers[0], s.arguments_begin);
    EXPECT_EQ(p.pointers[1], p.pointers[0] + 5);
    EXPECT_EQ(p.pointers[3], s.environment_begin);
    EXPECT_EQ(s.arguments_end, s.environment_begin);
    EXPECT_EQ(p.auxv[AT_EXECFN], s.environment_end);
    EXPECT_EQ(text(p.auxv[AT_EXECFN]), "./prog");
    EXPECT_EQ(p.auxv[AT_EXECFN] + sizeof "./prog" + 8, raw(stack->end));
    EXPECT_EQ(word(raw(stack->end) - 8), 0u);
    EXPECT_EQ(s.auxv_end, p.end);
    EXPECT_EQ(s.auxv.size() * 8, s.auxv_end - s.auxv_begin);
    EXPECT_EQ(word(s.auxv_begin), s.auxv[0]);
    EXPECT_LE(p.end, p.auxv[AT_RANDOM]);
    EXPECT_LE(p.auxv[AT_RANDOM] + 16, p.auxv[AT_PLATFORM]);
    EXPECT_LE(p.auxv[AT_PLATFORM] + 8, s.arguments_begin);
  }
}

TEST_F(StackFixture, AuxiliaryVectorIsCompleteAndInTheKernelsOrder) {
  InitialStack s = fill_stack(Isa::aarch64, *stack, contents);
  ParsedStack p = parse(s.stack_pointer);
  const std::vector<u64> order = {AT_SYSINFO_EHDR, 51 /* AT_MINSIGSTKSZ */,
                                  AT_HWCAP,        AT_PAGESZ,
                                  AT_CLKTCK,       AT_PHDR,
                                  AT_PHENT,        AT_PHNUM,
                                  AT_BASE,         AT_FLAGS,
                                  AT_ENTRY,        AT_UID,
                                  AT_EUID,         AT_GID,
                                  AT_EGID,         AT_SECURE,
                                  AT_RANDOM,       AT_HWCAP2,
                                  AT_EXECFN,       AT_PLATFORM,
                                  AT_NULL};
  EXPECT_EQ(p.types, order);
  EXPECT_EQ(p.auxv[AT_SYSINFO_EHDR], 0x7000u);
  EXPECT_EQ(p.auxv[AT_HWCAP], 0x1234u);
  EXPECT_EQ(p.auxv[AT_HWCAP2], 0x5678u);
  EXPECT_EQ(p.auxv[AT_PAGESZ], 4096u);
  EXPECT_EQ(p.auxv[AT_CLKTCK], 100u);
  EXPECT_EQ(p.auxv[AT_PHDR], 0x400040u);
  EXPECT_EQ(p.auxv[AT_PHENT], 56u);
  EXPECT_EQ(p.auxv[AT_PHNUM], 9u);
  EXPECT_EQ(p.auxv[AT_BASE], 0x5000u);
  EXPECT_EQ(p.auxv[AT_ENTRY], 0x400400u);
  EXPECT_EQ(p.auxv[AT_UID], getuid());
  EXPECT_EQ(p.auxv[AT_EGID], getegid());
  EXPECT_EQ(p.auxv[AT_SECURE], 0u);
  EXPECT_EQ(p.auxv[51], 4720u);
  EXPECT_EQ(text(p.auxv[AT_PLATFORM]), "aarch64");
}

TEST_F(StackFixture, PlatformIsTheIsas) {
  InitialStack s = fill_stack(Isa::x86_64, *stack, contents);
  EXPECT_EQ(text(parse(s.stack_pointer).auxv[AT_PLATFORM]), "x86_64");
}

TEST_F(StackFixture, RandomBytesDifferAndPositionVariesOnlyWhenWanted) {
  auto at = [&](bool randomize) {
    contents.randomize = randomize;
    return fill_stack(Isa::aarch64, *stack, contents).stack_pointer;
  };
  EXPECT_EQ(at(false), at(false));
  std::map<u64, int> seen;
  for (int i = 0; i < 20; ++i) ++seen[at(true)];
  EXPECT_GT(seen.size(), 5u);
  auto random = [&] {
    return guest_bytes(parse(fill_stack(Isa::aarch64, *stack, contents).stack_pointer).auxv[AT_RANDOM], 16);
  };
  EXPECT_NE(random(), random());
}

TEST_F(StackFixture, AlignsForAnyNumberOfStrings) {
  for (size_t count = 0; count < 6; ++count) {
    std::vector<std::string> some(count, std::string(count, 'v'));
    contents.environment = some;
    InitialStack s = fill_stack(Isa::aarch64, *stack, contents);
    EXPECT_EQ(s.stack_pointer % 16, 0u);
    EXPECT_EQ(parse(s.stack_pointer).environment, some);
  }
}

TEST_F(StackFixture, HasTheSizeAskedForAboveAGuard) {
  EXPECT_EQ(stack->end - stack->begin, u64{8} << 20);
  EXPECT_EQ(stack->protection, PROT_READ | PROT_WRITE);
  EXPECT_EQ(host_permissions(raw(stack->begin)), "rw-p");
  EXPECT_EQ(host_permissions(raw(stack->end) - 1), "rw-p");
  EXPECT_EQ(host_permissions(raw(stack->begin) - 1), "---p");
  EXPECT_EQ(host_permissions(raw(stack->begin) - (1 << 20)), "---p");
}

TEST(MapStack, TakesTheExtremesOfTheLimit) {
  for (auto [limit, size] :
       {std::pair<u64, u64>{0, 256 << 10}, {~u64{0}, u64{1} << 30}, {(1 << 20) + 1, (1 << 20) + 4096}}) {
    auto stack = map_stack(limit, true);
    ASSERT_TRUE(stack);
    EXPECT_EQ(stack->end - stack->begin, size);
    EXPECT_EQ(stack->protection, PROT_READ | PROT_WRITE | PROT_EXEC);
    EXPECT_EQ(host_permissions(raw(stack->begin)), "rw-p");
    munmap(reinterpret_cast<void*>(raw(stack->begin)), size);
  }
}

TEST(ArgumentSize, IsLimitedAsLinuxLimitsIt) {
  using Strings = std::vector<std::string>;
  auto accepted = [](const Strings& arguments, const Strings& environment, u64 limit) {
    auto checked = check_argument_size(arguments, environment, "prog", limit);
    if (!checked) {
      EXPECT_EQ(checked.error(), Errno{E2BIG});
    }
    return checked.has_value();
  };
  u64 eight_megabytes = 8 << 20;
  // One string: 128 KiB with its NUL.
  EXPECT_TRUE(accepted({std::string(131071, 'a')}, {}, eight_megabytes));
  EXPECT_FALSE(accepted({std::string(131072, 'a')}, {}, eight_megabytes));
  EXPECT_FALSE(accepted({"prog"}, {std::string(131072, 'a')}, eight_megabytes));
  // Together: a quarter of the stack, pointers included.
  Strings many(2000, std::string(1023, 'a'));
  EXPECT_TRUE(accepted(many, {}, eight_megabytes));
  EXPECT_FALSE(accepted(many, many, eight_megabytes));
  EXPECT_TRUE(accepted(many, many, u64{32} << 20));
  EXPECT_FALSE(accepted(Strings(300000, ""), {}, eight_megabytes));
  EXPECT_TRUE(accepted(Strings(200000, ""), {}, eight_megabytes));
  // Never less than 128 KiB, never more than 6 MiB.
  EXPECT_TRUE(accepted({std::string(100000, 'a')}, {}, 4096));
  EXPECT_FALSE(accepted(Strings(7000, std::string(1023, 'a')), {}, ~u64{0}));
}

// What the checks allow fits the smallest stack that is made.
TEST(ArgumentSize, LargestFitsTheSmallestStack) {
  std::vector<std::string> arguments(7000, std::string(9, 'a'));
  ASSERT_TRUE(check_argument_size(arguments, {}, "prog", 0));
  auto stack = map_stack(0, false);
  ASSERT_TRUE(stack);
  InitialStack s =
      fill_stack(Isa::aarch64, *stack, {.arguments = arguments, .environment = {}, .execfn = "prog", .auxiliary = {}});
  EXPECT_EQ(parse(s.stack_pointer).arguments, arguments);
  munmap(reinterpret_cast<void*>(raw(stack->begin)), stack->end - stack->begin);
}

}  // namespace
}  // namespace ferry::loader
