// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/login_guard.h"

#include <gtest/gtest.h>

#include "base/cat.h"
#include "http/message.h"

namespace afina::collector {
namespace {

using std::chrono::seconds;

class LoginGuardTest : public ::testing::Test {
 protected:
  /// Seconds to wait, or 0.
  int ask(const std::string& name, const std::string& address, seconds at) {
    try {
      guard.admit(name, address, start + at);
      return 0;
    } catch (const http::HttpError& error) {
      EXPECT_EQ(error.status(), 429);
      EXPECT_EQ(error.code(), "rate_limited");
      return error.retry_after_s();
    }
  }
  LoginGuard guard;
  const LoginGuard::Time start{std::chrono::hours(1)};
};

TEST_F(LoginGuardTest, FiveTriesAMinuteForAName) {
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(ask("ana", cat("10.0.0.", i), seconds(0)), 0);
  EXPECT_EQ(ask("ana", "10.0.0.9", seconds(0)), 12);
  EXPECT_EQ(ask("eva", "10.0.0.9", seconds(0)), 0) << "another name";
  EXPECT_EQ(ask("ana", "10.0.0.9", seconds(13)), 0);
}

TEST_F(LoginGuardTest, TwentyTriesAMinuteForAnAddress) {
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(ask(cat("n", i), "10.0.0.1", seconds(0)), 0);
  EXPECT_EQ(ask("otra", "10.0.0.1", seconds(0)), 3);
  EXPECT_EQ(ask("otra", "10.0.0.2", seconds(0)), 0);
}

TEST_F(LoginGuardTest, FailuresInARowWaitLongerEachTimeUpToAQuarterOfAnHour) {
  seconds now{0};
  std::vector<int> waits;
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(ask("ana", "10.0.0.1", now), 0) << i;
    guard.failed("ana", start + now);
    const int wait = ask("ana", "10.0.0.1", now);
    if (i >= 4) waits.push_back(wait);
    now += seconds(std::max(wait, 15));
  }
  EXPECT_EQ(waits, (std::vector<int>{60, 120, 240, 480, 900, 900, 900, 900}));
  EXPECT_EQ(ask("ana", "10.0.0.1", now), 0);
  guard.succeeded("ana");
  guard.failed("ana", start + now);
  EXPECT_EQ(ask("ana", "10.0.0.1", now + seconds(30)), 0) << "a success forgets what was before";
}

TEST_F(LoginGuardTest, RemembersABoundedNumberOfNames) {
  for (int i = 0; i < 100'010; ++i)
    guard.failed(cat("n", i), start);
  for (int i = 0; i < 5; ++i)
    guard.failed("n100009", start);
  EXPECT_GT(ask("n100009", "10.0.0.1", seconds(1)), 0) << "the newest are kept";
}

}  // namespace
}  // namespace afina::collector
