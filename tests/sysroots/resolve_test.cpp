// Path resolution into a sysroot: every case in both ways of resolving (openat2 and component by component), which must agree.
#include "sysroots/resolve.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "sysroots/walk.h"
#include "tests/sysroots/tree.h"

namespace ferry::sysroots {
namespace {

// One sysroot for all cases: set_sysroot() is once in a process.
class ResolveTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tree = new test::Tree;
    tree->file("/usr/lib/libc.so", "x");
    tree->link("usr/lib", "/lib");
    tree->link("/usr/lib/libc.so", "/etc/absolute");
    tree->link("libc.so", "/usr/lib/relative");
    tree->link("/etc/absolute", "/etc/chain");
    tree->link("../../../../../../../../../usr/lib/libc.so", "/etc/climbing");
    tree->link("/", "/etc/root");
    tree->link("/nowhere", "/etc/dangling");
    tree->link("b", "/loop/a");
    tree->link("a", "/loop/b");
    tree->link("self", "/loop/self");
    tree->link("/run", "/var/run");
    tree->directory("/run");
    tree->directory("/tmp/of-the-sysroot");
    tree->directory("/proc/1");
    tree->file("/etc/passwd-of-the-guest");
    tree->directory("/empty");
    for (int i = 0; i < 45; ++i) {
      tree->link(i == 0 ? "/usr/lib/libc.so" : "/many/" + std::to_string(i - 1), "/many/" + std::to_string(i));
    }
    ASSERT_TRUE(set_sysroot(tree->path() + "/usr/..//"));
  }
  static void TearDownTestSuite() {
    close(sysroot_descriptor());
    delete tree;
  }

  // What a guest path becomes, with "S" for the sysroot, or "E" and the error.
  static std::string shorten(const Result<const char*>& result) {
    if (!result) return "E" + std::to_string(static_cast<int>(result.error()));
    std::string found = *result;
    if (found.starts_with(tree->path())) return "S" + found.substr(tree->path().size());
    return found;
  }
  static std::string both(const char* path, LastLink last) {
    PathBuffer buffer;
    std::string quick = shorten(resolve(path, last, buffer));
    Result<bool> walked = walk(sysroot(), sysroot_descriptor(), path, last, buffer);
    std::string slow = shorten(!walked   ? Result<const char*>{std::unexpected(walked.error())}
                               : *walked ? buffer
                                         : path);
    EXPECT_EQ(quick, slow) << path;
    return quick;
  }
  static std::string follow(const char* path) { return both(path, LastLink::follow); }
  static std::string keep(const char* path) { return both(path, LastLink::keep); }

  static test::Tree* tree;
};
test::Tree* ResolveTest::tree;

TEST_F(ResolveTest, sysroot_is_absolute_and_without_a_final_slash) { EXPECT_EQ(sysroot(), tree->path()); }

