// SPDX-License-Identifier: Apache-2.0
// A database that is not there yet: who opens it may wait, and says for how long.
#include <gtest/gtest.h>

#include <stop_token>
#include <thread>

#include "base/error.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace afina::storage {
namespace {

using namespace std::chrono_literals;

class Patience : public ::testing::Test {
 protected:
  Cluster& server() { return TestServer::shared().cluster(); }
  void TearDown() override {
    if (!server().running()) server().restart();
  }
  std::unique_ptr<Database> open(std::chrono::milliseconds patience, const std::stop_token& stop = {},
                                 const std::string& name = "afina_template") {
    DatabaseOptions options;
    options.announce = false;
    options.patience = patience;
    options.stop = stop;
    return Database::open({DatabaseTarget::Kind::url, TestServer::shared().url(name), {}}, options);
  }
};

TEST_F(Patience, WithoutItADatabaseThatIsAwayIsToldAtOnce) {
  server().stop();
  EXPECT_THROW(open(0ms), StorageError);
}

TEST_F(Patience, ADatabaseThatStartsLaterIsOpened) {
  server().stop();
  std::unique_ptr<Database> database;
  std::exception_ptr failure;
  {
    std::jthread opener([&] {
      try {
        database = open(2min);
      } catch (...) {
        failure = std::current_exception();
      }
    });
    server().restart();
  }
  ASSERT_EQ(failure, nullptr);
  EXPECT_EQ(database->read([](Transaction& t) { return t.exec("SELECT 1 AS one").one().integer("one"); }), 1);
}

TEST_F(Patience, EndsWithItsTime) {
  server().stop();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(open(300ms), StorageError);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms) << "it tried more than once";
}

TEST_F(Patience, EndsWhereTheProgramIsToldToStop) {
  server().stop();
  std::stop_source stop;
  std::jthread opener([&] { EXPECT_THROW(open(24h, stop.get_token()), StorageError); });
  stop.request_stop();
}

TEST_F(Patience, IsNotForWhatWaitingCannotMend) {
  EXPECT_THROW(open(24h, {}, "no_such_database"), StorageError);
}

}  // namespace
}  // namespace afina::storage
