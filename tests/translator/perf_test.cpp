// The files that perf reads, byte by byte as its documentation has them, and that nobody else's file is ever written.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "translator/perf/jitdump.h"
#include "translator/perf/map_file.h"

namespace ferry::perf {
namespace {

// Beyond any that runs, and another in each test: they run side by side.
const int process = 1'000'000'000 + getpid();

int same(int fd) { return fd; }

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class PerfMap : public testing::Test {
 protected:
  PerfMap() { unlink(path_.c_str()); }
  ~PerfMap() override { unlink(path_.c_str()); }
  std::string path_ = "/tmp/perf-" + std::to_string(process) + ".map";
  std::vector<int> gone_;
  Gone note_gone_ = [this](int fd) { gone_.push_back(fd); };
};

TEST_F(PerfMap, HasALineForEachPiece) {
  {
    MapFile map(process, false, [](int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 500); }, note_gone_);
    ASSERT_TRUE(map.is_open());
    EXPECT_EQ(map.path(), path_);
    map.add(0x7f0012345680, 0x1f, "main+0x10");
    map.add(0x10, 0, "std::sort<int> [region]");
    EXPECT_EQ(contents(path_), "7f0012345680 1f main+0x10\n10 0 std::sort<int> [region]\n");
    EXPECT_TRUE(gone_.empty());
  }
  ASSERT_EQ(gone_.size(), 1u);
  EXPECT_GE(gone_[0], 500);
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFREG | 0600u);
}

TEST_F(PerfMap, IsNewForANewProgramAndGoesOnAfterExecve) {
  MapFile(process, false, same, note_gone_).add(1, 1, "first");
  MapFile(process, true, same, note_gone_).add(2, 2, "second");
  EXPECT_EQ(contents(path_), "1 1 first\n2 2 second\n");
  MapFile(process, false, same, note_gone_).add(3, 3, "third");
  EXPECT_EQ(contents(path_), "3 3 third\n");
  unlink(path_.c_str());
  MapFile(process, true, same, note_gone_).add(4, 4, "fourth");
  EXPECT_EQ(contents(path_), "4 4 fourth\n");
}

TEST_F(PerfMap, WritesThroughNoLinkAndIntoNothingElse) {
  std::string other = testing::TempDir() + "ferry-perf-other-" + std::to_string(process);
  for (bool continued : {false, true}) {
    std::ofstream(other) << "precious";
    ASSERT_EQ(symlink(other.c_str(), path_.c_str()), 0);
    MapFile(process, continued, same, note_gone_).add(1, 1, "x");
    EXPECT_EQ(contents(other), "precious");
    unlink(path_.c_str());
    ASSERT_EQ(link(other.c_str(), path_.c_str()), 0);
    MapFile(process, continued, same, note_gone_).add(1, 1, "x");
    EXPECT_EQ(contents(other), "precious");
    unlink(path_.c_str());
    // A pipe that nobody reads does not make it wait.
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    MapFile(process, continued, same, note_gone_).add(1, 1, "x");
    EXPECT_EQ(contents(path_), "1 1 x\n");
    unlink(path_.c_str());
    // What cannot be replaced is left alone.
    ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
    MapFile map(process, continued, same, note_gone_);
    EXPECT_FALSE(map.is_open());
    map.add(1, 1, "x");
    rmdir(path_.c_str());
  }
  unlink(other.c_str());
}

// Reads a jitdump as perf does (jitdump-specification.txt).
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  template <class T>
  T get() {
    T value{};
    EXPECT_LE(at_ + sizeof value, bytes_.size());
    if (at_ + sizeof value <= bytes_.size()) memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string get_text() {
    std::string text = bytes_.c_str() + at_;
    at_ += text.size() + 1;
    return text;
  }
  std::string get_bytes(size_t size) {
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  size_t at() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

u64 now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<u64>(t.tv_sec) * 1000000000 + static_cast<u64>(t.tv_nsec);
}

bool mapped_executable(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(path) && line.find("r-xp") != line.npos) return true;
  return false;
}

TEST(Jitdump, IsAsPerfReadsIt) {
  u64 before = now();
  std::string path;
  std::vector<u8> code{0x48, 0x89, 0xc3, 0xc3};
  {
    Jitdump dump(process, same, [](int) {});
    ASSERT_TRUE(dump.is_open());
    path = dump.path();
    EXPECT_TRUE(path.ends_with("/jit-" + std::to_string(process) + ".dump"));
    EXPECT_TRUE(mapped_executable(path)) << "perf finds the file by this";
    dump.add(0x1000, code, "main");
    dump.add(0x2000, std::span(code).subspan(1), "f+0x4 [region]");
  }
  EXPECT_FALSE(mapped_executable(path));
  u64 after = now(), previous = before;
  Reader in(contents(path));
  auto time = [&] {
    u64 at = in.get<u64>();
    EXPECT_GE(at, previous);
    EXPECT_LE(at, after);
    previous = at;
  };
  EXPECT_EQ(in.get<u32>(), 0x4a695444u);
  EXPECT_EQ(in.get<u32>(), 1u);
  EXPECT_EQ(in.get<u32>(), 40u);
  u32 machine = in.get<u32>();
  EXPECT_TRUE(machine == EM_X86_64 || machine == EM_AARCH64);
  EXPECT_EQ(in.get<u32>(), 0u);
  EXPECT_EQ(in.get<u32>(), static_cast<u32>(process));
  time();
  EXPECT_EQ(in.get<u64>(), 0u);
  for (u64 i = 0; i < 2; i++) {
    size_t begin = in.at();
    EXPECT_EQ(in.get<u32>(), 0u);  // JIT_CODE_LOAD
    u32 size = in.get<u32>();
    time();
    EXPECT_EQ(in.get<u32>(), static_cast<u32>(process));
    EXPECT_EQ(in.get<u32>(), static_cast<u32>(gettid()));
    EXPECT_EQ(in.get<u64>(), 0x1000 * (i + 1));
    EXPECT_EQ(in.get<u64>(), 0x1000 * (i + 1));
    EXPECT_EQ(in.get<u64>(), 4 - i);
    EXPECT_EQ(in.get<u64>(), i);
    EXPECT_EQ(in.get_text(), i == 0 ? "main" : "f+0x4 [region]");
    EXPECT_EQ(in.get_bytes(4 - i), std::string(code.begin() + static_cast<long>(i), code.end()));
    EXPECT_EQ(in.at() - begin, size);
  }
  EXPECT_EQ(in.get<u32>(), 3u);  // JIT_CODE_CLOSE
  EXPECT_EQ(in.get<u32>(), 16u);
  time();
  EXPECT_TRUE(in.at_end());
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFREG | 0600u);
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
}

TEST(Jitdump, LivesWhereTemporaryFilesDo) {
  setenv("TMPDIR", "/nonexistent-directory", 1);
  Jitdump dump(process, same, [](int) {});
  unsetenv("TMPDIR");
  EXPECT_FALSE(dump.is_open());
  dump.add(1, {}, "x");
}

}  // namespace
}  // namespace ferry::perf
