// The store, its writer and its reader, through everything that happens to files: writers killed at any moment, cut and altered
// files, full disks, wrong owners, many at once. A record may be lost; a wrong one must never be found.
#include "translator/optimizer/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "guest/log.h"
#include "tests/translator/optimizer/sample_region.h"
#include "translator/optimizer/store_check.h"
#include "translator/optimizer/store_writer.h"

namespace ferry::optimizer {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ferry_store_XXXXXX";
    top_ = mkdtemp(name);
    options_.directory = top_ + "/made/by";
    options_.identity = "a build on a processor";
    options_.description = "a test";
    options_.limit = u64{4} << 20;
    log_mask = 0;  // what is refused here is told once each
  }
  void TearDown() override { fs::remove_all(top_); }

  std::string file() const { return options_.directory + "/" + store_file_name(options_.identity); }
  StoreCheck checked() const { return check_store(options_.directory, store_file_name(options_.identity), {}); }
  bool open(StoreReader& reader) const { return reader.open(options_.directory, options_.identity, false); }

  // A record that tells what it should be: its size, its keys and its bytes follow from its number.
  static std::vector<u8> payload(u64 number) {
    std::mt19937_64 random(number);
    std::vector<u8> bytes(random() % 3000 + 1);
    for (u8& byte : bytes) byte = static_cast<u8>(random());
    return bytes;
  }
  static u64 key(u64 number, u64 entry = 0) { return (number * 8 + entry + 1) * 0xd6e8feb86659fd93; }
  static std::vector<u64> keys(u64 number) {
    std::vector<u64> result;
    for (u64 entry = 0; entry <= number % 4; ++entry) result.push_back(key(number, entry));
    return result;
  }
  static u64 request(u64 number) { return key(number, 7); }
  static bool add(StoreWriter& writer, u64 number) {
    return writer.add(request(number), 1, payload(number), keys(number));
  }

  // Whether the record is found; what is found must be right.
  static bool has(StoreReader& reader, u64 number) {
    std::vector<u8> bytes = payload(number);
    std::vector<u64> all = keys(number);
    size_t found = 0;
    for (u32 entry = 0; entry < all.size(); ++entry)
      for (const StoreCandidate& candidate : reader.find(all[entry])) {
        EXPECT_TRUE(std::ranges::equal(candidate.region, bytes)) << number;
        EXPECT_EQ(candidate.entry, entry);
        ++found;
      }
    return found == all.size();
  }
  u64 count(u64 limit) const {
    StoreReader reader;
    if (!open(reader)) return 0;
    u64 found = 0;
    for (u64 number = 0; number < limit; ++number) found += has(reader, number);
    return found;
  }

  std::string top_;
  StoreOptions options_;
};

// In a child, so that limits, namespaces and kills stay there. What it returns is its status.
template <class Work>
int in_child(Work&& work) {
  pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int open_descriptors() {
  return static_cast<int>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator{}));
}

TEST_F(StoreTest, WhatIsWrittenIsFoundByEveryKeyAndNothingElseIs) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  StoreReader reader;
  int before = open_descriptors();
  ASSERT_TRUE(open(reader));
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(reader.find(key(1)).count, 0u);
  for (u64 number = 0; number < 100; ++number) ASSERT_TRUE(add(writer, number));
  for (u64 number = 0; number < 100; ++number) EXPECT_TRUE(has(reader, number)) << number;
  EXPECT_EQ(reader.find(key(100)).count, 0u);
  EXPECT_FALSE(reader.is_replaced());
}

// A reader that keeps its descriptor, and has somewhere to read to.
class DescriptorReader : public StoreReader {
 public:
  explicit DescriptorReader(int (*take)(int) = [](int fd) { return fd; }) : StoreReader({take, [](int) {}}) {
    read_into({reinterpret_cast<u8*>(buffer_.data()), buffer_size});
  }

 private:
  std::vector<u64> buffer_ = std::vector<u64>(buffer_size / sizeof(u64));
};

