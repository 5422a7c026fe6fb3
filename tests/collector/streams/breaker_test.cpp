// SPDX-License-Identifier: Apache-2.0
#include "collector/streams/breaker.h"

#include <gtest/gtest.h>

#include "collector/upstream.h"

namespace afina::collector {
namespace {

using namespace std::chrono_literals;
using Outcome = CircuitBreaker::Outcome;
using State = CircuitBreaker::State;

class BreakerTest : public ::testing::Test {
 protected:
  /// A request that ends at once; false where it was not let through.
  bool ask(Outcome outcome) {
    if (!breaker_.allow(now_)) return false;
    breaker_.report(outcome, now_);
    return true;
  }
  CircuitBreaker::Time now_{};
  CircuitBreaker breaker_{"m", 3, 10s};
};

TEST_F(BreakerTest, OpensAfterFailuresInARowAndNotBefore) {
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_TRUE(ask(Outcome::success));
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_EQ(breaker_.state(now_), State::closed);
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_EQ(breaker_.state(now_), State::open);
  EXPECT_FALSE(breaker_.allow(now_));
}

TEST_F(BreakerTest, LetsOneProbeThroughAfterThePauseAndClosesWhenItAnswers) {
  for (int i = 0; i < 3; ++i)
    ask(Outcome::failure);
  now_ += 9s;
  EXPECT_FALSE(breaker_.allow(now_));
  now_ += 1s;
  EXPECT_TRUE(breaker_.allow(now_));
  EXPECT_EQ(breaker_.state(now_), State::half_open);
  EXPECT_FALSE(breaker_.allow(now_)) << "one probe at a time";
  breaker_.report(Outcome::success, now_);
  EXPECT_EQ(breaker_.state(now_), State::closed);
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_TRUE(ask(Outcome::failure));
  EXPECT_EQ(breaker_.state(now_), State::closed) << "counted anew";
}

TEST_F(BreakerTest, WaitsLongerAfterEachFailedProbeUpToALimit) {
  for (int i = 0; i < 3; ++i)
    ask(Outcome::failure);
  for (const auto pause : {10s, 20s, 40s, 80s, 160s, 320s, 600s, 600s}) {
    now_ += pause - 1s;
    EXPECT_FALSE(breaker_.allow(now_)) << pause.count();
    now_ += 1s;
    EXPECT_TRUE(ask(Outcome::failure)) << pause.count();
  }
}

TEST_F(BreakerTest, AProbeThatTeachesNothingIsTriedAgain) {
  for (int i = 0; i < 3; ++i)
    ask(Outcome::failure);
  now_ += 10s;
  EXPECT_TRUE(ask(Outcome::neither));
  EXPECT_TRUE(ask(Outcome::success));
  EXPECT_EQ(breaker_.state(now_), State::closed);
}

TEST_F(BreakerTest, RequestsThatBeganBeforeItOpenedDoNotProlongThePause) {
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(breaker_.allow(now_));
  for (int i = 0; i < 5; ++i)
    breaker_.report(Outcome::failure, now_ + std::chrono::seconds(i));
  EXPECT_TRUE(breaker_.allow(now_ + 12s)) << "opened at second 2 for 10";
}

TEST(Breaker, CanBeTurnedOff) {
  CircuitBreaker breaker("m", 0, 10s);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(breaker.allow());
    breaker.report(Outcome::failure);
  }
}

TEST(Breaker, ADeadUpstreamIsLeftAloneAndAnswersAtOnce) {
  UpstreamConfig config;
  config.name = "dead";
  config.base_url = "http://127.0.0.1:1";
  config.retries = 0;
  config.breaker_failures = 2;
  const Upstream upstream(config);
  http::AsyncClient client;
  for (int i = 0; i < 3; ++i) {
    std::mutex mutex;
    std::condition_variable ended;
    std::optional<Completion> said;
    upstream.start(
        client, {{"user", "hola"}}, 1, [](std::string_view) {},
        [&](Completion completion) {
          const std::lock_guard lock(mutex);
          said = std::move(completion);
          ended.notify_all();
        },
        {});
    std::unique_lock lock(mutex);
    ASSERT_TRUE(ended.wait_for(lock, 10s, [&] { return said.has_value(); }));
    EXPECT_EQ(said->error, "upstream_down");
    EXPECT_EQ(said->error_detail.find("left alone") != std::string::npos, i == 2) << said->error_detail;
  }
  EXPECT_EQ(upstream.breaker().state(), State::open);
}

}  // namespace
}  // namespace afina::collector
