// SPDX-License-Identifier: Apache-2.0
#include "storage/preferences.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "storage/accounts/accounts.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class Preferences : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction([&](Transaction& t) {
      ana = make_person(t);
      luis = make_person(t);
      shown = make_pair_for(t, ana);
    });
  }
  PutPreference put(const NewPreference& p) {
    return db.transaction([&](Transaction& t) { return put_preference(t, p); });
  }
  int64_t rows() {
    return db.read([](Transaction& t) { return t.exec("SELECT count(*) AS n FROM preference").one().integer("n"); });
  }
  TestDatabase test;
  Database& db = test.db();
  Person ana, luis;
  Shown shown;
};

TEST_F(Preferences, SameKeyAndBodyGiveTheStoredRow) {
  NewPreference vote = vote_on(shown.exposure, 2, "key-1");
  vote.reason = "más claro";
  const PutPreference first = put(vote);
  vote.id = new_uuid();
  const PutPreference second = put(vote);
  EXPECT_TRUE(first.created);
  EXPECT_FALSE(second.created);
  EXPECT_EQ(first.stored.id, second.stored.id);
  EXPECT_EQ(second.stored.grade, 2);
  EXPECT_EQ(second.stored.reason, "más claro");
  EXPECT_EQ(rows(), 1);
}

TEST_F(Preferences, SameKeyWithAnotherBodyIsAConflict) {
  put(vote_on(shown.exposure, 2, "key-1"));
  EXPECT_THROW(put(vote_on(shown.exposure, -2, "key-1")), Conflict);
  NewPreference other = vote_on(shown.exposure, 2, "key-1");
  other.reason = "x";
  EXPECT_THROW(put(other), Conflict);
  EXPECT_EQ(rows(), 1);
}

TEST_F(Preferences, TwoHundredParallelPostsOfOneKeyStoreOneRow) {
  std::atomic<int> created{0}, repeated{0}, failed{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 25; ++j) {
          try {
            put(vote_on(shown.exposure, 1, "same")).created ? ++created : ++repeated;
          } catch (const std::exception&) {
            ++failed;
          }
        }
      });
    }
  }
  EXPECT_EQ(created, 1);
  EXPECT_EQ(repeated, 199);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(rows(), 1);
}

TEST_F(Preferences, SomebodyElsesPairIsNotFound) {
  NewPreference vote = vote_on(shown.exposure, 1);
  vote.visitor_id = luis.visitor_id;
  EXPECT_THROW(put(vote), NotFound);
  vote.visitor_id = ana.visitor_id;
  vote.exposure_id = new_uuid();
  EXPECT_THROW(put(vote), NotFound);
  vote.exposure_id = "'; DROP TABLE preference; --";
  EXPECT_THROW(put(vote), NotFound);
  EXPECT_EQ(rows(), 0);
}

TEST_F(Preferences, ASecondVoteNeedsToNameTheOneItCorrects) {
  const Preference first = put(vote_on(shown.exposure, 1)).stored;
  EXPECT_THROW(put(vote_on(shown.exposure, 2)), Conflict);
  NewPreference correction = vote_on(shown.exposure, -1);
  correction.supersedes_id = first.id;
  const Preference second = put(correction).stored;
  EXPECT_EQ(second.supersedes_id, first.id);
  correction.id = new_uuid();
  correction.idempotency_key = new_uuid();
  EXPECT_THROW(put(correction), Conflict) << "the first vote is corrected already";
  const auto standing =
      db.read([&](Transaction& t) { return standing_preference(t, shown.exposure.id, ana.visitor_id); });
  ASSERT_TRUE(standing);
  EXPECT_EQ(standing->grade, -1);
}

TEST_F(Preferences, UndoIsARowAndAllowsANewVote) {
  const Preference first = put(vote_on(shown.exposure, 3)).stored;
  const auto undo = [&](const std::string& key) {
    return db.transaction([&](Transaction& t) { return retract_preference(t, first.id, ana.visitor_id, key); });
  };
  EXPECT_TRUE(undo("undo-1").created);
  EXPECT_FALSE(undo("undo-1").created) << "the same undo again";
  EXPECT_THROW(undo("undo-2"), Conflict) << "it is taken back already";
  EXPECT_THROW(db.transaction([&](Transaction& t) { retract_preference(t, first.id, luis.visitor_id, "k"); }),
               NotFound);
  EXPECT_FALSE(db.read([&](Transaction& t) { return standing_preference(t, shown.exposure.id, ana.visitor_id); }));
  EXPECT_TRUE(put(vote_on(shown.exposure, -3)).created);
  EXPECT_EQ(rows(), 3);
}

