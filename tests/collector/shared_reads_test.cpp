// SPDX-License-Identifier: Apache-2.0
#include "collector/shared_reads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <map>
#include <stdexcept>
#include <thread>

namespace afina::collector {
namespace {

TEST(SharedReads, ALoneLookUpIsAnsweredAtOnce) {
  SharedReads<int, int> doubled([](const std::vector<int>& keys) { return std::vector<int>{2 * keys.at(0)}; });
  EXPECT_EQ(doubled.get(21), 42);
}

TEST(SharedReads, ManyThreadsGetTheirOwnAnswersFromFewerReads) {
  std::atomic<int> reads = 0, largest = 0;
  std::latch first_read(1);
  SharedReads<int, int> doubled(
      [&](const std::vector<int>& keys) {
        if (reads.fetch_add(1) == 0) first_read.wait();  // all others come meanwhile
        largest = std::max(largest.load(), static_cast<int>(keys.size()));
        std::vector<int> values;
        for (const int key : keys)
          values.push_back(2 * key);
        return values;
      },
      /*readers=*/1, /*max_batch=*/16);
  std::atomic<int> started = 0, right = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 32; ++i) {
      threads.emplace_back([&, i] {
        if (started.fetch_add(1) == 31) first_read.count_down();
        if (doubled.get(i) == 2 * i) ++right;
      });
    }
  }
  EXPECT_EQ(right, 32);
  EXPECT_LT(reads, 32);
  EXPECT_LE(largest, 16);
}

TEST(SharedReads, AFailureReachesEverybodyOfItsBatchAndNobodyElse) {
  int calls = 0;
  SharedReads<int, int> flaky([&](const std::vector<int>& keys) {
    if (++calls == 1) throw std::runtime_error("no database");
    return std::vector<int>(keys.size(), 1);
  });
  EXPECT_THROW(flaky.get(1), std::runtime_error);
  EXPECT_EQ(flaky.get(2), 1);
}

}  // namespace
}  // namespace afina::collector
