// SPDX-License-Identifier: Apache-2.0
// Connections set apart for long transactions: what they leave to others, and, as the control, what is left where
// nothing is set apart.
#include "storage/pool.h"

#include <gtest/gtest.h>

#include <future>

#include "storage/long_transactions.h"
#include "tests/support/test_database.h"

namespace afina::storage {
namespace {

using namespace std::chrono_literals;

class Lanes : public testing::Test {
 protected:
  ConnectionPool pool(int max_long) {
    return ConnectionPool([] { return TestServer::shared().url("postgres"); },
                          {.max_connections = 2, .max_long = max_long, .wait = 100ms});
  }
};

TEST_F(Lanes, LongTransactionsLeaveTheOthersTheirConnections) {
  ConnectionPool pool = this->pool(2);
  const LongTransactions here;
  const auto first = pool.acquire(), second = pool.acquire();
  EXPECT_THROW(pool.acquire(), StorageError) << "there are two for them";
  std::async(std::launch::async, [&] {
    EXPECT_FALSE(LongTransactions::here()) << "another thread is not in them";
    const auto third = pool.acquire(), fourth = pool.acquire();
    EXPECT_EQ(fourth->exec("SELECT 1 AS one").one().integer("one"), 1);
    EXPECT_THROW(pool.acquire(), StorageError);
  }).get();
}

TEST_F(Lanes, ControlWithoutAnySetApartTheyTakeAllThereAre) {
  ConnectionPool pool = this->pool(0);
  const LongTransactions here;
  const auto first = pool.acquire(), second = pool.acquire();
  std::async(std::launch::async, [&] { EXPECT_THROW(pool.acquire(), StorageError); }).get();
}

TEST_F(Lanes, AFreedConnectionGoesToWhoWaitsForOneOfItsKind) {
  ConnectionPool pool(([] { return TestServer::shared().url("postgres"); }),
                      {.max_connections = 1, .max_long = 1, .wait = 5s});
  auto ordinary = std::make_unique<ConnectionPool::Lease>(pool.acquire());
  auto held = std::async(std::launch::async, [&] {
                const LongTransactions here;
                return std::make_unique<ConnectionPool::Lease>(pool.acquire());
              }).get();
  auto waits = std::async(std::launch::async, [&] {
    const LongTransactions here;
    pool.acquire();
  });
  ordinary.reset();
  EXPECT_EQ(waits.wait_for(50ms), std::future_status::timeout) << "an ordinary one is not for it";
  held.reset();
  EXPECT_NO_THROW(waits.get());
}

TEST(LongTransactionsTest, MayBeNested) {
  EXPECT_FALSE(LongTransactions::here());
  {
    const LongTransactions outer;
    { const LongTransactions inner; }
    EXPECT_TRUE(LongTransactions::here());
  }
  EXPECT_FALSE(LongTransactions::here());
}

}  // namespace
}  // namespace afina::storage
