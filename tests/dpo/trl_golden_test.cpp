// SPDX-License-Identifier: Apache-2.0
// Losses, derivatives and metrics of TRL's own trainers (tests/golden/objectives/make.py says how they were made).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "dpo/make_objective.h"
#include "tests/dpo/batches.h"
#include "tests/support/golden.h"

namespace afina::dpo {
namespace {

using Rows = std::vector<std::vector<double>>;

const Json& cases() {
  static const Json all = parse_json(read_file(golden_path("objectives/cases.json")), "cases.json").at("cases");
  return all;
}

ObjectiveOptions options_of(const Json& json) {
  ObjectiveOptions out;
  out.kind = json.at("kind");
  out.loss_type = json.value("loss_type", out.loss_type);
  out.loss_weights = json.value("loss_weights", out.loss_weights);
  out.beta = json.value("beta", out.beta);
  out.label_smoothing = json.value("label_smoothing", out.label_smoothing);
  out.f_divergence_type = json.value("f_divergence_type", out.f_divergence_type);
  out.f_alpha_divergence_coef = json.value("f_alpha_divergence_coef", out.f_alpha_divergence_coef);
  out.use_weighting = json.value("use_weighting", out.use_weighting);
  out.desirable_weight = json.value("desirable_weight", out.desirable_weight);
  out.undesirable_weight = json.value("undesirable_weight", out.undesirable_weight);
  out.cpo_alpha = json.value("cpo_alpha", out.cpo_alpha);
  out.simpo_gamma = json.value("simpo_gamma", out.simpo_gamma);
  out.center_rewards_coefficient = json.value("center_rewards_coefficient", out.center_rewards_coefficient);
  return out;
}

std::vector<double> flat(const Json& rows) {
  std::vector<double> out;
  for (const auto& row : rows.get<Rows>())
    out.insert(out.end(), row.begin(), row.end());
  return out;
}

/// Sides of each example in the file's order of sequences.
std::vector<int> sides_of_kind(const std::string& kind) {
  if (kind == "cpo" || kind == "orpo") return {datasets::kPromptSide, 0, 1};
  if (kind == "bco") return {0};
  return {0, 1};
}

datasets::PackedBatch batch_of_case(const Json& json, const std::string& kind) {
  const Rows rows = json.at("policy").get<Rows>();
  const std::vector<int> sides = sides_of_kind(kind);
  std::vector<std::vector<Answer>> examples(rows.size() / sides.size());
  for (size_t i = 0; i < rows.size(); ++i)
    examples[i / sides.size()].push_back({sides[i % sides.size()], static_cast<int>(rows[i].size())});
  auto batch = batch_of(examples);
  for (size_t i = 0; i < batch.examples.size(); ++i) {
    if (json.contains("labels")) batch.examples[i].soft_label = json.at("labels").at(i);
    if (json.contains("margins")) batch.examples[i].margin = json.at("margins").at(i);
  }
  return batch;
}

/// LD-DPO as the data part gives it: targets beyond the shorter answer's length weigh ld_alpha.
void weigh_by_length(datasets::PackedBatch& batch, float ld_alpha) {
  for (const auto& example : batch.examples) {
    const auto c = static_cast<size_t>(example.first_sequence);
    const int shared = std::min(batch.sequences[c].n_targets, batch.sequences[c + 1].n_targets);
    for (const size_t s : {c, c + 1})
      for (int t = shared; t < batch.sequences[s].n_targets; ++t)
        batch.targets[static_cast<size_t>(batch.sequences[s].first_target + t)].weight = ld_alpha;
  }
}

void expect_near(const std::vector<double>& ours, const std::vector<double>& theirs, double tolerance) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_NEAR(ours[i], theirs[i], tolerance) << "derivative " << i;
}

class Trl : public ::testing::TestWithParam<size_t> {};

TEST_P(Trl, GivesTheSameLossDerivativesAndMetrics) {
  const Json& json = cases().at(GetParam());
  SCOPED_TRACE(json.at("name").get<std::string>());
  const auto objective = make_objective(options_of(json.at("options")));
  auto batch = batch_of_case(json, json.at("options").at("kind"));
  if (json.at("options").contains("ld_alpha")) weigh_by_length(batch, json.at("options").at("ld_alpha"));
  std::vector<double> derivatives, p2;
  if (objective->needs_sum_p2()) p2 = flat(json.at("log_sum_p2"));
  std::vector<double> reference;
  if (json.contains("reference")) reference = sequence_logps(batch, flat(json.at("reference")));
  const auto result = evaluate(*objective, batch, flat(json.at("policy")), reference, &derivatives, p2);
  const double tolerance = json.at("tolerance");
  EXPECT_NEAR(result.loss, json.at("loss").get<double>(), tolerance * std::max(1.0, result.loss));
  expect_near(derivatives, flat(json.at("dlogp")), tolerance);
  for (const auto& [name, value] : json.at("metrics").items()) {
    if (name == "nll_loss" && value == 0.0) continue;  // of a likelihood term with weight 0
    ASSERT_TRUE(result.metric_sums.contains(name)) << name;
    EXPECT_NEAR(metric(result, name), value.get<double>(), std::max(tolerance, 1e-6)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Trl, ::testing::Range(size_t{0}, size_t{58}));

TEST(TrlCases, AreAllRun) {
  EXPECT_EQ(cases().size(), 59U) << "58 above and bco's steps, the last";
}

TEST(TrlCases, BcosRunningMeanMovesAsTheirsOverThreeSteps) {
  const auto found = std::find_if(cases().begin(), cases().end(), [](const Json& c) { return c.contains("steps"); });
  const auto objective = make_objective(options_of(found->at("options")));
  for (const auto& step : found->at("steps")) {
    const auto batch = batch_of_case(step, "bco");
    const std::vector<double> policy = flat(step.at("policy"));
    const ReferenceLogps reference{sequence_logps(batch, flat(step.at("reference")))};
    std::vector<double> derivatives(policy.size());
    const auto result = objective->evaluate(
        {.batch = batch, .policy = {policy, {}}, .reference = &reference, .divisors = objective->divisor_share(batch)},
        derivatives);
    EXPECT_NEAR(result.loss, step.at("loss").get<double>(), 1e-7);
    EXPECT_NEAR(metric(result, "delta"), step.at("delta").get<double>(), 1e-7);
    expect_near(derivatives, flat(step.at("dlogp")), 1e-7);
  }
}

}  // namespace
}  // namespace afina::dpo
