// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/report_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "http/message.h"

namespace afina::collector {
namespace {

using namespace std::chrono_literals;

TEST(ReportCache, MakesAReportAgainOnlyWhenItsStampMoved) {
  ReportCache cache({.age = 1h});
  int made = 0;
  std::string stamp = "1";
  const auto get = [&] {
    return cache.get(
        "k", [&] { return stamp; }, [&] { return Json(++made); });
  };
  EXPECT_EQ(get(), 1);
  EXPECT_EQ(get(), 1);
  stamp += "2";
  // Cheap to make, so it may be made again at once; four times its cost passes while this loops.
  Json last;
  for (int i = 0; i < 1'000'000 && last != 2; ++i)
    last = get();
  EXPECT_EQ(last, 2);
}

TEST(ReportCache, AReportGetsOldThoughNothingWasSeenToChange) {
  ReportCache cache({.age = 0ms});
  int made = 0;
  Json last;
  for (int i = 0; i < 1'000'000 && last != 2; ++i)
    last = cache.get(
        "k", [] { return std::string(1, 's'); }, [&] { return Json(++made); });
  EXPECT_EQ(last, 2);
}

TEST(ReportCache, ManyAskersAtOnceMakeOneReport) {
  ReportCache cache({.age = 1h});
  std::atomic<int> made = 0;
  std::latch begin(8);
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      begin.arrive_and_wait();
      EXPECT_EQ(cache.get(
                    "k", [] { return std::string(1, '1'); }, [&] { return Json(++made); }),
                1);
    });
  }
  for (auto& asker : askers)
    asker.join();
  EXPECT_EQ(made, 1);
}

// Somebody who asks for every language, country and aspect at once gets one core's work, and holds few threads.
TEST(ReportCache, OneReportIsMadeAtATimeWhateverIsAskedAndTheLineIsShort) {
  ReportCache cache({.age = 1h, .waiting = 2, .wait = 1h});
  const auto stamp = [] { return std::string("1"); };
  std::atomic<int> at_once = 0, most_at_once = 0, refused = 0;
  std::latch making(1);
  const auto make = [&] {
    most_at_once = std::max(most_at_once.load(), ++at_once);
    making.wait();
    --at_once;
    return Json("made");
  };
  std::vector<std::thread> askers;
  for (int i = 0; i < 6; ++i) {
    askers.emplace_back([&, i] {
      try {
        EXPECT_EQ(cache.get(std::to_string(i), stamp, make), "made");
      } catch (const http::HttpError& error) {
        EXPECT_EQ(error.status(), 503);
        if (++refused == 3) making.count_down();
      }
    });
  }
  for (auto& asker : askers)
    asker.join();
  EXPECT_EQ(refused, 3) << "one made, two in line";
  EXPECT_EQ(most_at_once, 1);
}

TEST(ReportCache, WhoAsksAgainWhileAnotherIsMadeGetsTheOneBefore) {
  ReportCache cache({.age = 0ms, .waiting = 0});
  const auto stamp = [] { return std::string("1"); };
  EXPECT_EQ(cache.get("old", stamp, [] { return Json(1); }), 1);
  cache.get("slow", stamp, [&] {
    Json seen;
    std::thread([&] {
      // Its few microseconds' hold may have to pass first.
      for (int i = 0; i < 1000; ++i)
        seen = cache.get("old", stamp, [] { return Json(2); });
    }).join();
    EXPECT_EQ(seen, 1);
    return Json(3);
  });
}

TEST(ReportCache, AnOldReportIsNotShownWhereItsTurnComesSoon) {
  ReportCache cache({.age = 0ms, .waiting = 1, .wait = 1h});
  const auto stamp = [] { return std::string("1"); };
  EXPECT_EQ(cache.get("old", stamp, [] { return Json(1); }), 1);
  std::latch making(1);
  std::promise<void> answered;
  std::thread other([&] {
    cache.get("slow", stamp, [&] {
      making.count_down();
      answered.get_future().wait_for(300ms);
      return Json(3);
    });
  });
  making.wait();
  Json seen = 1;
  // Its few microseconds' hold may have to pass first.
  for (const auto until = std::chrono::steady_clock::now() + 150ms; seen == 1;) {
    seen = cache.get("old", stamp, [] { return Json(2); });
    if (std::chrono::steady_clock::now() > until) break;
  }
  answered.set_value();
  other.join();
  EXPECT_EQ(seen, 2);
}

TEST(ReportCache, OneThatIsTooOldStandsInForNothing) {
  ReportCache cache({.age = 0ms, .oldest = 0ms, .waiting = 0});
  const auto stamp = [] { return std::string("1"); };
  EXPECT_EQ(cache.get("old", stamp, [] { return Json(1); }), 1);
  cache.get("slow", stamp, [&] {
    bool refused = false;
    std::thread([&] {
      for (int i = 0; i < 1'000'000 && !refused; ++i) {
        try {
          cache.get("old", stamp, [] { return Json(2); });
        } catch (const http::HttpError& error) {
          refused = error.status() == 503;
        }
      }
    }).join();
    EXPECT_TRUE(refused);
    return Json(3);
  });
}

TEST(ReportCache, AFailureIsNotKept) {
  ReportCache cache({.age = 1h});
  const auto stamp = [] { return std::string("1"); };
  EXPECT_THROW(cache.get("k", stamp, []() -> Json { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(cache.get("k", stamp, [] { return Json(7); }), 7);
}

TEST(ReportCache, ForgetsWhatWasAskedLongestAgo) {
  ReportCache cache({.age = 1h, .most = 2});
  int made = 0;
  const auto get = [&](const char* key) {
    return cache.get(
        key, [] { return std::string(1, '1'); }, [&] { return Json(++made); });
  };
  get("a");
  get("b");
  get("a");
  get("c");
  EXPECT_EQ(get("a"), 1);
  EXPECT_EQ(get("b"), 4) << "b went when c came";
}

}  // namespace
}  // namespace afina::collector
