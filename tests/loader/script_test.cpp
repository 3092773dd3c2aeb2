// #! lines against what fs/binfmt_script.c makes of them.
#include "loader/script.h"

#include <gtest/gtest.h>

#include <string_view>

namespace ferry::loader {
namespace {

std::optional<ScriptLine> parse(std::string_view text) {
  return parse_script_line({reinterpret_cast<const u8*>(text.data()), text.size()});
}

struct Line {
  std::string_view text;
  const char* interpreter;  // null: not a script that can be run
  const char* argument;     // null: none
};

using namespace std::string_view_literals;

const Line lines[] = {
    {"#!/bin/sh\necho\n", "/bin/sh", nullptr},
    {"#!/bin/sh", "/bin/sh", nullptr},
    {"#! \t/bin/sh \t\n", "/bin/sh", nullptr},
    {"#!/bin/sh -e\n", "/bin/sh", "-e"},
    {"#!/usr/bin/env  python3 -u  \n", "/usr/bin/env", "python3 -u"},
    {"#!/usr/bin/env\t-S\tpython3\n", "/usr/bin/env", "-S\tpython3"},
    {"#!sh\n", "sh", nullptr},
    {"#!/bin/sh\r\n", "/bin/sh\r", nullptr},
    {"#!/bin/sh\0-e\n"sv, "/bin/sh", nullptr},
    {"#!/bin/sh a\0b\n"sv, "/bin/sh", "a"},
    {"#!\n/bin/sh\n", nullptr, nullptr},
    {"#! \t \n", nullptr, nullptr},
    {"#!", nullptr, nullptr},
    {"#", nullptr, nullptr},
    {"", nullptr, nullptr},
    {"echo\n", nullptr, nullptr},
    {" #!/bin/sh\n", nullptr, nullptr},
};

TEST(ScriptLine, IsReadAsTheKernelReadsIt) {
  for (const Line& l : lines) {
    auto line = parse(l.text);
    ASSERT_EQ(line.has_value(), l.interpreter != nullptr) << l.text;
    if (!line) continue;
    EXPECT_EQ(line->interpreter, l.interpreter) << l.text;
    ASSERT_EQ(line->argument.has_value(), l.argument != nullptr) << l.text;
    if (line->argument) {
      EXPECT_EQ(*line->argument, l.argument);
    }
  }
}

TEST(ScriptLine, EndsAfter256Bytes) {
  std::string longest = "#!/" + std::string(252, 'a');
  ASSERT_EQ(longest.size(), 255u);
  EXPECT_EQ(parse(longest + "\n")->interpreter.size(), 253u);
  // The name's end must be seen: 256 bytes without one may be the start of a longer name.
  EXPECT_FALSE(parse(longest + "a"));
  EXPECT_FALSE(parse(longest + "ab\n"));
  EXPECT_EQ(parse(longest + " b\n")->interpreter.size(), 253u);
  // An argument is cut where the limit is.
  auto cut = parse("#!/bin/sh " + std::string(400, 'x') + "\n");
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->interpreter, "/bin/sh");
  EXPECT_EQ(cut->argument->size(), 255 - sizeof "#!/bin/sh");
  EXPECT_FALSE(parse("#!" + std::string(300, ' ') + "/bin/sh\n"));
}

}  // namespace
}  // namespace ferry::loader
