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
  EXPECT_TRUE(act([](Transaction& t) { return estimated_reliability(t, "report"); }).empty());
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.4)); });
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.6)); });
  act([&](Transaction& t) { insert_reliability(t, estimate(ana, 0.9, "snapshot:x")); });
  EXPECT_EQ(act([](Transaction& t) { return estimated_reliability(t, "report"); }).at(ana), 0.6);
  EXPECT_EQ(act([](Transaction& t) { return estimated_reliability(t, "snapshot:x"); }).at(ana), 0.9);
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

TEST_F(QualityStore, ALeaderboardIsPublishedOnceForAKeyAndNeverChanged) {
  RatingSnapshot snapshot;
  snapshot.workspace_id = kPublicWorkspace;
  snapshot.account_id = act([](Transaction& t) {
    NewAccount account;
    account.name = "revisora";
    return create_account(t, account).id;
  });
  snapshot.idempotency_key = "k";
  snapshot.model = "bradley_terry";
  snapshot.filter = {{"locale", "es"}, {"country", ""}};
  snapshot.body = {{"models", Json::array({"ŋuru"})}};
  snapshot.votes = 12;
  const auto put = [&] { return act([&](Transaction& t) { return put_rating_snapshot(t, snapshot); }); };
  EXPECT_TRUE(put().created);
  const std::string first = snapshot.id;
  snapshot.id = new_uuid();
  EXPECT_FALSE(put().created);
  EXPECT_EQ(put().id, first);
  snapshot.model = "davidson";
  EXPECT_THROW(put(), Conflict);
  snapshot.idempotency_key = "k2";
  EXPECT_TRUE(put().created);
  const auto list = [&](int64_t limit, const std::string& before) {
    return act([&](Transaction& t) { return list_rating_snapshots(t, kPublicWorkspace, limit, before); });
  };
  ASSERT_EQ(list(10, "").size(), 2U);
  EXPECT_EQ(list(10, "")[0].id, snapshot.id) << "the newest first";
  ASSERT_EQ(list(10, snapshot.id).size(), 1U);
  EXPECT_EQ(list(10, snapshot.id)[0].body, snapshot.body);
  EXPECT_EQ(list(1, "").size(), 1U);
  const auto one = [&](const std::string& workspace, const std::string& id) {
    return act([&](Transaction& t) { return rating_snapshot(t, workspace, id); });
  };
  EXPECT_EQ(one(kPublicWorkspace, first).model, "bradley_terry");
  EXPECT_THROW(one(new_uuid(), first), NotFound) << "of another workspace";
  EXPECT_THROW(one(kPublicWorkspace, new_uuid()), NotFound);
  EXPECT_THROW(act([](Transaction& t) { t.exec("UPDATE rating_snapshot SET votes = 0"); }), Error);
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