TEST_F(ResolveTest, what_exists_in_the_sysroot_is_found_there) {
  EXPECT_EQ(follow("/usr/lib/libc.so"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("//usr///lib/./libc.so"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/"), "S");
  EXPECT_EQ(follow("/empty"), "S/empty");
}

TEST_F(ResolveTest, relative_to_a_directory_of_the_sysroot_is_as_from_its_absolute_path) {
  auto at = [](const std::string& directory, const char* path, LastLink last) {
    int fd = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    PathBuffer buffer;
    std::string found = shorten(resolve_at(fd, path, last, buffer));
    close(fd);
    return found;
  };
  std::string root = tree->path();
  EXPECT_EQ(at(root, "usr/lib/libc.so", LastLink::follow), "usr/lib/libc.so");  // the kernel finds it as it is
  EXPECT_EQ(at(root, "etc/absolute", LastLink::follow), "S/usr/lib/libc.so");
  EXPECT_EQ(at(root, "etc/absolute", LastLink::keep), "etc/absolute");
  EXPECT_EQ(at(root + "/usr/lib", "../../../../../etc/chain", LastLink::follow), "S/usr/lib/libc.so");
  EXPECT_EQ(at(root, "tmp", LastLink::follow), "/tmp");
  EXPECT_EQ(at(root, "tmp/new-file", LastLink::keep), "/tmp/new-file");
#ifndef EMULATED_HOST  // no openat2 in qemu-user 7.2, and without it the answer is spelled /proc/self/status
  EXPECT_EQ(at(root + "/usr/lib", "../../proc/self/status", LastLink::follow), "/usr/lib/../../proc/self/status");
#endif
  EXPECT_EQ(at(root, ".", LastLink::keep), ".");
  EXPECT_EQ(at(root, "new-file", LastLink::keep), "new-file");
  EXPECT_EQ(at("/", "usr/lib/libc.so", LastLink::follow), "usr/lib/libc.so");

  test::Tree outside;
  outside.file("/x");
  std::string below_tmp = outside.path().substr(1) + "/x";
  EXPECT_EQ(at(root, below_tmp.c_str(), LastLink::follow), outside.path() + "/x");
}

TEST_F(ResolveTest, what_does_not_exist_there_is_the_hosts) {
  EXPECT_EQ(follow("/no/such/file"), "/no/such/file");
  EXPECT_EQ(follow("/empty/new-file"), "/empty/new-file");
  EXPECT_EQ(keep("/empty/new-file"), "/empty/new-file");
  EXPECT_EQ(follow("/usr/lib/libc.so/below-a-file"), "/usr/lib/libc.so/below-a-file");
  EXPECT_EQ(follow("/usr/lib/libc.so/"), "/usr/lib/libc.so/");
}

TEST_F(ResolveTest, links_are_followed_inside_the_sysroot) {
  EXPECT_EQ(follow("/lib/libc.so"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/lib/relative"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/etc/absolute"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/etc/chain"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/etc/climbing"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/etc/root/usr/lib/libc.so"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/etc/root"), "S");
  EXPECT_EQ(follow("/etc/dangling"), "/etc/dangling");
}

TEST_F(ResolveTest, dot_dot_does_not_leave) {
  EXPECT_EQ(follow("/../../../../usr/lib/libc.so"), "S/usr/lib/libc.so");
  EXPECT_EQ(follow("/lib/../lib/libc.so"), "S/usr/lib/libc.so");  // /lib is a link: its parent is /usr
  EXPECT_EQ(follow("/usr/lib/../../../.."), "S");
  EXPECT_EQ(follow("/usr/lib/libc.so/.."), "/usr/lib/libc.so/..");
}

TEST_F(ResolveTest, last_link_is_kept_where_asked) {
  EXPECT_EQ(keep("/lib"), "S/lib");
  EXPECT_EQ(keep("/lib/"), "S/usr/lib/");
  EXPECT_EQ(keep("/lib/relative"), "S/usr/lib/relative");
  EXPECT_EQ(keep("/etc/dangling"), "S/etc/dangling");
  EXPECT_EQ(keep("/loop/self"), "S/loop/self");
}

TEST_F(ResolveTest, trailing_slash_stays) {
  EXPECT_EQ(follow("/usr/lib/"), "S/usr/lib/");
  EXPECT_EQ(follow("/empty//"), "S/empty/");
}

TEST_F(ResolveTest, loops_end_in_eloop) {
  std::string eloop = "E" + std::to_string(ELOOP);
  EXPECT_EQ(follow("/loop/a"), eloop);
  EXPECT_EQ(follow("/loop/self"), eloop);
  EXPECT_EQ(keep("/loop/a/x"), eloop);
  EXPECT_EQ(follow("/many/39"), "S/usr/lib/libc.so");  // 40 links
  EXPECT_EQ(follow("/many/40"), eloop);
}

TEST_F(ResolveTest, some_directories_are_always_the_hosts) {
  EXPECT_EQ(follow("/tmp/of-the-sysroot"), "/tmp/of-the-sysroot");
  EXPECT_EQ(follow("/proc/1"), "/proc/1");
  EXPECT_EQ(follow("/run"), "/run");
  EXPECT_EQ(follow("/var/run"), "/run");
  EXPECT_EQ(keep("/var/run"), "S/var/run");
  PathBuffer buffer;
  EXPECT_STREQ(*resolve("//proc/self", LastLink::follow, buffer), "//proc/self");
  EXPECT_EQ(shorten(resolve("/tmp/../etc/absolute", LastLink::follow, buffer)), "S/usr/lib/libc.so");
  EXPECT_EQ(shorten(resolve("/tmpfile", LastLink::follow, buffer)), "/tmpfile");
}

TEST_F(ResolveTest, relative_paths_stay) {
  PathBuffer buffer;
  const char* path = "usr/lib/libc.so";
  EXPECT_EQ(*resolve(path, LastLink::follow, buffer), path);
  EXPECT_EQ(*resolve("", LastLink::follow, buffer), std::string_view{});
}

TEST_F(ResolveTest, too_long_a_path_is_an_error) {
#ifdef EMULATED_HOST
  GTEST_SKIP() << "qemu-user shortens paths";
#endif
  std::string path = "/usr";
  while (path.size() < PATH_MAX + 10) path += "/../usr";
  EXPECT_EQ(shorten([&] {
              PathBuffer buffer;
              return resolve(path.c_str(), LastLink::follow, buffer);
            }()),
            "E" + std::to_string(ENAMETOOLONG));
}

TEST_F(ResolveTest, leaves_no_descriptor_behind) {
  int before = dup(0);
  close(before);
  PathBuffer buffer;
  for (int i = 0; i < 50; ++i)
    resolve("/etc/absolute", LastLink::follow, buffer), resolve("/loop/a", LastLink::follow, buffer);
  int after = dup(0);
  close(after);
  EXPECT_EQ(before, after);
}

TEST_F(ResolveTest, guest_view_takes_the_sysroot_off) {
  EXPECT_EQ(guest_view(tree->path("/usr/bin/python3")), "/usr/bin/python3");
  EXPECT_EQ(guest_view(tree->path()), "/");
  EXPECT_EQ(guest_view(tree->path() + "-other/usr"), tree->path() + "-other/usr");
  EXPECT_EQ(guest_view("/home/somebody"), "/home/somebody");
  EXPECT_EQ(guest_view("relative"), "relative");
  EXPECT_EQ(guest_view(""), "");
}

}  // namespace
}  // namespace ferry::sysroots