// Through the end of what is read first, of the buffer, and of the store.
TEST_F(StoreTest, RecordsOfEverySizeAreReadByDescriptor) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  DescriptorReader reader;
  int before = open_descriptors();
  ASSERT_TRUE(open(reader));
  EXPECT_EQ(open_descriptors(), before + 1);
  std::vector<size_t> sizes;
  for (size_t around : {size_t{1}, size_t{16 * 1024}, StoreReader::buffer_size, 3 * StoreReader::buffer_size})
    for (size_t less : {0, 1, 39, 40, 41, 64}) sizes.push_back(around > less ? around - less : around);
  auto bytes = [](size_t size) { return std::vector<u8>(size, static_cast<u8>(size % 251)); };
  for (size_t size : sizes) {
    u64 one[] = {key(size)};
    ASSERT_TRUE(writer.add(request(size), 1, bytes(size), one));
    ASSERT_TRUE(writer.add_page(size, bytes(size)));
    EXPECT_TRUE(std::ranges::equal(reader.find_page(size), bytes(size))) << size;  // the last one
    StoreCandidates found = reader.find(key(size));
    ASSERT_EQ(found.count, 1u) << size;
    EXPECT_TRUE(std::ranges::equal(found.items[0].region, bytes(size))) << size;
  }
  // Together more than goes into the buffer.
  u64 same[] = {42};
  for (u8 number = 0; number < max_candidates; ++number)
    ASSERT_TRUE(writer.add(number, 1, std::vector<u8>(15'000, number), same));
  StoreCandidates found = reader.find(42);
  ASSERT_EQ(found.count, max_candidates);
  for (u32 i = 0; i < found.count; ++i)
    EXPECT_TRUE(std::ranges::equal(found.items[i].region, std::vector<u8>(15'000, static_cast<u8>(7 - i)))) << i;
  reader.close();
  EXPECT_EQ(open_descriptors(), before);
}

// None is left, or somebody has closed it.
TEST_F(StoreTest, WithoutADescriptorRecordsAreFoundInTheMapping) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  DescriptorReader none([](int) { return -1; });
  ASSERT_TRUE(open(none));
  EXPECT_TRUE(has(none, 1));
  static int taken;
  DescriptorReader closed([](int fd) { return taken = fd; });
  ASSERT_TRUE(open(closed));
  ::close(taken);
  EXPECT_TRUE(has(closed, 1));
  // Then the number is another file's.
  int other = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(taken, dup2(other, taken));
  EXPECT_TRUE(has(closed, 1));
}

TEST_F(StoreTest, PermissionsAreTheOwnersAlone) {
  mode_t old = umask(0);
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  umask(old);
  struct stat status;
  ASSERT_EQ(stat(options_.directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  for (const auto& entry : fs::directory_iterator(options_.directory)) {
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u) << entry.path();
  }
}

TEST_F(StoreTest, OfManyWithOneKeyTheNewestAreFoundNewestFirst) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  std::vector<u64> same{42};
  for (u8 number = 0; number < 30; ++number) ASSERT_TRUE(writer.add(number, 1, std::vector<u8>{number}, same));
  StoreReader reader;
  ASSERT_TRUE(open(reader));
  StoreCandidates found = reader.find(42);
  ASSERT_EQ(found.count, max_candidates);
  for (u32 i = 0; i < found.count; ++i) EXPECT_EQ(found.items[i].region[0], 29 - i);
}

TEST_F(StoreTest, EntriesThatNobodyIsToFindAreNotFound) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  std::vector<u64> some{7, 0, 7};
  ASSERT_TRUE(writer.add(1, 1, std::vector<u8>{1}, some));
  StoreReader reader;
  ASSERT_TRUE(open(reader));
  EXPECT_EQ(reader.find(0).count, 0u);
  StoreCandidates found = reader.find(7);
  ASSERT_EQ(found.count, 2u);
  EXPECT_EQ(found.items[0].entry, 0u);
  EXPECT_EQ(found.items[1].entry, 2u);
}

TEST_F(StoreTest, WhatIsMadeAheadOfTimeIsKeptApart) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  std::vector<u64> both{42};
  ASSERT_TRUE(writer.add(1, 0, std::vector<u8>{1}, both));
  for (int round = 0; round < 2; ++round) {
    StoreReader reader;
    ASSERT_TRUE(open(reader));
    StoreCandidates hot = reader.find(42), ahead = reader.find_ahead(42);
    EXPECT_TRUE(hot.more_ahead);
    EXPECT_EQ(hot.count, static_cast<u32>(round));
    ASSERT_EQ(ahead.count, 1u);
    EXPECT_EQ(ahead.items[0].region[0], 1);
    EXPECT_FALSE(reader.find(43).more_ahead);
    if (round == 0) ASSERT_TRUE(writer.add(2, u64{1} << 40, std::vector<u8>{2}, both) && writer.evict());
  }
  EXPECT_EQ(writer.find_request(1), StoreWriter::Known::region);
}

TEST_F(StoreTest, RequestsAreKnownAgainGoodOrBad) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  ASSERT_TRUE(writer.remember_bad(2, "it made the compiler fall over"));
  for (int round = 0; round < 2; ++round) {
    std::span<const u8> region;
    EXPECT_EQ(writer.find_request(request(1), &region), StoreWriter::Known::region);
    EXPECT_TRUE(std::ranges::equal(region, payload(1)));
    EXPECT_EQ(writer.find_request(2), StoreWriter::Known::bad);
    EXPECT_EQ(writer.find_request(3), StoreWriter::Known::nothing);
    ASSERT_TRUE(writer.open(options_));
  }
  ASSERT_TRUE(writer.remember_bad(request(1), "it is wrong"));
  EXPECT_EQ(writer.find_request(request(1)), StoreWriter::Known::bad);
}

TEST_F(StoreTest, TheSameIsNotWrittenTwice) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  u64 used = checked().used;
  ASSERT_TRUE(add(writer, 1));
  EXPECT_EQ(checked().used, used);
}

