// SPDX-License-Identifier: Apache-2.0
#include "dpo/sft_loss.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace afina::dpo {
namespace {

datasets::PackedBatch rows(const std::vector<int>& target_counts) {
  datasets::PackedBatch batch;
  for (size_t i = 0; i < target_counts.size(); ++i) {
    batch.examples.push_back({static_cast<int64_t>(i), static_cast<int>(i), 1});
    batch.sequences.push_back({static_cast<int>(i), 0, static_cast<int>(batch.targets.size()), target_counts[i]});
    for (int t = 0; t < target_counts[i]; ++t)
      batch.targets.push_back({0, 1, static_cast<int>(i), 1.0F});
  }
  return batch;
}

TEST(SftLoss, IsTheMeanOverTrainedTokensHoweverTheRowsAreSplit) {
  const SftLoss loss;
  const auto both = rows({1, 3}), first = rows({1}), second = rows({3});
  std::vector<double> d4(4), d1(1), d3(3);
  const double whole = loss.evaluate(both, {{-1, -2, -3, -4}}, nullptr, loss.divisor_share(both), d4).loss;
  const double divisor = loss.divisor_share(first) + loss.divisor_share(second);
  const double split = loss.evaluate(first, {{-1}}, nullptr, divisor, d1).loss +
                       loss.evaluate(second, {{-2, -3, -4}}, nullptr, divisor, d3).loss;
  EXPECT_DOUBLE_EQ(whole, 2.5);
  EXPECT_DOUBLE_EQ(split, whole);
  EXPECT_DOUBLE_EQ(d1[0], d4[0]);
  EXPECT_DOUBLE_EQ(d4[0], -0.25);
}

TEST(SftLoss, CountsStaticWeights) {
  const SftLoss loss;
  auto batch = rows({2});
  batch.targets[1].weight = 0.0F;
  std::vector<double> d(2);
  EXPECT_DOUBLE_EQ(loss.divisor_share(batch), 1.0);
  const auto result = loss.evaluate(batch, {{-1, -9}}, nullptr, 1.0, d);
  EXPECT_DOUBLE_EQ(result.loss, 1.0);
  EXPECT_DOUBLE_EQ(d[1], 0.0);
  EXPECT_DOUBLE_EQ(result.example_losses.at(0), 1.0);
}

TEST(SftLoss, RefusesADivisorOfZero) {
  std::vector<double> d(1);
  EXPECT_THROW(SftLoss().evaluate(rows({1}), {{-1}}, nullptr, 0.0, d), InternalError);
}

}  // namespace
}  // namespace afina::dpo
