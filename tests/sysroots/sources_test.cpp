// apt's two source formats, and the alternatives of maintainer scripts.
#include "sysroots/sources.h"

#include <gtest/gtest.h>

#include "sysroots/unpack.h"
#include "tests/sysroots/tree.h"

namespace ferry::sysroots {
namespace {

TEST(SourcesTest, one_line_format) {
  auto sources = parse_one_line_sources(
      "# deb http://commented/debian bookworm main\n"
      "deb http://deb.debian.org/debian bookworm main contrib # trailing\n"
      "deb-src http://deb.debian.org/debian bookworm main\n"
      "deb [arch=amd64 signed-by=/keys/a.gpg] http://security.debian.org/debian-security bookworm-security main\n"
      "deb too few\n");
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].uri, "http://deb.debian.org/debian");
  EXPECT_EQ(sources[0].components, (std::vector<std::string>{"main", "contrib"}));
  EXPECT_EQ(sources[0].keyring, "");
  EXPECT_EQ(sources[1].suite, "bookworm-security");
  EXPECT_EQ(sources[1].keyring, "/keys/a.gpg");
}

TEST(SourcesTest, deb822_format) {
  auto sources = parse_deb822_sources(
      "Types: deb deb-src\n# comment\nURIs: http://a/debian\n  http://b/debian\nSuites: bookworm "
      "bookworm-updates\nComponents: main\n"
      "Signed-By: /keys/a.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://c/debian\nSuites: bookworm\nComponents: main\n\n"
      "Types: deb-src\nURIs: http://d/debian\nSuites: bookworm\nComponents: main\n");
  ASSERT_EQ(sources.size(), 4u);
  EXPECT_EQ(sources[0].uri, "http://a/debian");
  EXPECT_EQ(sources[1].suite, "bookworm-updates");
  EXPECT_EQ(sources[2].uri, "http://b/debian");
  EXPECT_EQ(sources[3].keyring, "/keys/a.gpg");
}

TEST(SourcesTest, machine_sources_are_of_the_suite_and_of_debian) {
  test::Tree etc;
  etc.file(
      "/sources.list",
      "deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-backports main\n");
  etc.file("/sources.list.d/vendor.list", "deb http://vendor.example/apt bookworm main\n");
  etc.file("/sources.list.d/debian.sources",
           "Types: deb\nURIs: http://x/debian-security\nSuites: bookworm-security trixie\nComponents: main\n");
  etc.file("/sources.list.d/ignored.save", "deb http://deb.debian.org/debian bookworm main\n");
  auto sources = machine_sources(etc.path(), "bookworm");
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].suite, "bookworm");
  EXPECT_EQ(sources[1].suite, "bookworm-security");
  EXPECT_TRUE(machine_sources("/no/such/folder", "bookworm").empty());
}

TEST(AlternativesTest, literal_words_are_taken) {
  auto found = parse_alternatives(
      "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n"
      "  update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n"
      "    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz\n"
      "  update-alternatives --install \"/usr/bin/pager\" 'pager' /bin/more 50 || true\n"
      "  update-alternatives --install /usr/bin/$i $i $basedir/bin/$i 10\n"
      "  update-alternatives --remove awk /usr/bin/mawk\nfi\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].link, "/usr/bin/awk");
  EXPECT_EQ(found[0].path, "/usr/bin/mawk");
  EXPECT_EQ(found[0].priority, 5);
  EXPECT_EQ(found[1].name, "pager");
}

TEST(AlternativesTest, cut_and_hostile_scripts_give_nothing) {
  EXPECT_TRUE(parse_alternatives("").empty());
  EXPECT_TRUE(parse_alternatives("update-alternatives --install /usr/bin/awk awk").empty());
  EXPECT_TRUE(parse_alternatives("update-alternatives --install /usr/bin/awk ../../x /usr/bin/mawk 5").empty());
  EXPECT_TRUE(parse_alternatives("update-alternatives \\").empty());
  EXPECT_TRUE(parse_alternatives("update-alternatives --install relative awk /usr/bin/mawk 5").empty());
}

}  // namespace
}  // namespace ferry::sysroots
