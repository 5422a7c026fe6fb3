// SPDX-License-Identifier: Apache-2.0
// What a soak must see: growth of each kind, and a leak in a real collector. The soak itself is in the slow label.
#include <gtest/gtest.h>

#include "bench/soak.h"

namespace afina::bench {
namespace {

std::vector<SoakSample> samples(double mib_each, double descriptors_each) {
  std::vector<SoakSample> out;
  for (int i = 0; i < 40; ++i)
    out.push_back({static_cast<double>(i), 50 + mib_each * i, static_cast<int>(30 + descriptors_each * i), 12, 5});
  return out;
}

TEST(Soak, GrowthOfMemoryAndOfDescriptorsIsSeenAndAFlatLineIsNot) {
  EXPECT_TRUE(find_growth(samples(0, 0)).empty());
  EXPECT_EQ(find_growth(samples(1, 0)).size(), 1U);
  EXPECT_EQ(find_growth(samples(0, 2)).size(), 1U);
  EXPECT_EQ(find_growth(samples(1, 2)).size(), 2U);
}

TEST(Soak, WhatGrowsInTheWarmUpOnlyIsNoLeak) {
  std::vector<SoakSample> warm = samples(0, 0);
  for (size_t i = 0; i < 10; ++i)
    warm[i].resident_mib = 10 + 4.0 * static_cast<double>(i);
  EXPECT_TRUE(find_growth(warm).empty());
}

TEST(Soak, TooFewSamplesProveNothing) {
  EXPECT_EQ(find_growth({}).size(), 1U);
}

// The control: clients that never leave and models that never end.
TEST(Soak, ACollectorWhoseClientsNeverLeaveFails) {
  SoakOptions options;
  options.collector = AFINA_BIN_DIR "/afina-collector";
  options.time = std::chrono::seconds(5);
  options.sample_every = std::chrono::milliseconds(200);
  options.leak = true;
  options.print = false;
  const SoakReport report = run_soak(options);
  bool seen = false;
  for (const std::string& fault : report.faults)
    seen |= fault.starts_with("descriptors grew");
  EXPECT_TRUE(seen) << (report.faults.empty() ? "nothing" : report.faults[0]);
}

}  // namespace
}  // namespace afina::bench
