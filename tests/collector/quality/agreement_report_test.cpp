// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/agreement_report.h"

#include <gtest/gtest.h>

#include "base/cat.h"
#include "collector/quality/annotator_report.h"

namespace afina::collector {
namespace {

storage::SubmittedVerdict verdict(int item, const std::string& who, int grade, const std::string& locale = "es",
                                  const std::string& outcome = "graded") {
  storage::SubmittedVerdict v;
  v.item_id = cat("item-", item);
  v.account_id = who;
  v.locale = locale;
  v.outcome = outcome;
  v.grade = grade;
  v.first_on_left = item % 2 == 0;
  return v;
}

Json group(const Json& groups, const std::string& aspect, const std::string& locale) {
  for (const auto& one : groups) {
    if (one["aspect"] == aspect && one["locale"] == locale) return one;
  }
  return nullptr;
}

TEST(AgreementReport, KeepsLanguagesAndAspectsApart) {
  std::vector<storage::SubmittedVerdict> verdicts;
  for (int i = 0; i < 30; ++i) {
    for (const char* who : {"ana", "luis"}) {
      verdicts.push_back(verdict(i, who, i % 7 - 3, "es"));
      // In Portuguese they never agree.
      verdicts.push_back(verdict(100 + i, who, (*who == 'a') == (i % 2 == 0) ? 2 : -2, "pt"));
    }
  }
  const Json groups = agreement_groups(unit_ratings(verdicts));
  EXPECT_EQ(group(groups, "", "es")["interval"]["value"], 1);
  EXPECT_LT(group(groups, "", "pt")["interval"]["value"], -0.5);
  EXPECT_EQ(group(groups, "", "es")["units"], 30);
  EXPECT_EQ(group(groups, "", "es")["annotators"], 2);
  EXPECT_LE(group(groups, "", "pt")["nominal"]["low"], group(groups, "", "pt")["nominal"]["value"]);
  EXPECT_TRUE(group(groups, "verdict_class", "es").contains("nominal"));
  EXPECT_FALSE(group(groups, "verdict_class", "es").contains("interval")) << "names have no distance";
}

TEST(AgreementReport, GivesCohenAndFleissOnlyWhereTheyAreValid) {
  std::vector<storage::SubmittedVerdict> two, three;
  for (int i = 0; i < 20; ++i) {
    for (const char* who : {"ana", "luis", "eva"}) {
      const auto v = verdict(i, who, i % 3 - 1 + (*who == 'e' && i % 5 == 0 ? 1 : 0));
      if (*who != 'e') two.push_back(v);
      three.push_back(v);
    }
  }
  const Json of_two = group(agreement_groups(unit_ratings(two)), "", "es");
  EXPECT_EQ(of_two["cohen"]["none"], 1);
  EXPECT_EQ(of_two["cohen"]["quadratic"], 1);
  EXPECT_NEAR(of_two["fleiss"].get<double>(), 1, 1e-12);
  const Json of_three = group(agreement_groups(unit_ratings(three)), "", "es");
  EXPECT_FALSE(of_three.contains("cohen"));
  EXPECT_GT(of_three["fleiss"], 0.5);
  three.pop_back();
  EXPECT_FALSE(group(agreement_groups(unit_ratings(three)), "", "es").contains("fleiss")) << "one vote is missing";
}

TEST(AgreementReport, CallsUnanimityByItsName) {
  std::vector<storage::SubmittedVerdict> verdicts{verdict(1, "ana", 2), verdict(1, "luis", 2), verdict(2, "ana", 2),
                                                  verdict(2, "luis", 2)};
  const Json one = group(agreement_groups(unit_ratings(verdicts)), "", "es");
  EXPECT_EQ(one["ordinal"]["state"], "unanimous");
  EXPECT_FALSE(one["ordinal"].contains("value"));
  verdicts = {verdict(1, "ana", 2), verdict(2, "luis", 1)};
  EXPECT_EQ(group(agreement_groups(unit_ratings(verdicts)), "", "es")["nominal"]["state"], "too_few");
  EXPECT_TRUE(agreement_groups({}).empty());
}

TEST(AgreementReport, TakesRankingsAsPairsAndLeavesOutWhatNobodyCouldJudge) {
  storage::SubmittedVerdict ranking = verdict(1, "ana", 0, "es", "");
  ranking.tiers = Json::parse("[[1],[0,2]]");
  const auto units = unit_ratings(std::vector{ranking});
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[0].value, -1) << "0 against 1";
  EXPECT_EQ(units[1].value, 0) << "0 against 2";
  EXPECT_EQ(units[2].value, 1) << "1 against 2";
  EXPECT_TRUE(unit_ratings(std::vector{verdict(1, "ana", 0, "es", "cannot_judge")}).empty());
  EXPECT_EQ(unit_ratings(std::vector{verdict(1, "ana", 0, "es", "both_bad")}).size(), 1u) << "a name, and no grade";
}

TEST(AnnotatorRows, TellWhoAgreesWhoClicksLeftAndWhoGuesses) {
  ProjectMaterial material;
  material.project = {"p", "pairwise", 0.7};
  for (int i = 0; i < 80; ++i) {
    const int truth = i % 3 == 0 ? -2 : 2;
    for (const char* who : {"ana", "eva", "luis"})
      material.verdicts.push_back(verdict(i, who, truth));
    material.verdicts.push_back(verdict(i, "zurdo", i % 2 == 0 ? 2 : -2));  // always the left one
  }
  for (const char* who : {"ana", "eva", "luis", "nadie", "zurdo"})
    material.annotators.push_back({who, who, who, "work", who == std::string("nadie") ? 0 : 80, 0, 20, 19, 9000.0});
  material.annotators.back().gold_passed = 13;
  material.annotators.back().median_ms = 1200;
  const Json rows = annotator_rows(material);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_GT(rows[0]["alpha_with_others"]["value"], 0.5);
  EXPECT_GT(rows[0]["reliability"]["low"], 0.9);
  EXPECT_TRUE(rows[0]["warnings"].empty());
  EXPECT_EQ(rows[3]["name"], "nadie");
  EXPECT_TRUE(rows[3]["reliability"].is_null());
  EXPECT_EQ(rows[3]["alpha_with_others"]["state"], "too_few");
  const Json& left = rows[4];
  EXPECT_EQ(left["left_share"], 1);
  EXPECT_LT(left["reliability"]["high"], 0.75);
  EXPECT_LT(left["alpha_with_others"]["value"], 0.2);
  EXPECT_EQ(left["warnings"], Json::parse(R"(["haste","position","gold","outlier"])"));
}

}  // namespace
}  // namespace afina::collector