TEST_F(StoreTest, TheIndexGrowsWithReadersInIt) {
  options_.limit = u64{64} << 20;
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  StoreReader reader;
  ASSERT_TRUE(open(reader));
  std::vector<u8> small{1, 2, 3};
  for (u64 number = 1; number <= 40'000; ++number) {
    u64 one[] = {key(number)};
    ASSERT_TRUE(writer.add(number, 1, small, one));
    if (number % 1000 == 0) ASSERT_EQ(reader.find(key(number)).count, 1u);
  }
  for (u64 number = 1; number <= 40'000; ++number) ASSERT_EQ(reader.find(key(number)).count, 1u) << number;
  EXPECT_FALSE(reader.is_replaced());
}

TEST_F(StoreTest, EvictionKeepsTheNewestAndLeavesReadersWhatTheyHave) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 0));
  StoreReader reader;
  ASSERT_TRUE(open(reader));
  StoreCandidates held = reader.find(key(0));
  ASSERT_EQ(held.count, 1u);
  u64 number = 1;
  for (; !reader.is_replaced() && number < 100'000; ++number) ASSERT_TRUE(add(writer, number));
  ASSERT_TRUE(reader.is_replaced());
  EXPECT_TRUE(std::ranges::equal(held.items[0].region, payload(0)));
  EXPECT_TRUE(has(reader, 0));
  StoreReader newer;
  ASSERT_TRUE(open(newer));
  EXPECT_TRUE(has(newer, number - 1));
  EXPECT_TRUE(has(newer, number - 100));
  EXPECT_FALSE(has(newer, 0));
  EXPECT_LE(checked().used, options_.limit);
  // And on, round after round.
  for (u64 end = number + 20'000; number < end; ++number) ASSERT_TRUE(add(writer, number));
  StoreReader newest;
  ASSERT_TRUE(open(newest));
  EXPECT_TRUE(has(newest, number - 1));
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.directory), fs::directory_iterator{}), 2);  // and the lock
}

TEST_F(StoreTest, ARecordLargerThanTheStoreIsRefusedAndTheRestStays) {
  options_.limit = smallest_store;
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  EXPECT_FALSE(writer.add(5, 1, std::vector<u8>(smallest_store), keys(5)));
  EXPECT_TRUE(add(writer, 2));
  EXPECT_EQ(count(3), 2u);
}

TEST_F(StoreTest, AnotherSizeKeepsTheRecords) {
  {
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    for (u64 number = 0; number < 100; ++number) ASSERT_TRUE(add(writer, number));
  }
  options_.limit *= 2;
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  EXPECT_EQ(fs::file_size(file()), options_.limit);
  EXPECT_EQ(count(100), 100u);
}

TEST_F(StoreTest, AKilledWriterLeavesAStoreThatIsRight) {
  constexpr u64 numbers = 3000;
  std::mt19937 random(1);
  u64 most = 0;
  for (int round = 0; round < 40; ++round) {
    pid_t child = fork();
    if (child == 0) {
      StoreWriter writer;
      if (!writer.open(options_)) _exit(1);
      for (u64 number = 0;; ++number) {
        add(writer, number % numbers);
        if (number % 700 == 699) writer.evict();
      }
    }
    usleep(random() % (20'000u << round / 10));  // in the end long enough for a slow machine
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));  // and not because it could not open what the one before left
    most = std::max(most, count(numbers));
    if (fs::exists(file())) EXPECT_EQ(checked().damaged, 0u);
  }
  EXPECT_GT(most, 0u);
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  EXPECT_TRUE(add(writer, numbers));
  for (const auto& entry : fs::directory_iterator(options_.directory))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".new")) << "leftovers go";
}