TEST_F(Preferences, ValuesOutOfRangeAreRefusedBeforeAnythingIsStored) {
  EXPECT_THROW(put(vote_on(shown.exposure, 4)), DataError);
  EXPECT_THROW(put(vote_on(shown.exposure, 1, "")), DataError);
  EXPECT_THROW(put(vote_on(shown.exposure, 1, std::string(65, 'k'))), DataError);
  NewPreference vote = vote_on(shown.exposure, 1);
  vote.outcome = Outcome::both_good;
  EXPECT_THROW(put(vote), DataError) << "a grade without a graded vote";
  vote = vote_on(shown.exposure, 1);
  vote.reason = std::string("a\0b", 3);
  EXPECT_THROW(put(vote), DataError);
  vote.reason = "\xC3\x28";
  EXPECT_THROW(put(vote), DataError);
  vote.reason = std::string(4001, 'r');
  EXPECT_THROW(put(vote), DataError);
  EXPECT_EQ(rows(), 0);
}

TEST_F(Preferences, TheSchemaItselfRefusesWhatTheCodeWouldNotSend) {
  put(vote_on(shown.exposure, 1));
  const auto raw = [&](const std::string& sql) { db.transaction([&](Transaction& t) { t.script(sql); }); };
  EXPECT_THROW(raw("UPDATE preference SET grade = 3"), StorageError);
  EXPECT_THROW(raw("DELETE FROM preference"), StorageError);
  EXPECT_THROW(raw("TRUNCATE preference CASCADE"), StorageError);
  EXPECT_THROW(raw("INSERT INTO preference SELECT gen_random_uuid(), exposure_id, pair_id, visitor_id, annotator_id, "
                   "'graded', 7, NULL, '', NULL, 'k2', body_sha256, id, source, true FROM preference"),
               DataError);
  EXPECT_THROW(raw("INSERT INTO preference SELECT gen_random_uuid(), exposure_id, pair_id, visitor_id, annotator_id, "
                   "'graded', 1, NULL, '', NULL, 'k2', body_sha256, NULL, source, true FROM preference"),
               Conflict)
      << "two first votes";
  EXPECT_EQ(rows(), 1);
}

TEST_F(Preferences, NamesAreShownOnlyAfterAVoteAndLaterVotesAreNotBlind) {
  const auto reveal = [&] {
    return db.transaction([&](Transaction& t) { return reveal_exposure(t, shown.exposure.id, ana.visitor_id); });
  };
  EXPECT_THROW(reveal(), Conflict);
  const Preference vote = put(vote_on(shown.exposure, 1)).stored;
  EXPECT_TRUE(vote.blind);
  const Exposure first = reveal();
  ASSERT_TRUE(first.revealed_at);
  EXPECT_EQ(*first.revealed_at, *reveal().revealed_at);
  NewPreference later = vote_on(shown.exposure, 3);
  later.supersedes_id = vote.id;
  EXPECT_FALSE(put(later).stored.blind);
}

TEST_F(Preferences, APairIsOneWhateverTheOrderAndAVisitorSeesItOnce) {
  db.transaction([&](Transaction& t) {
    EXPECT_EQ(create_pair(t, shown.b.id, shown.a.id).id, shown.pair.id);
    Exposure again;
    again.pair_id = shown.pair.id;
    again.visitor_id = ana.visitor_id;
    EXPECT_EQ(create_exposure(t, again).id, shown.exposure.id);
    const Shown other = make_pair_for(t, ana);
    EXPECT_THROW(create_pair(t, shown.a.id, other.b.id), DataError);
  });
}

TEST_F(Preferences, OthersMayJudgeWhatTheirOwnersAllow) {
  db.transaction([&](Transaction& t) {
    const Person shy = make_person(t, {"train"});
    make_pair_for(t, shy);
    const auto pairs = pairs_to_judge(t, luis.visitor_id, kPublicWorkspace, 10);
    ASSERT_EQ(pairs.size(), 1U);
    EXPECT_EQ(pairs[0].id, shown.pair.id);
    EXPECT_TRUE(pairs_to_judge(t, ana.visitor_id, kPublicWorkspace, 10).empty()) << "she has seen it";
    EXPECT_TRUE(pairs_to_judge(t, luis.visitor_id, new_uuid(), 10).empty()) << "another organisation's";
  });
}

TEST_F(Preferences, OfSeveralPairsTheLeastJudgedComesFirstAmongTheNewest) {
  db.transaction([&](Transaction& t) {
    const Shown unjudged = make_pair_for(t, ana);
    put_preference(t, vote_on(shown.exposure, 1));
    auto pairs = pairs_to_judge(t, luis.visitor_id, kPublicWorkspace, 10);
    ASSERT_EQ(pairs.size(), 2U);
    EXPECT_EQ(pairs[0].id, unjudged.pair.id);
    for (int64_t i = 0; i < kNewestToJudge; ++i)
      make_pair_for(t, ana);
    pairs = pairs_to_judge(t, luis.visitor_id, kPublicWorkspace, 1);
    ASSERT_EQ(pairs.size(), 1U);
    EXPECT_GT(pairs[0].id, unjudged.pair.id) << "older pairs are not counted";
  });
}

}  // namespace
}  // namespace afina::storage
