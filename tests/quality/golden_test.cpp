// SPDX-License-Identifier: Apache-2.0
// Against crowd-kit, krippendorff, scikit-learn and statsmodels: tests/golden/quality (data, results, versions).
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "quality/dawid_skene.h"
#include "quality/kappa.h"
#include "quality/krippendorff.h"
#include "quality/mace.h"
#include "quality/noisy_bradley_terry.h"
#include "quality/ratings.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

const Json& golden() {
  static const Json json = parse_json(read_file(AFINA_SOURCE_DIR "/tests/golden/quality/golden.json"), "golden.json");
  return json;
}

std::vector<double> numbers(const Json& array) {
  std::vector<double> out;
  for (const auto& value : array) {
    if (value.is_array()) {
      for (const double inner : numbers(value))
        out.push_back(inner);
    } else {
      out.push_back(value.get<double>());
    }
  }
  return out;
}

std::vector<Label> labels_of(const Json& one) {
  std::vector<Label> out;
  for (const auto& row : one["labels"])
    out.push_back({row[0].get<uint32_t>(), row[1].get<uint32_t>(), row[2].get<uint32_t>()});
  return out;
}

std::vector<Battle> battles_of(const Json& one) {
  std::vector<Battle> out;
  for (const auto& row : one["battles"]) {
    out.push_back({row[1].get<uint32_t>(), row[2].get<uint32_t>(), row[3] == 1 ? Winner::left : Winner::right,
                   row[0].get<uint32_t>()});
  }
  return out;
}

void expect_near(const std::vector<double>& ours, const Json& theirs, double tolerance, const char* what) {
  const auto expected = numbers(theirs);
  ASSERT_EQ(ours.size(), expected.size()) << what;
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_NEAR(ours[i], expected[i], tolerance) << what << " " << i;
}

// crowd-kit starts from vote shares, has no prior, and stops by its own unpenalised bound: EM is run to its fixed point
// by both.
TEST(Golden, DawidSkeneEqualsCrowdKit) {
  for (const auto& one : golden()["dawid_skene"]) {
    const auto fit = fit_dawid_skene(
        labels_of(one), one["items"], one["raters"], one["classes"],
        {.prior = 0, .one_coin_below = 0, .max_iterations = 5000, .tolerance = 1e-15, .start = StartFrom::vote_shares});
    expect_near(fit.posterior, one["dawid_skene"]["posterior"], 1e-5, "posterior");
    expect_near(fit.prior, one["dawid_skene"]["prior"], 1e-6, "prior");
  }
}

TEST(Golden, OneCoinEqualsCrowdKit) {
  for (const auto& one : golden()["dawid_skene"]) {
    const auto fit = fit_dawid_skene(labels_of(one), one["items"], one["raters"], one["classes"],
                                     {.prior = 0,
                                      .one_coin_below = 1'000'000,
                                      .max_iterations = 5000,
                                      .tolerance = 1e-15,
                                      .start = StartFrom::vote_shares});
    expect_near(fit.posterior, one["one_coin"]["posterior"], 1e-5, "posterior");
    std::vector<double> skill;
    for (size_t w = 0; w < fit.raters; ++w)
      skill.push_back(fit.confusion[w * fit.classes * fit.classes]);
    expect_near(skill, one["one_coin"]["skill"], 1e-5, "skill");
  }
}

TEST(Golden, MaceEqualsCrowdKitFromTheSameStart) {
  bool variational = true;
  for (const auto& one : golden()["mace"]) {
    const MaceStart start{numbers(one["start"]["knowing"]), numbers(one["start"]["strategy"])};
    const auto fit = fit_mace(labels_of(one), one["items"], one["raters"], one["classes"],
                              {.variational = variational, .iterations = 50, .start = start});
    expect_near(fit.knowing, one["knowing"], 1e-7, "knowing");
    expect_near(fit.spamming, one["spamming"], 1e-7, "spamming");
    expect_near(fit.strategy, one["strategy"], 1e-7, "strategy");
    expect_near(fit.posterior, one["posterior"], 1e-7, "posterior");
    variational = false;
  }
}

TEST(Golden, BradleyTerryEqualsCrowdKit) {
  for (const auto& one : golden()["bradley_terry"]) {
    const auto fit = fit_ratings(battles_of(one), one["models"], {.position = false});
    expect_near(fit.strength, one["strength"], 1e-8, "strength");
  }
}

TEST(Golden, NoisyBradleyTerryHasCrowdKitsLikelihoodAndScipysOptimum) {
  for (const auto& one : golden()["noisy_bradley_terry"]) {
    const auto models = one["models"].get<uint32_t>(), raters = one["raters"].get<uint32_t>();
    const auto battles = battles_of(one);
    const auto probe = numbers(one["probe"]);
    double loss = 0;
    for (const auto& b : battles) {
      const double left = noisy_left_probability(probe[b.left] - probe[b.right], probe[models + b.annotator],
                                                 probe[models + raters + b.annotator]);
      loss -= std::log(b.winner == Winner::left ? left : 1 - left);
    }
    EXPECT_NEAR(loss, one["probe_likelihood"].get<double>(), 1e-9);
    const auto fit = fit_noisy_bradley_terry(battles, models, raters);
    EXPECT_TRUE(fit.converged) << fit.iterations;
    EXPECT_NEAR(fit.loss, one["loss"].get<double>(), 1e-6);
    EXPECT_LE(fit.loss, one["loss"].get<double>() + 1e-9) << "no optimum is worse than scipy's";
    expect_near(fit.strength, one["strength"], 1e-3, "strength");
    expect_near(fit.skill, one["skill"], 1e-3, "skill");
    expect_near(fit.bias, one["bias"], 1e-3, "bias");
  }
}

TEST(Golden, AlphaEqualsKrippendorffsPackage) {
  for (const auto& one : golden()["alpha"]) {
    std::vector<UnitValue> values;
    for (const auto& rater : one["data"]) {
      for (uint32_t unit = 0; unit < rater.size(); ++unit) {
        if (!rater[unit].is_null()) values.push_back({unit, rater[unit].get<double>()});
      }
    }
    const AlphaTally tally = tally_units(values);
    for (const Scale scale : {Scale::nominal, Scale::ordinal, Scale::interval, Scale::ratio}) {
      const std::string name(to_string(scale));
      if (!one.contains(name)) continue;
      EXPECT_NEAR(tally.alpha(scale).value, one[name].get<double>(), 1e-12) << name;
    }
  }
}

TEST(Golden, KappasEqualScikitLearnAndStatsmodels) {
  const auto& one = golden()["kappa"];
  std::vector<int64_t> table, counts;
  for (const auto& value : one["table"])
    table.push_back(value);
  for (const auto& value : one["fleiss_counts"])
    counts.push_back(value);
  EXPECT_NEAR(*cohen_kappa(table, 5, KappaWeights::none), one["none"].get<double>(), 1e-12);
  EXPECT_NEAR(*cohen_kappa(table, 5, KappaWeights::linear), one["linear"].get<double>(), 1e-12);
  EXPECT_NEAR(*cohen_kappa(table, 5, KappaWeights::quadratic), one["quadratic"].get<double>(), 1e-12);
  EXPECT_NEAR(*fleiss_kappa(counts, 4).kappa, one["fleiss"].get<double>(), 1e-12);
}

}  // namespace
}  // namespace afina::quality
