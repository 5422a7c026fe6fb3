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

ObjectiveResult evaluate(const datasets::PackedBatch& batch, const std::vector<double>& logps, double divisor,
                         std::vector<double>& derivatives) {
  return SftLoss().evaluate({.batch = batch, .policy = {logps, {}}, .divisors = {.main = divisor}}, derivatives);
}

TEST(SftLoss, IsTheMeanOverTrainedTokensHoweverTheRowsAreSplit) {
  const SftLoss loss;
  const auto both = rows({1, 3}), first = rows({1}), second = rows({3});
  std::vector<double> d4(4), d1(1), d3(3);
  const double whole = evaluate(both, {-1, -2, -3, -4}, loss.divisor_share(both).main, d4).loss;
  const double divisor = loss.divisor_share(first).main + loss.divisor_share(second).main;
  const double split = evaluate(first, {-1}, divisor, d1).loss + evaluate(second, {-2, -3, -4}, divisor, d3).loss;
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
  EXPECT_DOUBLE_EQ(loss.divisor_share(batch).main, 1.0);
  const auto result = evaluate(batch, {-1, -9}, 1.0, d);
  EXPECT_DOUBLE_EQ(result.loss, 1.0);
  EXPECT_DOUBLE_EQ(d[1], 0.0);
  EXPECT_DOUBLE_EQ(result.example_losses.at(0), 1.0);
}

TEST(SftLoss, RefusesADivisorOfZero) {
  std::vector<double> d(1);
  EXPECT_THROW(evaluate(rows({1}), {-1}, 0.0, d), InternalError);
}

}  // namespace
}  // namespace afina::dpo