TEST_F(StoreTest, AFileCutAnywhereIsRefusedAndBegunAnew) {
  {
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    for (u64 number = 0; number < 50; ++number) ASSERT_TRUE(add(writer, number));
  }
  for (u64 size : {u64{0}, u64{1}, u64{63}, u64{64}, u64{4095}, u64{4096}, u64{4097}, u64{50'000}, u64{1} << 20,
                   options_.limit - 4096, options_.limit - 1, options_.limit + 1, options_.limit * 2}) {
    fs::resize_file(file(), size);
    EXPECT_EQ(count(50), 0u) << size;
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_)) << size;
    EXPECT_EQ(fs::file_size(file()), options_.limit);
    for (u64 number = 0; number < 50; ++number) ASSERT_TRUE(add(writer, number));
    EXPECT_EQ(count(50), 50u) << size;
  }
}

TEST_F(StoreTest, AlteredBytesAreNeverTakenForARegion) {
  constexpr u64 numbers = 60;
  options_.limit = smallest_store;
  {
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    for (u64 number = 0; number < numbers; ++number) ASSERT_TRUE(add(writer, number));
  }
  fs::copy_file(file(), top_ + "/good");
  std::mt19937_64 random(2);
  u64 used = checked().used, found = 0, damaged = 0;
  for (int round = 0; round < 400; ++round) {
    fs::copy_file(top_ + "/good", file(), fs::copy_options::overwrite_existing);
    {
      std::fstream bytes(file(), std::ios::in | std::ios::out | std::ios::binary);
      // One bit in the header or anywhere; or a whole stretch of noise, as a lost block is.
      u64 at = random() % (round % 4 == 0 ? 160 : used);
      int length = round % 8 == 1 ? 4096 : 1;
      for (int i = 0; i < length; ++i) {
        bytes.seekg(static_cast<long>(at) + i);
        int byte = bytes.get();
        bytes.seekp(static_cast<long>(at) + i);
        bytes.put(static_cast<char>(length == 1 ? byte ^ (1 << random() % 8) : static_cast<int>(random())));
      }
    }
    found += count(numbers);  // has() compares what is found
    damaged += checked().damaged;
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    ASSERT_TRUE(add(writer, numbers + 1));
    EXPECT_GE(count(numbers + 2), 1u);
  }
  EXPECT_GT(found, 100 * numbers);
  EXPECT_GT(damaged, 100u);
}

TEST_F(StoreTest, AStoreDamagedUnderItsWriterIsBegunAnew) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  {
    std::fstream bytes(file(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(offsetof(StoreHeader, index));
    bytes.write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  }
  EXPECT_EQ(count(3), 0u);
  ASSERT_TRUE(add(writer, 2));
  EXPECT_EQ(count(3), 1u);
}

TEST_F(StoreTest, ASecondWriterIsRefusedUntilTheFirstHasGone) {
  StoreWriter first, second;
  ASSERT_TRUE(first.open(options_));
  auto refused = second.open(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error, EBUSY);
  EXPECT_FALSE(add(second, 1));
  ASSERT_TRUE(first.evict());
  EXPECT_FALSE(second.open(options_)) << "of the new file neither";
  first.close();
  EXPECT_TRUE(second.open(options_));
  EXPECT_TRUE(add(second, 1));
}

TEST_F(StoreTest, AStoreRemovedUnderItsWriterIsBegunAnew) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  fs::remove(file());
  ASSERT_TRUE(add(writer, 2));
  EXPECT_EQ(count(3), 1u);
  fs::remove_all(options_.directory);
  ASSERT_TRUE(add(writer, 1));
  EXPECT_EQ(count(3), 1u);
}

