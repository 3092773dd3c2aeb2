// What one ferry hands to the next through its arguments comes out as it went in.
#include "syscalls/exec.h"

#include <gtest/gtest.h>

namespace ferry::syscalls {
namespace {

std::optional<Handover> parse(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return parse_handover(static_cast<int>(arguments.size()), argv.data());
}

TEST(Handover, ComesBackWhole) {
  Handover given;
  given.sysroot = "/a sysroot";
  given.strace = true;
  given.strace_fd = 1021;
  given.log_mask = 0xffffffff;
  given.log_fd = 7;
  given.reference = true;
  given.chain = false;
  given.stats = true;
  given.program_fd = 9;
  given.own_executable_fd = 1020;
  given.store_directory = "/a directory,store_limit=1";
  given.store_limit = u64{64} << 30;
  given.perf_map = true;
  given.jitdump = true;
  given.dump_directory = "/regions, shown";
  given.optimizer = false;
  given.optimizer_cores = 100'000;
  given.optimizer_idle = 7;
  given.path = "./a,program=1";
  given.arguments = {"", "--strace", "x y"};
  auto got = parse(handover_arguments(given));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->sysroot, given.sysroot);
  EXPECT_EQ(got->strace, given.strace);
  EXPECT_EQ(got->strace_fd, given.strace_fd);
  EXPECT_EQ(got->log_mask, given.log_mask);
  EXPECT_EQ(got->log_fd, given.log_fd);
  EXPECT_EQ(got->reference, given.reference);
  EXPECT_EQ(got->chain, given.chain);
  EXPECT_EQ(got->stats, given.stats);
  EXPECT_EQ(got->program_fd, given.program_fd);
  EXPECT_EQ(got->own_executable_fd, given.own_executable_fd);
  EXPECT_EQ(got->store_directory, given.store_directory);
  EXPECT_EQ(got->store_limit, given.store_limit);
  EXPECT_EQ(got->perf_map, given.perf_map);
  EXPECT_EQ(got->jitdump, given.jitdump);
  EXPECT_EQ(got->dump_directory, given.dump_directory);
  EXPECT_EQ(got->optimizer, given.optimizer);
  EXPECT_EQ(got->optimizer_cores, given.optimizer_cores);
  EXPECT_EQ(got->optimizer_idle, given.optimizer_idle);
  EXPECT_EQ(got->path, given.path);
  EXPECT_EQ(got->arguments, given.arguments);
}

TEST(Handover, APersonsCommandLineIsNone) {
  EXPECT_FALSE(parse({"ferry", "--strace", "program", "a", "b", "c"}));
  EXPECT_FALSE(parse({"ferry"}));
  EXPECT_FALSE(parse({"ferry", "--handover", "strace=1", "", "", "", "program"})) << "no argv[0]";
  EXPECT_FALSE(parse({"ferry", "--handover", "strace=x", "", "", "", "program", "program"}));
  EXPECT_FALSE(parse({"ferry", "--handover", "unknown=1", "", "", "", "program", "program"}));
}

}  // namespace
}  // namespace ferry::syscalls
