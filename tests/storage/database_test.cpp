// SPDX-License-Identifier: Apache-2.0
// The door itself: transactions, retries, the pool's bounds, errors by kind, addresses.
#include "storage/database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/error.h"
#include "storage/database_url.h"
#include "storage/pg_errors.h"
#include "storage/pool.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction(
        [](Transaction& t) { t.script("CREATE TABLE n (k text PRIMARY KEY, v bigint NOT NULL CHECK (v < 1000000))"); });
  }
  int64_t count() {
    return db.read([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM n").one().integer("n"); });
  }
  TestDatabase test{{.pool_wait = std::chrono::milliseconds(5000)}};
  Database& db = test.db();
};

TEST_F(DatabaseTest, WhateverTheFunctionThrowsRollsBack) {
  EXPECT_THROW(db.transaction([](Transaction& t) {
    t.script("INSERT INTO n VALUES ('a', 1)");
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(count(), 0);
  EXPECT_THROW(db.read([](Transaction& t) { return t.exec("INSERT INTO n VALUES ('a', 1)").affected(); }),
               InternalError);
  EXPECT_EQ(count(), 0);
}

TEST_F(DatabaseTest, AnErrorThatTheFunctionSwallowsIsNotTakenForACommit) {
  EXPECT_THROW(db.transaction([](Transaction& t) {
    t.exec("INSERT INTO n VALUES ('a', 1)");
    try {
      t.exec("INSERT INTO n VALUES ('a', 1)");
    } catch (const Conflict&) {
    }
  }),
               InternalError);
  EXPECT_EQ(count(), 0);
  db.transaction([](Transaction& t) { t.exec("INSERT INTO n VALUES ('a', 1)"); });
  EXPECT_EQ(count(), 1) << "the connection is good again";
}

TEST_F(DatabaseTest, ErrorsHaveTheKindThatTheirStateSays) {
  const auto run = [&](const char* sql) { db.transaction([&](Transaction& t) { t.exec(sql); }); };
  run("INSERT INTO n VALUES ('a', 1)");
  EXPECT_THROW(run("INSERT INTO n VALUES ('a', 1)"), Conflict);
  EXPECT_THROW(run("INSERT INTO n VALUES ('b', 1000000)"), DataError);
  EXPECT_THROW(run("INSERT INTO n VALUES ('b', NULL)"), DataError);
  EXPECT_THROW(run("SELECT 'x'::bigint"), DataError);
  EXPECT_THROW(run("SELECT '\"\\u0000\"'::jsonb->>0"), DataError);
  EXPECT_THROW(run("SELEC 1"), InternalError);
  EXPECT_THROW(db.transaction([](Transaction& t) {
    t.script("SET LOCAL statement_timeout = 20");
    t.exec("SELECT pg_sleep(10)");
  }),
               StorageError);
  try {
    throw_sqlstate("53100", "ERROR:  could not extend file", "");
  } catch (const StorageError& error) {
    EXPECT_NE(std::string(error.what()).find("disk"), std::string::npos);
    EXPECT_FALSE(error.retryable());
  }
  EXPECT_EQ(count(), 1) << "and the pool is as good as before";
}

TEST_F(DatabaseTest, AMessageHoldsNoTextOfPeople) {
  try {
    db.transaction([](Transaction& t) { t.exec("INSERT INTO n VALUES ('secret words', 1000000)"); });
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
}

TEST_F(DatabaseTest, TextIsNeverSql) {
  const std::string nasty = "'); DROP TABLE n; -- $1 \\ \" %s";
  db.transaction([&](Transaction& t) { t.exec("INSERT INTO n VALUES ($1, 1)", Params().text(nasty)); });
  EXPECT_EQ(db.read([](Transaction& t) { return t.exec("SELECT k FROM n").one().text("k"); }), nasty);
}

TEST_F(DatabaseTest, SerialisationFailuresRunTheWholeFunctionAgain) {
  db.transaction([](Transaction& t) { t.script("INSERT INTO n VALUES ('sum', 0)"); });
  std::atomic<int> calls{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 25; ++j) {
          db.transaction(
              [&](Transaction& t) {
                ++calls;
                const int64_t v = t.exec("SELECT v FROM n WHERE k = 'sum'").one().integer("v");
                t.exec("UPDATE n SET v = $1::bigint WHERE k = 'sum'", Params().integer(v + 1));
              },
              {.isolation = Isolation::serializable, .max_tries = 100});
        }
      });
    }
  }
  EXPECT_EQ(db.read([](Transaction& t) { return t.exec("SELECT v FROM n").one().integer("v"); }), 100);
  EXPECT_GE(calls, 100);
}

// Control for the test above: the same work without isolation loses updates.
TEST_F(DatabaseTest, WithoutIsolationTheSameWorkLosesUpdates) {
  db.transaction([](Transaction& t) { t.script("INSERT INTO n VALUES ('sum', 0)"); });
  // Two transactions that both read before either writes.
  std::promise<void> other_done;
  db.transaction([&](Transaction& mine) {
    const int64_t v = mine.exec("SELECT v FROM n").one().integer("v");
    db.transaction([&](Transaction& other) { other.exec("UPDATE n SET v = v + 1"); });
    mine.exec("UPDATE n SET v = $1::bigint", Params().integer(v + 1));
  });
  EXPECT_EQ(db.read([](Transaction& t) { return t.exec("SELECT v FROM n").one().integer("v"); }), 1);
}

TEST_F(DatabaseTest, ALostConnectionBeforeCommitRunsTheFunctionAgain) {
  int calls = 0;
  db.transaction([&](Transaction& t) {
    t.exec("INSERT INTO n VALUES ('a', 1)");
    if (++calls > 1) return;
    const int64_t pid = t.exec("SELECT pg_backend_pid() AS pid").one().integer("pid");
    TestServer::shared().sql(cat("SELECT pg_terminate_backend(", pid, ")"));
    t.exec("SELECT 1");
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, ACommitInDoubtIsRepeatedOnlyWhereThatIsSafe) {
  // A deferred trigger runs at COMMIT: it ends its own session, so the answer to COMMIT never comes.
  db.transaction([](Transaction& t) {
    t.script(
        "CREATE TABLE fuse (n integer); INSERT INTO fuse VALUES (1), (2); "
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('cuts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF; "
        "RETURN NULL; END $$; CREATE SEQUENCE cuts; "
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
        "cut()");
  });
  int calls = 0;
  const auto insert = [&](Transaction& t) {
    ++calls;
    t.exec("INSERT INTO n VALUES ('a', 1) ON CONFLICT DO NOTHING");
  };
  try {
    db.transaction(insert, {.repeatable = false});
    ADD_FAILURE() << "the outcome is unknown";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.sqlstate(), "08007");
  }
  EXPECT_EQ(calls, 1);
  db.transaction([](Transaction& t) { t.script("ALTER SEQUENCE cuts RESTART"); });
  calls = 0;
  db.transaction(insert);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(count(), 1);
}

TEST(Pool, IsBoundedAndSaysSo) {
  TestDatabase test({.max_connections = 2, .pool_wait = std::chrono::milliseconds(100)});
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future();
  std::atomic<int> inside{0};
  std::vector<std::jthread> holders;
  for (int i = 0; i < 2; ++i) {
    holders.emplace_back([&] {
      test.db().read([&](Transaction& t) {
        ++inside;
        released.wait();
        return t.exec("SELECT 1").size();
      });
    });
  }
  while (inside < 2)
    std::this_thread::yield();
  try {
    test.db().read([](Transaction& t) { return t.exec("SELECT 1").size(); });
    ADD_FAILURE() << "no connection is free";
  } catch (const StorageError& error) {
    EXPECT_TRUE(error.retryable());
  }
  release.set_value();
  holders.clear();
  EXPECT_EQ(test.db().read([](Transaction& t) { return t.exec("SELECT 1").size(); }), 1U);
}

TEST(Pool, AServerThatIsNotThereIsARetryableErrorInBoundedTime) {
  const TestFolder folder;
  ConnectionPool pool([&] { return socket_url(folder.path(), 5432, "x", "x"); },
                      {.wait = std::chrono::milliseconds(50)});
  try {
    pool.acquire();
    FAIL();
  } catch (const StorageError& error) {
    EXPECT_TRUE(error.retryable());
  }
}

TEST(Addresses, KeepTheirSecrets) {
  EXPECT_EQ(without_secrets("postgresql://ana:s3cret@db.example:5433/afina?sslmode=require"), "db.example:5433/afina");
  EXPECT_EQ(without_secrets("postgres://ana:p@ss/w@db/afina"), "db/afina");
  EXPECT_EQ(without_secrets("host=db dbname=afina user=ana password=s3cret"), "db/afina");
  EXPECT_EQ(without_secrets("postgresql:///afina?host=/tmp"), "the local socket/afina");
  EXPECT_NE(with_connection_defaults("postgresql://db/x").find("?connect_timeout=5&"), std::string::npos);
  EXPECT_NE(with_connection_defaults("host=db").find(" tcp_user_timeout="), std::string::npos);
  EXPECT_EQ(with_connection_defaults("postgresql://db/x?connect_timeout=9").find("connect_timeout=5"),
            std::string::npos);
}

TEST(Addresses, AreSplitFromTheirPassword) {
  struct Case {
    const char *url, *without, *password;
  };
  for (const Case& c : std::vector<Case>{
           {"postgresql://ana:s3cret@db.example:5433/afina?sslmode=require",
            "user='ana' dbname='afina' host='db.example' port='5433' sslmode='require'", "s3cret"},
           {"postgres://ana:p%40s%27s%2Fw%5C@db/afina", "user='ana' dbname='afina' host='db'", "p@s's/w\\"},
           {"postgresql://ana@/afina?host=%2Frun%2Fpostgresql&password=s3%20cret",
            "user='ana' dbname='afina' host='/run/postgresql'", "s3 cret"},
           {"host=db dbname='a b\\'c' user=ana password='s 3'", "user='ana' dbname='a b\\'c' host='db'", "s 3"},
           {"postgresql://ana@db/afina", "user='ana' dbname='afina' host='db'", ""},
           {"dbname=afina", "dbname='afina'", ""},
           {"", "", ""}}) {
    const SplitUrl split = split_password(c.url);
    EXPECT_EQ(split.url, c.without) << c.url;
    EXPECT_EQ(split.password, c.password) << c.url;
  }
  try {
    split_password("host=db password='s3cret");
    FAIL() << "cannot be read";
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos);
  }
}

TEST(Times, ComeBackToTheMicrosecond) {
  for (const char* text :
       {"2026-11-21T12:00:00.123456Z", "1999-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.000000Z"}) {
    EXPECT_EQ(time_to_text(time_from_text(text)), text);
  }
  EXPECT_EQ(time_to_text(time_from_text("2026-11-21 12:00:00.5+00")), "2026-11-21T12:00:00.500000Z");
  EXPECT_THROW(time_from_text("2026-11-21 12:00:00-03"), InternalError);
  EXPECT_THROW(time_from_text("2026-02-30 12:00:00+00"), InternalError) << "no such day";
  EXPECT_THROW(time_from_text("2999-01-01 12:00:00+00"), InternalError) << "a date that would come out as another";
  EXPECT_THROW(time_from_text("2026-11-21 24:00:00+00"), InternalError) << "no such hour";
  EXPECT_THROW(time_from_text("yesterday"), InternalError);
}

}  // namespace
}  // namespace afina::storage
