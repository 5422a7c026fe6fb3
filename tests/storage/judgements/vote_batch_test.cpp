// SPDX-License-Identifier: Apache-2.0
// Votes written in one transaction, as the tables see them: sessions that ended, clashes with other transactions, and
// what webhooks hear.
#include <gtest/gtest.h>

#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "storage/accounts/accounts.h"
#include "storage/events/webhooks.h"
#include "storage/judgements/votes.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class VoteBatch : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction([&](Transaction& t) {
      for (Person& person : people)
        person = make_person(t);
      for (size_t i = 0; i < people.size(); ++i)
        shown[i] = make_pair_for(t, people[i]);
    });
  }
  VoteDraft draft(size_t person, bool with_session = true) const {
    VoteDraft d;
    d.vote = vote_on(shown[person].exposure, 1);
    if (with_session) d.session_sha256 = sha256_hex(people[person].session);
    return d;
  }
  std::vector<VoteRefusal> put(const std::vector<VoteDraft>& drafts) {
    std::vector<VoteRefusal> refusals;
    for (const VoteResult& result : db.transaction([&](Transaction& t) { return put_votes(t, drafts); }))
      refusals.push_back(result.refusal);
    return refusals;
  }
  int64_t count(const char* sql) {
    return db.read([&](Transaction& t) { return t.exec(sql).one().integer("n"); });
  }
  int64_t rows() { return count("SELECT count(*) AS n FROM preference"); }

  TestDatabase test;
  Database& db = test.db();
  std::array<Person, 4> people;
  std::array<Shown, 4> shown;
};

TEST_F(VoteBatch, RefusesThoseWhoseSessionEndedAndStoresTheirNeighbours) {
  db.transaction([&](Transaction& t) {
    end_session(t, people[1].visitor_id);
    withdraw_visitor(t, people[2].visitor_id);
  });
  VoteDraft unknown_pair = draft(2);
  unknown_pair.vote.exposure_id = new_uuid();
  using enum VoteRefusal;
  EXPECT_EQ(put({draft(0), draft(1), draft(2), unknown_pair, draft(3)}),
            (std::vector{none, session_ended, session_ended, session_ended, none}));
  EXPECT_EQ(rows(), 2);
}

TEST_F(VoteBatch, AsksForNoSessionWhereTheCallerDid) {
  db.transaction([&](Transaction& t) {
    end_session(t, people[1].visitor_id);
    withdraw_visitor(t, people[2].visitor_id);
  });
  using enum VoteRefusal;
  EXPECT_EQ(put({draft(1, false), draft(2, false)}), (std::vector{none, not_found}));
}

TEST_F(VoteBatch, AFirstVoteThatMeetsAnotherTransactionsIsAConflictAndAloneHearsThatItStands) {
  EXPECT_THROW(db.transaction([&](Transaction& t) {
    // The other transaction commits after this one has looked and before it writes.
    auto drafts = std::vector{draft(0), draft(1)};
    drafts[0].resolve = [&](NewPreference&, const ShownPair&) {
      EXPECT_EQ(put({draft(0)}).front(), VoteRefusal::none);
    };
    put_votes(t, drafts);
  }),
               Conflict);
  EXPECT_EQ(rows(), 1);
  EXPECT_EQ(put({draft(0)}), (std::vector{VoteRefusal::already_voted}));
  EXPECT_EQ(put({draft(0), draft(1)}), (std::vector{VoteRefusal::already_voted, VoteRefusal::none}));
  EXPECT_EQ(rows(), 2);
}

TEST_F(VoteBatch, AnothersExposureIsNotFoundAmongItsNeighbours) {
  VoteDraft stolen = draft(1);
  stolen.vote.exposure_id = shown[0].exposure.id;
  VoteDraft nonsense = draft(2);
  nonsense.vote.exposure_id = "' OR true --";
  EXPECT_EQ(put({stolen, nonsense, draft(3)}),
            (std::vector{VoteRefusal::not_found, VoteRefusal::not_found, VoteRefusal::none}));
}

TEST_F(VoteBatch, TellsWebhooksThatAskedOfVotesAndUndoneVotesAndNobodyElse) {
  const char* events = "SELECT count(*) AS n FROM outbox";
  put({draft(0)});
  EXPECT_EQ(count(events), 0) << "nobody listens";
  db.transaction([&](Transaction& t) {
    Webhook hook;
    hook.workspace_id = kPublicWorkspace;
    hook.url = "https://example.org/hook";
    hook.types = {"preference.created", "preference.retracted"};
    hook.secret = new_webhook_secret();
    create_webhook(t, hook);
  });
  put({draft(1), draft(2)});
  EXPECT_EQ(count("SELECT count(*) AS n FROM outbox WHERE type = 'preference.created'"), 2);
  db.transaction([&](Transaction& t) {
    const auto standing = standing_preference(t, shown[1].exposure.id, people[1].visitor_id);
    retract_preference(t, standing->id, people[1].visitor_id, "undo");
  });
  EXPECT_EQ(count("SELECT count(*) AS n FROM outbox WHERE type = 'preference.retracted'"), 1);
  EXPECT_EQ(count("SELECT count(*) AS n FROM outbox"), 3);
}

}  // namespace
}  // namespace afina::storage
