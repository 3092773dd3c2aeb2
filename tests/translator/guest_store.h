// A store that guest code of this process finds what it needs in: what a test puts there, as the optimiser's process would.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "tests/translator/guest_code.h"
#include "translator/optimizer/store_writer.h"
#include "translator/regions.h"

namespace ferry::test {

class GuestStore : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    constexpr char identity[] = "guest_store";
    handle_guest_faults();
    translator::start({});
    char name[] = "/tmp/ferry-store-XXXXXX";
    directory = mkdtemp(name);
    ASSERT_TRUE(writer.open({.directory = directory, .identity = identity, .description = "for a test"}).has_value());
    optimizer::ClientOptions client;
    client.identity = identity;
    client.directory = directory;
    translator::start_optimizer(client);
  }
  static void TearDownTestSuite() {
    writer.close();
    std::filesystem::remove_all(directory);
  }

  static inline optimizer::StoreWriter writer;
  static inline std::string directory;
};

}  // namespace ferry::test
