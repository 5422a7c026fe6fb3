// SPDX-License-Identifier: Apache-2.0
// Votes under fire: writers vote while PostgreSQL and its keeper are killed. The checker compares what was acknowledged
// with what is stored; its control is a writer that acknowledges before it commits, which the checker must catch.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "storage/cluster.h"
#include "storage/keeper_link.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct Sent {
  std::string body_sha256;
  bool acknowledged = false;
};
using SentLog = std::map<std::string, Sent>;  // by key

struct Verdict {
  int acknowledged = 0, lost = 0, altered = 0, unknown = 0;
  bool whole() const { return lost == 0 && altered == 0 && unknown == 0; }
};

// Every acknowledged key is stored once with its body; every stored key was sent.
Verdict check(Database& db, const std::string& visitor_id, const SentLog& sent) {
  Verdict verdict;
  std::map<std::string, std::string> stored;
  const Result rows = db.read([&](Transaction& t) {
    return t.exec("SELECT idempotency_key, body_sha256 FROM preference WHERE visitor_id = $1::uuid",
                  Params().text(visitor_id));
  });
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string key = rows[i].text("idempotency_key");
    const auto known = sent.find(key);
    if (known == sent.end() || !stored.emplace(key, rows[i].text("body_sha256")).second) {
      ++verdict.unknown;
    } else if (known->second.body_sha256 != rows[i].text("body_sha256")) {
      ++verdict.altered;
    }
  }
  for (const auto& [key, entry] : sent) {
    if (!entry.acknowledged) continue;
    ++verdict.acknowledged;
    if (!stored.contains(key)) ++verdict.lost;
  }
  return verdict;
}

class Durability : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_log_level(LogLevel::error);
    folder_ = std::make_unique<TestFolder>();
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override {
    DatabaseOptions options;
    options.announce = false;
    options.keeper_command = {fs::read_symlink("/proc/self/exe").parent_path() / "afina_test_keeper"};
    options.pool_wait = 20s;
    db = Database::open({DatabaseTarget::Kind::home, "", home()}, options);
    db->transaction([&](Transaction& t) { ana = make_person(t); });
  }
  void TearDown() override {
    db.reset();
    ClusterAddress address;
    if (ask_keeper(home(), address)) kill(static_cast<pid_t>(address.keeper_pid), SIGTERM);
    for (int i = 0; i < 1500 && !processes_in(home() / "postgres").empty(); ++i)
      std::this_thread::sleep_for(20ms);
  }
  static fs::path home() { return folder_->path() / "home"; }

  /// Exposures that can be voted on once each.
  std::vector<Exposure> exposures(int n) {
    std::vector<Exposure> out;
    db->transaction([&](Transaction& t) {
      out.clear();
      for (int i = 0; i < n; ++i) {
        out.push_back(make_pair_for(t, ana).exposure);
      }
    });
    return out;
  }

  /// Four writers share the exposures; `kill_something` runs after each quarter of the votes.
  template <typename Kill>
  SentLog vote_on_all(const std::vector<Exposure>& shown, Kill&& kill_something) {
    SentLog log;
    std::mutex mutex;
    std::atomic<size_t> next{0};
    std::atomic<int> refused{0};
    std::vector<std::jthread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&] {
        for (size_t i = next++; i < shown.size(); i = next++) {
          const NewPreference vote = vote_on(shown[i], static_cast<int>(i % 7) - 3);
          {
            const std::lock_guard lock(mutex);
            log[vote.idempotency_key].body_sha256 = preference_body_sha256(vote);
          }
          try {
            db->transaction([&](Transaction& t) { put_preference(t, vote); });
            const std::lock_guard lock(mutex);
            log[vote.idempotency_key].acknowledged = true;
          } catch (const StorageError&) {
            ++refused;
          }
        }
      });
    }
    for (size_t quarter = 1; quarter < 4; ++quarter) {
      while (next < shown.size() * quarter / 4)
        std::this_thread::sleep_for(1ms);
      kill_something();
    }
    writers.clear();
    EXPECT_LT(refused, static_cast<int>(shown.size()) / 4) << "waits for a server that comes back";
    return log;
  }

  static inline std::unique_ptr<TestFolder> folder_;
  std::unique_ptr<Database> db;
  Person ana;
};

TEST_F(Durability, EveryAcknowledgedVoteIsStoredOnceAcrossKillsOfServerAndKeeper) {
  const auto shown = exposures(200);
  int round = 0;
  const SentLog sent = vote_on_all(shown, [&] {
    ClusterAddress address;
    if (!ask_keeper(home(), address)) return;
    kill(static_cast<pid_t>(++round % 2 == 1 ? address.postgres_pid : address.keeper_pid), SIGKILL);
  });
  const Verdict verdict = check(*db, ana.visitor_id, sent);
  EXPECT_EQ(verdict.lost, 0);
  EXPECT_EQ(verdict.altered, 0);
  EXPECT_EQ(verdict.unknown, 0);
  EXPECT_GT(verdict.acknowledged, 100);
}

// The control: a program that says yes before the commit must not pass the checker.
TEST_F(Durability, TheCheckerCatchesAnAcknowledgementBeforeTheCommit) {
  const auto shown = exposures(1);
  const NewPreference vote = vote_on(shown[0], 1);
  SentLog sent{{vote.idempotency_key, {preference_body_sha256(vote), false}}};
  EXPECT_ANY_THROW(db->transaction([&](Transaction& t) {
    put_preference(t, vote);
    sent[vote.idempotency_key].acknowledged = true;
    ClusterAddress address;
    ASSERT_TRUE(ask_keeper(home(), address));
    kill(static_cast<pid_t>(address.postgres_pid), SIGKILL);
    throw std::runtime_error("the program dies with it");
  }));
  const Verdict verdict = check(*db, ana.visitor_id, sent);
  EXPECT_EQ(verdict.lost, 1);
  EXPECT_FALSE(verdict.whole());
}

}  // namespace
}  // namespace afina::storage
