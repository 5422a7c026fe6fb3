// SPDX-License-Identifier: Apache-2.0
// What holds of every objective, whatever its formula.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/dpo/settings.h"

namespace afina::dpo {
namespace {

class Every : public ::testing::TestWithParam<Setting> {
 protected:
  Every() : objective_(make_objective(GetParam().options)), batch_(labelled_batch(GetParam())) {
    logps_ = values_of(batch_.targets.size(), -0.4, 0.21);
    p2_ = values_of(batch_.targets.size(), -0.3, 0.11);
    reference_ = values_of(batch_.sequences.size(), -5.0, -0.4);
    if (GetParam().options.kind == "bco") objective_->restore(std::vector<double>{0.2, 12.0});
  }
  ObjectiveResult at(const std::vector<double>& logps, std::vector<double>* derivatives = nullptr) {
    return evaluate(*objective_, batch_, logps, reference_, derivatives, p2_);
  }
  bool is_mismatched(size_t target) const {
    return GetParam().options.kind == "kto" &&
           batch_.sequences[static_cast<size_t>(batch_.targets[target].sequence)].side == 1;
  }

  std::unique_ptr<Objective> objective_;
  datasets::PackedBatch batch_;
  std::vector<double> logps_, p2_, reference_;
};

TEST_P(Every, DerivativesAgreeWithFiniteDifferences) {
  std::vector<double> derivatives;
  at(logps_, &derivatives);
  for (size_t i = 0; i < logps_.size(); ++i) {
    if (is_mismatched(i)) {
      EXPECT_EQ(derivatives[i], 0.0) << "the KL term is a constant to the gradient";
      continue;
    }
    const double h = 1e-6;
    const auto moved = [&](double by) {
      auto logps = logps_;
      logps[i] += by;
      p2_[i] += by;  // keeps WPO's weights, which are constants to the gradient
      const double loss = at(logps).loss;
      p2_[i] -= by;
      return loss;
    };
    EXPECT_NEAR(derivatives[i], (moved(h) - moved(-h)) / (2 * h), 2e-8) << i;
  }
}

/// The batch's i-th example alone, its sequences first.
datasets::PackedBatch only(const datasets::PackedBatch& batch, size_t i) {
  datasets::PackedBatch out;
  out.examples.push_back(batch.examples[i]);
  const auto first = static_cast<size_t>(batch.examples[i].first_sequence);
  out.examples[0].first_sequence = 0;
  for (size_t s = first; s < first + static_cast<size_t>(batch.examples[i].n_sequences); ++s) {
    auto sequence = batch.sequences[s];
    for (int t = 0; t < sequence.n_targets; ++t) {
      out.targets.push_back(batch.targets[static_cast<size_t>(sequence.first_target + t)]);
      out.targets.back().sequence = static_cast<int>(out.sequences.size());
    }
    sequence.example = 0;
    sequence.first_target = static_cast<int>(out.targets.size()) - sequence.n_targets;
    out.sequences.push_back(sequence);
  }
  return out;
}

TEST_P(Every, IsOneLossAndOneGradientHoweverTheRowsAreSplitUnlessItsScopeSaysOtherwise) {
  std::vector<double> whole;
  const double loss = at(logps_, &whole).loss;
  datasets::Divisors divisors;
  std::vector<datasets::PackedBatch> parts;
  for (size_t i = 0; i < batch_.examples.size(); ++i) {
    parts.push_back(only(batch_, i));
    divisors += objective_->divisor_share(parts.back());
  }
  double sum = 0.0;
  size_t target = 0, sequence = 0;
  bool same_gradient = true;
  for (const auto& part : parts) {
    const auto slice = [&](const std::vector<double>& all, size_t begin, size_t n) {
      return std::vector<double>(all.begin() + static_cast<int64_t>(begin),
                                 all.begin() + static_cast<int64_t>(begin + n));
    };
    const size_t n = part.targets.size();
    const auto logps = slice(logps_, target, n), p2 = slice(p2_, target, n);
    const ReferenceLogps reference{slice(reference_, sequence, part.sequences.size())};
    std::vector<double> derivatives(n);
    sum += objective_
               ->evaluate({.batch = part,
                           .policy = {logps, p2},
                           .reference = &reference,
                           .divisors = divisors,
                           .training = false},
                          derivatives)
               .loss;
    for (size_t i = 0; i < n; ++i)
      same_gradient = same_gradient && std::abs(derivatives[i] - whole[target + i]) < 1e-12;
    target += n;
    sequence += part.sequences.size();
  }
  // BCO's running mean is fixed here: its scope is about training.
  const bool splits = objective_->scope() != Scope::micro_batch || GetParam().options.kind == "bco";
  EXPECT_EQ(std::abs(sum - loss) < 1e-12, splits);
  EXPECT_EQ(same_gradient, splits);
  EXPECT_EQ(objective_->scope() == Scope::micro_batch, is(GetParam(), {"aot", "aot_unpaired", "kto", "bco"}));
}

TEST_P(Every, ShareOfTheLossIsTheSumOfItsExamplesLosses) {
  const auto result = at(logps_);
  ASSERT_EQ(result.example_losses.size(), batch_.examples.size());
  for (const double loss : result.example_losses)
    EXPECT_TRUE(std::isfinite(loss));
  const bool has_likelihood = objective_->divisor_share(batch_).nll > 0.0;
  if (has_likelihood || GetParam().options.kind == "sft") return;  // their means are over tokens
  double sum = 0.0;
  for (size_t i = 0; i < batch_.examples.size(); ++i)
    sum += batch_.examples[i].weight * result.example_losses[i];
  EXPECT_NEAR(sum / objective_->divisor_share(batch_).main, result.loss, 1e-12);
}

TEST_P(Every, StaysFiniteAtExtremes) {
  const bool finite_domain = GetParam().options.kind != "reward";
  for (const double chosen : {0.0, -1e6, -1e-300}) {
    for (const double rejected : {0.0, -1e6, -1e-300}) {
      std::vector<double> sums, derivatives;
      for (const auto& sequence : batch_.sequences)
        sums.push_back(sequence.side == 1 ? rejected : chosen);
      reference_.assign(sums.size(), finite_domain ? -0.5e6 : 0.0);
      const auto result = at(spread(batch_, sums), &derivatives);
      EXPECT_TRUE(std::isfinite(result.loss)) << chosen << " " << rejected;
      for (const double d : derivatives)
        EXPECT_TRUE(std::isfinite(d)) << chosen << " " << rejected;
      for (const auto& [name, sum] : result.metric_sums)
        EXPECT_TRUE(std::isfinite(sum)) << name;
    }
  }
}

TEST_P(Every, CountsARowOfWeightTwoAsTheRowTwice) {
  if (is(GetParam(), {"aot", "aot_unpaired", "sft_run"})) return;  // take no weights of rows
  for (auto& example : batch_.examples)
    example.weight = 1.0;
  const double one = at(logps_).loss;
  for (auto& example : batch_.examples)
    example.weight = 2.0;
  EXPECT_NEAR(at(logps_).loss, one, 1e-12) << "weights of a batch are relative";
  batch_.examples[0].weight = 6.0;
  EXPECT_GT(std::abs(at(logps_).loss - one), 1e-6);
}

TEST_P(Every, TurningAPairRoundWithItsLabelChangesNothing) {
  const std::string& kind = GetParam().options.kind;
  const bool one_way = kind == "kto" || kind == "bco" || kind == "sft";
  if (one_way || is(GetParam(), {"aot", "aot_unpaired", "plackett_luce", "cpo_simpo"})) return;
  const double before = at(logps_).loss;
  for (auto& sequence : batch_.sequences)
    if (sequence.side != datasets::kPromptSide) sequence.side = 1 - sequence.side;
  for (auto& example : batch_.examples) {
    example.soft_label = 1.0 - example.soft_label;
    example.margin = -example.margin;
  }
  EXPECT_NEAR(at(logps_).loss, before, 1e-12);
}

TEST_P(Every, RefusesRowsOfAnotherKindByTheirNumber) {
  if (GetParam().options.kind == "sft") return;  // takes any targets
  batch_.examples[2].row = 4711;
  batch_.sequences.back().side = 5;
  try {
    at(logps_);
    FAIL() << "a sixth answer was taken";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("row 4711"), std::string::npos) << error.what();
  }
}

TEST_P(Every, RefusesLabelsThatAreNoProbabilities) {
  if (GetParam().options.kind == "sft") return;
  batch_.examples[0].soft_label = 1.5;
  EXPECT_THROW(at(logps_), DataError);
  batch_.examples[0].soft_label = 1.0;
  batch_.examples[0].weight = std::nan("");
  EXPECT_THROW(at(logps_), Error);
}

INSTANTIATE_TEST_SUITE_P(Objective, Every, ::testing::ValuesIn(settings()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace afina::dpo
