// SPDX-License-Identifier: Apache-2.0
// What a project's reviewers are told of each annotator: spammers, and what known answers change.
#include "collector/quality/annotator_report.h"

#include <gtest/gtest.h>

#include "base/cat.h"

namespace afina::collector {
namespace {

void said(ProjectMaterial& material, const std::string& item, const std::string& who, int grade) {
  storage::SubmittedVerdict verdict;
  verdict.item_id = item;
  verdict.account_id = who;
  verdict.locale = "es";
  verdict.outcome = "graded";
  verdict.grade = grade;
  verdict.tiers = Json::array();
  material.verdicts.push_back(verdict);
}

ProjectMaterial project(const std::vector<std::string>& people) {
  ProjectMaterial out;
  out.project = {"p", "pairwise", 0.7};
  for (const auto& name : people) {
    storage::AnnotatorWork work;
    work.account_id = work.name = name;
    out.annotators.push_back(work);
  }
  return out;
}

Json row_of(const ProjectMaterial& material, const std::string& name) {
  for (const auto& row : annotator_rows(material)) {
    if (row["name"] == name) return row;
  }
  return nullptr;
}

TEST(AnnotatorReport, ASpammerHasNoCompetence) {
  auto material = project({"ana", "eva", "luis", "spam"});
  for (int i = 0; i < 60; ++i) {
    const int truth = i % 2 == 0 ? 2 : -2;
    const auto item = cat("i", i);
    for (const auto& [name, wrong] : {std::pair<std::string, int>{"ana", 10}, {"eva", 12}, {"luis", 15}})
      said(material, item, name, i % wrong == 3 ? -truth : truth);
    said(material, item, "spam", 3);
  }
  for (const char* name : {"ana", "eva", "luis"})
    EXPECT_GT(row_of(material, name)["competence"].get<double>(), 0.7) << name;
  EXPECT_LT(row_of(material, "spam")["competence"].get<double>(), 0.3);
  EXPECT_LT(row_of(material, "spam")["reliability"]["mean"].get<double>(), 0.6);
}

TEST(AnnotatorReport, KnownAnswersOverruleAMajorityThatCopies) {
  auto material = project({"ana", "copia", "tercera"});
  for (int i = 0; i < 60; ++i) {
    const int truth = i % 2 == 0 ? 2 : -2;
    const auto item = cat("i", i);
    said(material, item, "ana", truth);
    for (const char* name : {"copia", "tercera"})
      said(material, item, name, i % 3 == 0 ? truth : -truth);
  }
  EXPECT_LT(row_of(material, "ana")["reliability"]["mean"].get<double>(),
            row_of(material, "copia")["reliability"]["mean"].get<double>())
      << "the control: without known answers the majority is right";
  for (int i = 0; i < 60; i += 2)
    material.known.push_back({cat("i", i), Json{{"outcome", 1}}, {"a", "b"}});
  EXPECT_GT(row_of(material, "ana")["reliability"]["mean"].get<double>(),
            row_of(material, "copia")["reliability"]["mean"].get<double>());
}

TEST(AnnotatorReport, KnownAnswersOfEveryKindAreUnits) {
  auto material = project({});
  material.known.push_back({"i", Json{{"outcome", "both_bad"}}, {"a", "b"}});
  EXPECT_TRUE(known_units(material).empty()) << "both bad is no grade";
  material.project.kind = "ranking";
  material.known = {{"i", parse_json(R"({"tiers": [["b"], ["a", "c"]]})", "test"), {"x", "y", "z"}}};
  auto units = known_units(material);
  ASSERT_EQ(units.size(), 3U);
  EXPECT_EQ(units[0].unit, "i/0/1");
  EXPECT_EQ(units[0].value, -1);
  EXPECT_EQ(units[1].value, 0);
  material.project.kind = "rating";
  material.known = {
      {"i", parse_json(R"({"aspects": [{"side": "b", "aspect": "clarity", "value": 4}]})", "test"), {"x", "y"}}};
  units = known_units(material);
  ASSERT_EQ(units.size(), 1U);
  EXPECT_EQ(units[0].unit, "i/y");
  EXPECT_EQ(units[0].value, 4);
  material.project.kind = "flagging";
  material.known = {{"i", parse_json(R"({"flags": [{"side": "a", "kind": "toxic"}]})", "test"), {"x"}}};
  units = known_units(material);
  ASSERT_EQ(units.size(), 3U);
  EXPECT_EQ(units[0].value, 1);
  EXPECT_EQ(units[1].value + units[2].value, 0);
}

}  // namespace
}  // namespace afina::collector