TEST_F(StoreTest, AWriteBeyondTheLimitOnFilesEndsTheWritingOnly) {
  auto work = [&] {
    StoreWriter writer;
    if (!writer.open(options_)) return 1;
    if (!add(writer, 1)) return 2;
    rlimit small{100'000, 100'000};
    setrlimit(RLIMIT_FSIZE, &small);
    u64 number = 2;
    while (number < 1000 && add(writer, number)) ++number;
    if (number == 1000 || writer.is_open()) return 3;
    return count(number) >= number - 2 ? 0 : 4;
  };
  EXPECT_EQ(in_child(work), 0);
}

TEST_F(StoreTest, AFullDiskAndAReadOnlyOneEndTheWritingOnly) {
  constexpr int not_permitted = 77;
  auto work = [&] {
    fs::create_directories(options_.directory);
    const char* place = options_.directory.c_str();
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return not_permitted;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return not_permitted;
    if (mount("tmpfs", place, "tmpfs", 0, "size=1m,mode=700") != 0) return not_permitted;
    u64 number = 0;
    {
      StoreWriter writer;
      if (!writer.open(options_)) return 1;
      while (number < 5000 && add(writer, number)) ++number;
      if (number == 5000 || writer.is_open()) return 2;
    }
    if (number < 100 || count(number) < number - 1) return 3;
    if (mount("tmpfs", place, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m,mode=700") != 0) return not_permitted;
    StoreWriter writer;
    auto refused = writer.open(options_);
    if (refused || refused.error().error != EROFS) return 4;
    return count(number) >= number - 1 ? 0 : 5;
  };
  int status = in_child(work);
  if (status == not_permitted) GTEST_SKIP() << "mounting a file system is not permitted here";
  EXPECT_EQ(status, 0);
}

TEST_F(StoreTest, WhatOthersMayUseIsNotUsed) {
  {
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    ASSERT_TRUE(add(writer, 1));
  }
  auto refuses = [&](const char* why) {
    StoreReader reader;
    EXPECT_FALSE(open(reader)) << why;
    StoreWriter writer;
    auto opened = writer.open(options_);
    ASSERT_FALSE(opened) << why;
    EXPECT_EQ(opened.error().text.find('\n'), std::string::npos);
  };
  chmod(options_.directory.c_str(), 0750);
  refuses("a directory that the group may enter");
  chmod(options_.directory.c_str(), 0700);
  chmod(file().c_str(), 0640);
  refuses("a file that the group may read");
  chmod(file().c_str(), 0600);
  EXPECT_EQ(count(2), 1u);

  fs::rename(file(), top_ + "/elsewhere");
  fs::create_symlink(top_ + "/elsewhere", file());
  refuses("a link for the file");
  fs::remove(file());
  ASSERT_EQ(mkfifo(file().c_str(), 0600), 0);
  refuses("a pipe for the file");
  fs::remove(file());
  fs::rename(top_ + "/elsewhere", file());
  EXPECT_EQ(count(2), 1u);

  fs::rename(options_.directory, top_ + "/other");
  fs::create_directory_symlink(top_ + "/other", options_.directory);
  refuses("a link for the directory");
  options_.directory = "/";
  if (geteuid() != 0) refuses("another's directory");
  options_.directory = top_ + "/other";
  if (geteuid() == 0) {
    ASSERT_EQ(chown(options_.directory.c_str(), 12345, 12345), 0);
    refuses("another's directory");
    ASSERT_EQ(chown(options_.directory.c_str(), 0, 0), 0);
    ASSERT_EQ(chown(file().c_str(), 12345, 12345), 0);
    refuses("another's file");
  }
}

TEST_F(StoreTest, NothingIsUsedByAPrivilegedProgram) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  StoreReader reader;
  EXPECT_FALSE(reader.open(options_.directory, options_.identity, true));
  EXPECT_EQ(reader.find(key(1)).count, 0u);
}

TEST_F(StoreTest, AnotherBuildAnotherStore) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  StoreReader reader;
  EXPECT_FALSE(reader.open(options_.directory, "another build", false));
  // Not even under its name.
  fs::copy_file(file(), options_.directory + "/" + store_file_name("another build"));
  EXPECT_FALSE(reader.open(options_.directory, "another build", false));
  EXPECT_FALSE(reader.open(options_.directory, "", false));
  EXPECT_FALSE(reader.open("", options_.identity, false));
  EXPECT_FALSE(reader.open(top_ + "/nowhere", options_.identity, false));
}

