// The option parser: command lines, variables, which of them wins, and what the guest's environment becomes.
#include "command/options.h"

#include <gtest/gtest.h>

namespace ferry::command {
namespace {

using Words = std::vector<std::string>;

std::vector<char*> pointers(Words& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  return result;
}

std::expected<Options, std::string> parse(Words arguments, Words environment = {}) {
  return parse_options(pointers(arguments), pointers(environment));
}

TEST(OptionsTest, everything_after_the_program_is_its_own) {
  EXPECT_EQ(parse({"ls", "-l", "--strace"})->program, (Words{"ls", "-l", "--strace"}));
  auto options = parse({"--strace", "ls", "--help", "--", "-L", "x"});
  EXPECT_TRUE(options->strace);
  EXPECT_FALSE(options->help);
  EXPECT_FALSE(options->sysroot);
  EXPECT_EQ(options->program, (Words{"ls", "--help", "--", "-L", "x"}));
  EXPECT_EQ(parse({"--strace", "--", "-odd", "x"})->program, (Words{"-odd", "x"}));
}

TEST(OptionsTest, every_form_of_a_value) {
  for (const Words& words : {Words{"-L", "tree", "ls"}, Words{"-Ltree", "ls"}, Words{"--sysroot", "tree", "ls"},
                             Words{"--sysroot=tree", "ls"}}) {
    auto options = parse(words);
    ASSERT_TRUE(options) << options.error();
    EXPECT_EQ(options->sysroot, "tree");
    EXPECT_EQ(options->program, Words{"ls"});
  }
  auto options = parse(
      {"-E", "A=1,2", "-EB=", "-U", "HOME", "-0", "name", "--log", "load,signals", "--no-chain", "--no-cache", "ls"});
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->set_environment, (Words{"A=1,2", "B="}));
  EXPECT_EQ(options->unset_environment, Words{"HOME"});
  EXPECT_EQ(options->argv0, "name");
  EXPECT_EQ(options->log, "load,signals");
  EXPECT_FALSE(options->chain);
  EXPECT_FALSE(options->cache);
}

TEST(OptionsTest, variables_say_the_same_and_the_command_line_wins) {
  Words environment{"FERRY_SYSROOT=one",   "FERRY_STRACE=1",   "FERRY_SET_ENV=A=1,B=2",
                    "FERRY_UNSET_ENV=X,Y", "FERRY_ARGV0=zero", "FERRY_LOG=load"};
  auto options = parse({"ls"}, environment);
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->sysroot, "one");
  EXPECT_TRUE(options->strace);
  EXPECT_EQ(options->set_environment, (Words{"A=1", "B=2"}));
  EXPECT_EQ(options->unset_environment, (Words{"X", "Y"}));
  EXPECT_EQ(options->argv0, "zero");
  options = parse({"-L", "two", "-E", "B=3", "ls"}, environment);
  EXPECT_EQ(options->sysroot, "two");
  EXPECT_EQ(options->set_environment, (Words{"A=1", "B=2", "B=3"}));
  EXPECT_FALSE(parse({"ls"}, {"FERRY_STRACE=0"})->strace);
  EXPECT_TRUE(parse({"ls"})->cache);
  EXPECT_FALSE(parse({"ls"}, {"FERRY_NO_CACHE=1"})->cache);
  EXPECT_FALSE(parse({"ls"})->perf_map || parse({"ls"})->jitdump || parse({"ls"})->dump_regions);
  EXPECT_TRUE(parse({"--perf-map", "ls"})->perf_map && parse({"ls"}, {"FERRY_PERF_MAP=1"})->perf_map);
  EXPECT_TRUE(parse({"--jitdump", "ls"})->jitdump && parse({"ls"}, {"FERRY_JITDUMP=1"})->jitdump);
  EXPECT_EQ(parse({"--dump-regions", "d", "ls"}, {"FERRY_DUMP_REGIONS=e"})->dump_regions, "d");
  EXPECT_TRUE(parse({"ls"})->optimizer);
  EXPECT_FALSE(parse({"--no-optimizer", "ls"})->optimizer);
  EXPECT_FALSE(parse({"ls"}, {"FERRY_NO_OPTIMIZER=1"})->optimizer);
  EXPECT_EQ(parse({"--optimizer-cores", "3", "ls"}, {"FERRY_OPTIMIZER_CORES=2"})->optimizer_cores, 3u);
  EXPECT_EQ(parse({"ls"}, {"FERRY_OPTIMIZER_IDLE=5"})->optimizer_idle, 5u);
  EXPECT_FALSE(parse({"ls"}, {"FERRY_OPTIMIZER_IDLE=soon"}));
}

TEST(OptionsTest, wrong_lines_are_refused) {
  for (const Words& words :
       {Words{"--bogus", "ls"}, Words{"--sys", "x", "ls"}, Words{"-L"}, Words{"-E", "novalue", "ls"},
        Words{"-E", "=x", "ls"}, Words{"-U", "A=1", "ls"}, Words{"--log", "nosuch", "ls"}, Words{"--strace=5", "ls"},
        Words{"-L", "a", "-L", "b", "ls"}, Words{"--optimizer-cores", "0", "ls"},
        Words{"--optimizer-cores", "2x", "ls"}}) {
    auto options = parse(words);
    EXPECT_FALSE(options) << words[0];
    if (!options) EXPECT_EQ(options.error().find('\n'), std::string::npos);
  }
  EXPECT_FALSE(parse({"ls"}, {"FERRY_STRACE=perhaps"}));
  EXPECT_FALSE(parse({"ls"}, {"FERRY_LOG=nosuch"}));
}

TEST(OptionsTest, the_guest_does_not_see_ferrys_variables) {
  Words words{"A=0",
              "FERRY_STRACE=0",
              "HOME=/root",
              "FERRY_SYSROOTS=/s",
              "FERRY_CACHE_DIR=/c",
              "FERRY_CACHE_SIZE=1M",
              "FERRY_OTHER=kept",
              "B=2=3"};
  Options options;
  options.set_environment = {"A=1", "HOME=/new", "A=2"};
  options.unset_environment = {"HOME", "nosuch"};
  EXPECT_EQ(guest_environment(pointers(words), options), (Words{"FERRY_OTHER=kept", "B=2=3", "HOME=/new", "A=2"}));
}

}  // namespace
}  // namespace ferry::command
