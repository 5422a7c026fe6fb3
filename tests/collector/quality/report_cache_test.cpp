// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/report_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace afina::collector {
namespace {

using namespace std::chrono_literals;

TEST(ReportCache, MakesAReportAgainOnlyWhenItsStampMoved) {
  ReportCache cache(1h);
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
  ReportCache cache(0ms);
  int made = 0;
  Json last;
  for (int i = 0; i < 1'000'000 && last != 2; ++i)
    last = cache.get(
        "k", [] { return std::string(1, 's'); }, [&] { return Json(++made); });
  EXPECT_EQ(last, 2);
}

TEST(ReportCache, ManyAskersAtOnceMakeOneReport) {
  ReportCache cache(1h);
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

TEST(ReportCache, AFailureIsNotKept) {
  ReportCache cache(1h);
  const auto stamp = [] { return std::string("1"); };
  EXPECT_THROW(cache.get("k", stamp, []() -> Json { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(cache.get("k", stamp, [] { return Json(7); }), 7);
}

TEST(ReportCache, ForgetsWhatWasAskedLongestAgo) {
  ReportCache cache(1h, 2);
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
