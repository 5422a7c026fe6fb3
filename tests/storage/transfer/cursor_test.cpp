// SPDX-License-Identifier: Apache-2.0
// Queries read batch by batch while the server makes the next one: what else a transaction does meanwhile, errors in
// what nobody read yet, and memory that does not grow with the rows.
#include "storage/cursor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "base/error.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace afina::storage {
namespace {

constexpr const char* kNumbers = "SELECT n, 'texto ' || n, n % 3 = 0, nullif(n, 7) FROM generate_series(1, 600) n";

class CursorTest : public ::testing::Test {
 protected:
  CursorTest() {
    test.db().transaction([](Transaction& t) { t.script("CREATE TABLE seen (n bigint)"); });
  }
  int64_t seen() {
    return test.db().read([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM seen").one().integer("n"); });
  }
  TestDatabase test;
};

// Every way of reading must meet every row once, in order, also where the last batch is full.
TEST_F(CursorTest, EachWayOfReadingMeetsEachRowOnce) {
  for (const bool ahead : {true, false}) {
    for (const bool binary : {true, false}) {
      for (const int64_t batch : {1, 7, 150, 600, 10'000}) {
        test.db().read([&](Transaction& t) {
          Cursor rows(t, "numbers", kNumbers, {}, {batch, ahead, binary});
          int64_t sum = 0, count = 0;
          while (rows.next()) {
            sum += rows.whole(0);
            EXPECT_EQ(rows.whole(0), ++count);
            EXPECT_EQ(rows.text(1), cat("texto ", count));
            EXPECT_EQ(rows.truth(2), count % 3 == 0);
            EXPECT_EQ(rows.maybe_whole(3).has_value(), count != 7);
          }
          EXPECT_EQ(count, 600);
          EXPECT_EQ(sum, 600 * 601 / 2);
          EXPECT_FALSE(rows.next()) << "the end stays the end";
          return 0;
        });
      }
    }
  }
}

TEST_F(CursorTest, BinaryCellsAreWhatPostgresSays) {
  test.db().read([](Transaction& t) {
    Cursor row(t, "cells",
               "SELECT '0192aBcd-0000-7000-8000-00000000ff01'::uuid, '2026-11-21 12:34:56.789012+00'::timestamptz, "
               "'1969-12-31 23:59:59+00'::timestamptz, (-3)::smallint, (-70000)::integer, 9007199254740993::bigint, "
               "NULL::uuid",
               {}, {.binary = true});
    EXPECT_TRUE(row.next());
    std::string id = "something longer than a UUID has ever been in its life";
    write_uuid(row.uuid(0), id);
    EXPECT_EQ(id, "0192abcd-0000-7000-8000-00000000ff01");
    EXPECT_EQ(row.micros(1), 1'795'264'496'789'012);
    EXPECT_EQ(row.micros(2), -1'000'000);
    EXPECT_EQ(row.whole(3), -3);
    EXPECT_EQ(row.whole(4), -70'000);
    EXPECT_EQ(row.whole(5), 9'007'199'254'740'993);
    write_uuid(row.uuid(6), id);
    EXPECT_EQ(id, "");
    EXPECT_THROW(row.whole(6), InternalError) << "NULL is no number";
    EXPECT_THROW(row.uuid(3), InternalError);
    EXPECT_THROW(row.micros(3), InternalError);
    return 0;
  });
}

TEST_F(CursorTest, StatementsBetweenTwoRowsFindTheConnectionFree) {
  test.db().transaction([](Transaction& t) {
    Cursor one(t, "one", kNumbers, {}, {.rows_per_fetch = 100});
    Cursor two(t, "two", kNumbers, {}, {.rows_per_fetch = 70, .binary = true});
    int64_t count = 0;
    while (one.next()) {
      ASSERT_TRUE(two.next());
      EXPECT_EQ(one.whole(0), two.whole(0));
      if (++count % 90 == 0) t.exec("INSERT INTO seen VALUES ($1::bigint)", Params().integer(one.whole(0)));
      if (count % 200 == 0) t.script("SELECT 1; SELECT 2");
    }
    EXPECT_EQ(count, 600);
  });
  EXPECT_EQ(seen(), 6);
}

TEST_F(CursorTest, ACursorThatIsLeftEarlyLeavesAGoodTransaction) {
  test.db().transaction([](Transaction& t) {
    for (int i = 0; i < 5; ++i) {
      Cursor rows(t, cat("left", i), kNumbers, {}, {.rows_per_fetch = 10});
      EXPECT_TRUE(rows.next());
    }
    t.exec("INSERT INTO seen VALUES (1)");
    Cursor rows(t, "last", kNumbers, {}, {.rows_per_fetch = 10});
    EXPECT_TRUE(rows.next());
  });
  EXPECT_EQ(seen(), 1) << "committed with an answer on its way";
  EXPECT_THROW(test.db().transaction([](Transaction& t) {
    Cursor rows(t, "thrown", kNumbers, {}, {.rows_per_fetch = 10});
    rows.next();
    throw std::runtime_error("enough");
  }),
               std::runtime_error);
  test.db().transaction([](Transaction& t) { t.exec("INSERT INTO seen VALUES (2)"); });
  EXPECT_EQ(seen(), 2) << "the connection went back to the pool in order";
}

constexpr const char* kBreaksLater = "SELECT 1 / (150 - n) FROM generate_series(1, 1000) n";

TEST_F(CursorTest, AnErrorInTheNextBatchIsThrownWhereItsRowsAreAskedFor) {
  EXPECT_THROW(test.db().read([](Transaction& t) {
    Cursor rows(t, "breaks", kBreaksLater, {}, {.rows_per_fetch = 100});
    int64_t count = 0;
    try {
      while (rows.next())
        ++count;
    } catch (...) {
      EXPECT_EQ(count, 100) << "the first batch was whole";
      throw;
    }
    return 0;
  }),
               DataError);
}

// PostgreSQL answers COMMIT after an error with a silent rollback. Control: read in turns, the error never happens.
TEST_F(CursorTest, AnErrorInRowsThatNobodyReadIsNeverTakenForACommit) {
  const auto run = [&](bool ahead) {
    test.db().transaction([&](Transaction& t) {
      t.exec("INSERT INTO seen VALUES (1)");
      Cursor rows(t, "unread", kBreaksLater, {}, {.rows_per_fetch = 100, .ahead = ahead});
      EXPECT_TRUE(rows.next());
    });
  };
  EXPECT_THROW(run(true), DataError);
  EXPECT_EQ(seen(), 0);
  run(false);
  EXPECT_EQ(seen(), 1);
}

TEST_F(CursorTest, AServerThatGoesAwayMidwayIsAStorageError) {
  EXPECT_THROW(test.db().read([](Transaction& t) {
    const int64_t pid = t.exec("SELECT pg_backend_pid() AS pid").one().integer("pid");
    Cursor rows(t, "cut", kNumbers, {}, {.rows_per_fetch = 100});
    EXPECT_TRUE(rows.next());
    TestServer::shared().sql(cat("SELECT pg_terminate_backend(", pid, ")"));
    while (rows.next()) {
    }
    return 0;
  }),
               StorageError);
  EXPECT_EQ(seen(), 0) << "and a new connection serves";
}

int64_t resident_kib() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

// 240 MB of rows. Two batches are 1 MB each at most; the control keeps what it reads.
int64_t growth_kib(Database& db, bool keep) {
  return db.read([&](Transaction& t) {
    Cursor rows(t, "large", "SELECT repeat('ñandú y mate ', 64) || n FROM generate_series(1, 240000) n", {},
                {.rows_per_fetch = 1000});
    std::vector<std::string> kept;
    int64_t count = 0, early = 0, most = 0;
    while (rows.next()) {
      if (keep) kept.emplace_back(rows.text(0));
      if (++count == 40'000) early = resident_kib();
      if (count > 40'000 && count % 1000 == 0) most = std::max(most, resident_kib());
    }
    EXPECT_EQ(count, 240'000);
    return most - early;
  });
}

TEST_F(CursorTest, MemoryIsFlatHoweverManyRowsThereAre) {
  EXPECT_LT(growth_kib(test.db(), false), 4 * 1024);
  EXPECT_GT(growth_kib(test.db(), true), 100 * 1024) << "the control: a reader that keeps its rows is seen";
}

}  // namespace
}  // namespace afina::storage