TEST_F(StoreTest, TheLimitIsForAllStoresTogether) {
  options_.limit = u64{2} << 20;
  std::vector<u8> big(700'000, 1);
  for (int build = 0; build < 5; ++build) {
    options_.identity = "build " + std::to_string(build);
    StoreWriter writer;
    ASSERT_TRUE(writer.open(options_));
    ASSERT_TRUE(writer.add(1, 1, big, keys(1)));
    timespec times[2] = {{.tv_sec = 1'000'000 + build, .tv_nsec = 0}, {.tv_sec = 1'000'000 + build, .tv_nsec = 0}};
    utimensat(AT_FDCWD, file().c_str(), times, 0);
  }
  options_.identity = "build 5";
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  std::vector<bool> there;
  for (int build = 0; build < 5; ++build)
    there.push_back(fs::exists(options_.directory + "/" + store_file_name("build " + std::to_string(build))));
  EXPECT_EQ(there, (std::vector<bool>{false, false, false, true, true}));
}

TEST_F(StoreTest, AThousandReadersWhileTheWriterAddsAndEvicts) {
  options_.limit = smallest_store;
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  std::atomic<bool> done = false;
  std::atomic<u64> last = 0, opened = 0, found = 0;
  std::vector<std::thread> readers;
  for (unsigned thread = 0; thread < 4; ++thread)
    readers.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int round = 0; round < 250; ++round) {
        DescriptorReader by_descriptor;
        StoreReader in_mapping, &reader = round % 2 != 0 ? by_descriptor : in_mapping;
        if (!open(reader)) continue;
        ++opened;
        for (u64 i = 0, newest = last; i < 20; ++i) found += has(reader, newest - std::min(newest, random() % 50));
      }
      done = done || thread == 0;
    });
  for (u64 number = 0; !done; ++number) {
    ASSERT_TRUE(add(writer, number));
    last = number;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(opened, 1000u);
  EXPECT_GT(found, 1000u);
}

TEST_F(StoreTest, TheMappingCannotBeMadeWritable) {
  StoreWriter writer;
  ASSERT_TRUE(writer.open(options_));
  ASSERT_TRUE(add(writer, 1));
  StoreReader reader;
  ASSERT_TRUE(open(reader));
  u64 address = reinterpret_cast<u64>(reader.find(key(1)).items[0].region.data()) & ~u64{4095};
  EXPECT_NE(mprotect(reinterpret_cast<void*>(address), 4096, PROT_READ | PROT_WRITE), 0);
  EXPECT_EQ(errno, EACCES);
}

TEST(StoreIdentity, IsTheBuildsAndTheProcessors) {
  std::string identity = store_identity();
  EXPECT_TRUE(identity.starts_with("build ")) << "linked without a build id";
  EXPECT_EQ(identity, store_identity());
  EXPECT_EQ(store_file_name("x").size(), store_file_name(identity).size());
  EXPECT_NE(store_file_name("x"), store_file_name("y"));
}

TEST(StoreDirectory, IsFoundInTheEnvironment) {
  std::map<const char*, std::string> old;
  for (const char* name : {"FERRY_CACHE_DIR", "XDG_CACHE_HOME", "HOME"}) {
    if (const char* value = getenv(name)) old[name] = value;
    unsetenv(name);
  }
  EXPECT_EQ(store_directory(), "");
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(store_directory(), "/home/me/.cache/ferry");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(store_directory(), "/home/me/.cache/ferry");
  setenv("XDG_CACHE_HOME", "/var/me", 1);
  EXPECT_EQ(store_directory(), "/var/me/ferry");
  setenv("FERRY_CACHE_DIR", "here", 1);
  EXPECT_EQ(store_directory(), "here");
  for (const char* name : {"FERRY_CACHE_DIR", "XDG_CACHE_HOME", "HOME"}) unsetenv(name);
  for (const auto& [name, value] : old) setenv(name, value.c_str(), 1);
}

TEST(StoreSize, IsReadWithItsUnits) {
  EXPECT_EQ(parse_store_size("256M"), u64{256} << 20);
  EXPECT_EQ(parse_store_size("2G"), u64{2} << 30);
  EXPECT_EQ(parse_store_size("2048K"), u64{2} << 20);
  EXPECT_EQ(parse_store_size("1048576"), u64{1} << 20);
  for (const char* wrong : {"", "M", "-1M", "1", "65G", "99999999999999999999G", "18446744073709551615K", "1 M", "1MB"})
    EXPECT_FALSE(parse_store_size(wrong)) << wrong;
}

}  // namespace
}  // namespace ferry::optimizer
