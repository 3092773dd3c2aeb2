// The README's table of what is served only in part or not at all says what the rows of syscalls.def say. To refresh it:
//   FERRY_WRITE_README=1 build/dev/tests/syscalls/syscalls_test --gtest_filter='SupportTable.*'
#include <errno.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace ferry::syscalls {
namespace {

constexpr const char* begin_mark = "<!-- from syscalls/syscalls.def; tests/syscalls/support_table_test.cpp -->\n";
constexpr const char* end_mark = "<!-- end of the table -->\n";

struct Limit {
  std::string names, kind, note;
};

struct Rows {
  int forwarded = 0, emulated = 0, partial = 0, refused = 0;
  std::vector<Limit> limits;

  void add_limit(const char* name, const std::string& kind, const char* note) {
    std::string code = "`" + std::string(name) + "`";
    if (!limits.empty() && limits.back().kind == kind && limits.back().note == note)
      limits.back().names += ", " + code;
    else
      limits.push_back({code, kind, note});
  }
  void add_refused(const char* name, int error, const char* why) {
    refused++;
    add_limit(name, "no: " + std::string(strerrorname_np(error)), why);
  }
};

Rows rows_of_the_table() {
  Rows rows;
#define FORWARD(...) rows.forwarded++;
#define EMULATE(...) rows.emulated++;
#define PARTIAL(name, x86_64, aarch64, limit, ...) rows.partial++, rows.add_limit(#name, "in part", limit);
#define REFUSE(name, x86_64, aarch64, error, why, ...) rows.add_refused(#name, error, why);
#include "syscalls/syscalls.def"
#undef FORWARD
#undef EMULATE
#undef PARTIAL
#undef REFUSE
  return rows;
}

std::string support_table() {
  Rows rows = rows_of_the_table();
  std::ostringstream text;
  text << "Of " << rows.forwarded + rows.emulated + rows.partial + rows.refused
       << " system calls the host's kernel serves " << rows.forwarded
       << ", with arguments checked and converted; ferry itself serves " << rows.emulated << ", and " << rows.partial
       << " in part; " << rows.refused << " fail.\n\n"
       << "| system call | served | what is not guaranteed, or why it fails |\n|---|---|---|\n";
  for (const Limit& limit : rows.limits)
    text << "| " << limit.names << " | " << limit.kind << " | " << limit.note << " |\n";
  return text.str();
}

std::string readme() {
  std::ifstream file(FERRY_README);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(SupportTable, is_what_the_readme_shows) {
  std::string text = readme();
  size_t begin = text.find(begin_mark), end = text.find(end_mark);
  ASSERT_NE(begin, text.npos) << "README.md has no line " << begin_mark;
  ASSERT_NE(end, text.npos) << "README.md has no line " << end_mark;
  begin += strlen(begin_mark);
  ASSERT_LE(begin, end);
  if (getenv("FERRY_WRITE_README") != nullptr)
    std::ofstream(FERRY_README) << text.replace(begin, end - begin, support_table());
  text = readme();
  EXPECT_EQ(support_table(), text.substr(begin, text.find(end_mark) - begin))
      << "to refresh it: FERRY_WRITE_README=1 build/dev/tests/syscalls/syscalls_test --gtest_filter='SupportTable.*'";
}

TEST(SupportTable, names_rows_with_one_note_together) {
  Rows rows;
  rows.add_limit("a", "in part", "x");
  rows.add_limit("b", "in part", "x");
  rows.add_refused("c", ENOSYS, "x");
  rows.add_limit("d", "in part", "y");
  ASSERT_EQ(rows.limits.size(), 3u);
  EXPECT_EQ(rows.limits[0].names, "`a`, `b`");
  EXPECT_EQ(rows.limits[1].kind, "no: ENOSYS");
}

}  // namespace
}  // namespace ferry::syscalls
