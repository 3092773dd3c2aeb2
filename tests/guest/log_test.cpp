// The log's category names, and that one message is one line however long it is.
#include "guest/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "guest/result.h"

namespace ferry {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(pipe(pipe_), 0);
    log_fd = pipe_[1];
  }
  void TearDown() override {
    log_fd = 2;
    log_mask = static_cast<u32>(Log::warning);
    close(pipe_[0]);
    if (pipe_[1] >= 0) close(pipe_[1]);
  }
  std::string written() {
    close(pipe_[1]);
    pipe_[1] = -1;
    std::string text(8192, '\0');
    text.resize(static_cast<size_t>(read(pipe_[0], text.data(), text.size())));
    return text;
  }
  int pipe_[2] = {-1, -1};
};

TEST_F(LogTest, warnings_are_on_and_the_rest_is_off) {
  log(Log::load, "not said");
  log(Log::warning, "met %d", 42);
  EXPECT_EQ(written(), "ferry: met 42\n");
}

TEST_F(LogTest, a_long_message_is_cut_and_ends_its_line) {
  log(Log::warning, "%s", std::string(5000, 'x').c_str());
  std::string text = written();
  EXPECT_LT(text.size(), 1100u);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

TEST(LogCategories, are_parsed_by_name) {
  u32 mask = 0;
  EXPECT_TRUE(parse_log_categories("load,signals", mask));
  EXPECT_EQ(mask, static_cast<u32>(Log::load) | static_cast<u32>(Log::signals) | static_cast<u32>(Log::warning));
  EXPECT_TRUE(parse_log_categories("all", mask));
  EXPECT_EQ(mask, ~0u);
}

TEST(LogCategories, an_unknown_name_changes_nothing) {
  u32 mask = 5;
  EXPECT_FALSE(parse_log_categories("load,nonsense", mask));
  EXPECT_EQ(mask, 5u);
}

TEST(RawResult, negated_errnos_are_exactly_the_last_4095_values) {
  EXPECT_EQ(from_raw(-1).error(), Errno{EPERM});
  EXPECT_EQ(from_raw(-4095).error(), Errno{4095});
  EXPECT_EQ(from_raw(-4096).value(), -4096);
  EXPECT_EQ(from_raw(0).value(), 0);
  EXPECT_EQ(to_raw(fail(ENOENT)), -ENOENT);
}

}  // namespace
}  // namespace ferry
