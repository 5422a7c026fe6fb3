// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/reliability.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/accounts/accounts.h"
#include "storage/quality/statistics.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class QualityStore : public testing::Test {
 protected:
  template <typename F>
  auto act(F&& fn) {
    return test_.db().transaction(std::forward<F>(fn));
  }
  std::string annotator(const std::string& name) {
    return act([&](Transaction& t) { return ensure_annotator(t, AnnotatorKind::annotator, name).id; });
  }
  static ReliabilityEstimate estimate(const std::string& annotator, double weight,
                                      const std::string& purpose = "report") {
    ReliabilityEstimate e;
    e.model = "dawid_skene";
    e.purpose = purpose;
    e.annotators = {{annotator, 0.8, 0.7, 0.9, weight, 40}};
    return e;
  }
  TestDatabase test_;
};

TEST_F(QualityStore, TheNewestEstimateOfAPurposeCounts) {
  const auto ana = annotator("ana");
  EXPECT_TRUE(act([](Transaction& t) { return estimated_reliability(t); }).empty());
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.4)); });
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.6)); });
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.9, "snapshot:x")); });
  EXPECT_EQ(act([](Transaction& t) { return estimated_reliability(t, "report"); }).at(ana), 0.6);
  EXPECT_EQ(act([](Transaction& t) { return estimated_reliability(t); }).at(ana), 0.9);
}

TEST_F(QualityStore, EstimatesAreNeverChangedAndKeepWithinTheirRange) {
  const auto ana = annotator("ana");
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.4)); });
  EXPECT_THROW(act([](Transaction& t) { t.exec("UPDATE annotator_reliability SET weight = 1"); }), Error);
  EXPECT_THROW(act([](Transaction& t) { t.exec("DELETE FROM reliability_estimate"); }), Error);
  EXPECT_THROW(act([&](Transaction& t) { insert_reliability(t, estimate(ana, 1.5)); }), DataError);
  auto crossed = estimate(ana, 0.5);
  crossed.annotators[0].low = 0.95;
  EXPECT_THROW(act([&](Transaction& t) { insert_reliability(t, crossed); }), DataError);
}

TEST_F(QualityStore, ARatingSnapshotIsFoundByItsFilter) {
  RatingSnapshot snapshot;
  snapshot.workspace_id = kPublicWorkspace;
  snapshot.model = "bradley_terry";
  snapshot.filter = {{"locale", "es"}, {"country", ""}};
  snapshot.body = {{"models", Json::array({"ŋuru"})}};
  snapshot.votes = 12;
  act([&](Transaction& t) { insert_rating_snapshot(t, snapshot); });
  act([&](Transaction& t) { insert_rating_snapshot(t, snapshot); });  // again, after a commit in doubt
  const auto found = act([&](Transaction& t) {
    return newest_rating_snapshot(t, kPublicWorkspace, "bradley_terry", {{"country", ""}, {"locale", "es"}});
  });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->body, snapshot.body);
  EXPECT_EQ(found->votes, 12);
  EXPECT_FALSE(act(
      [&](Transaction& t) { return newest_rating_snapshot(t, kPublicWorkspace, "bradley_terry", Json::object()); }));
}

TEST_F(QualityStore, GroupCountsHideSmallGroupsAndForgetWithdrawnPeople) {
  std::vector<Person> people;
  act([&](Transaction& t) {
    people.clear();
    for (int i = 0; i < 5; ++i) {
      people.push_back(make_person(t));
      put_preference(t, vote_on(make_pair_for(t, people.back()).exposure, 1));
    }
  });
  const auto by_locale = [&] {
    return act([](Transaction& t) { return group_counts(t, kPublicWorkspace, GroupBy::locale, 30); });
  };
  ASSERT_EQ(by_locale().groups.size(), 1u);
  EXPECT_EQ(by_locale().groups[0].people, 5);
  EXPECT_EQ(by_locale().groups[0].conversations, 5);
  EXPECT_EQ(by_locale().groups[0].votes, 5);
  act([&](Transaction& t) { withdraw(t, people[0].receipt); });
  EXPECT_TRUE(by_locale().groups.empty()) << "four are left";
  EXPECT_EQ(by_locale().suppressed, 1);
}

}  // namespace
}  // namespace afina::storage
