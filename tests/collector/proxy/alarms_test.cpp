// SPDX-License-Identifier: Apache-2.0
// Alarms ring in the order of their times; comparisons that are being made are waited for by their own client alone.
#include "collector/proxy/alarms.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "collector/proxy/pending_pairs.h"

namespace afina::collector {
namespace {

using namespace std::chrono_literals;

TEST(Alarms, RingInTheOrderOfTheirTimesAndNotAfterTheEnd) {
  std::string rung;
  std::promise<void> last;
  {
    Alarms alarms;
    alarms.after(60min, [&] { rung += "never"; });
    alarms.after(30ms, [&] {
      rung += "b";
      last.set_value();
    });
    alarms.after(0ms, [&] { rung += "a"; });
    ASSERT_EQ(last.get_future().wait_for(10s), std::future_status::ready);
  }
  EXPECT_EQ(rung, "ab");
}

TEST(Alarms, MaySetAnotherWhileTheyRing) {
  Alarms alarms;
  std::promise<void> second;
  alarms.after(0ms, [&] { alarms.after(0ms, [&] { second.set_value(); }); });
  EXPECT_EQ(second.get_future().wait_for(10s), std::future_status::ready);
}

TEST(PendingPairs, AreWaitedForByTheirOwnClientUntilTheLastHolderGoes) {
  PendingPairs pairs;
  auto first = pairs.hold("answer", "ana");
  auto second = first;
  EXPECT_TRUE(pairs.making("answer", "ana"));
  EXPECT_FALSE(pairs.making("answer", "eva"));
  int told = 0;
  pairs.when_made("answer", "ana", [&] { ++told; });
  pairs.when_made("answer", "eva", [&] { told += 10; });
  EXPECT_EQ(told, 10) << "nobody waits for what is not theirs";
  first.reset();
  EXPECT_EQ(told, 10);
  second.reset();
  EXPECT_EQ(told, 11);
  EXPECT_FALSE(pairs.making("answer", "ana"));
  pairs.when_made("answer", "ana", [&] { ++told; });
  EXPECT_EQ(told, 12) << "what is made is not waited for";
}

}  // namespace
}  // namespace afina::collector
