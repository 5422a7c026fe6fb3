// SPDX-License-Identifier: Apache-2.0
#include "collector/pairing.h"

#include <gtest/gtest.h>

#include <map>

namespace afina::collector {
namespace {

CollectorConfig with_upstreams(int count) {
  CollectorConfig config;
  for (const char* name : {"a", "b", "c", "d"}) {
    if (static_cast<int>(config.upstreams.size()) < count) config.upstreams.push_back({.name = name});
  }
  return config;
}

/// Five standard deviations: fails by chance once in two million runs.
constexpr int kDraws = 20'000;
constexpr double kAllowed = 5 * 0.5 / 141.4;

TEST(Pairing, PutsAOnTheLeftHalfOfTheTime) {
  int left = 0;
  for (int i = 0; i < kDraws; ++i)
    left += draw_a_on_left(random_u32);
  EXPECT_NEAR(left / double{kDraws}, 0.5, kAllowed);
}

TEST(Pairing, DrawsTwoDifferentModelsEvenly) {
  const auto config = with_upstreams(3);
  std::map<std::vector<size_t>, int> seen;
  for (int i = 0; i < kDraws; ++i)
    ++seen[choose_upstreams(config, Pairing::random, 2, random_u32)];
  EXPECT_EQ(seen.size(), 6u);
  for (const auto& [pair, count] : seen) {
    EXPECT_NE(pair[0], pair[1]);
    EXPECT_NEAR(count / double{kDraws}, 1.0 / 6, kAllowed);
  }
}

TEST(Pairing, TakesTwoSamplesOfOneModelWhereThereIsOneOrWhereAsked) {
  EXPECT_EQ(choose_upstreams(with_upstreams(1), Pairing::random, 2, random_u32), (std::vector<size_t>{0, 0}));
  const auto same = choose_upstreams(with_upstreams(3), Pairing::self, 2, random_u32);
  EXPECT_EQ(same[0], same[1]);
}

TEST(Pairing, TakesThePairThatIsWorthMostAndDrawsWhichOneIsA) {
  CollectorConfig three;
  for (const char* name : {"x", "y", "z"})
    three.upstreams.push_back({.name = name, .base_url = "http://127.0.0.1:1"});
  const InformativeChoice choice = [](const RandomSource&) { return std::pair<size_t, size_t>{0, 2}; };
  std::map<std::vector<size_t>, int> seen;
  uint32_t number = 0;
  for (int i = 0; i < 100; ++i)
    ++seen[choose_upstreams(
        three, Pairing::informative, 2, [&] { return number++ / 2; }, choice)];
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ((seen[{0, 2}]), 50);
  EXPECT_EQ((seen[{2, 0}]), 50);
}

TEST(Pairing, PutsTheBaseInSlotAAndTheAdapterInSlotB) {
  auto config = with_upstreams(3);
  config.base = std::string("c");
  config.adapter = std::string("a");
  EXPECT_EQ(choose_upstreams(config, Pairing::base_vs_adapter, 2, random_u32), (std::vector<size_t>{2, 0}));
  config.adapter = std::string("z");
  EXPECT_THROW(choose_upstreams(config, Pairing::base_vs_adapter, 2, random_u32), UsageError);
}

TEST(Pairing, AsksOneModelForOneAnswer) {
  EXPECT_EQ(choose_upstreams(with_upstreams(4), Pairing::random, 1, random_u32).size(), 1u);
}

TEST(Pairing, KeepsSeedsInsideSignedThirtyTwoBits) {
  EXPECT_EQ(draw_seed([] { return UINT32_MAX; }), 0x7fffffffU);
}

}  // namespace
}  // namespace afina::collector
