// SPDX-License-Identifier: Apache-2.0
#include "storage/people.h"

#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "storage/loop.h"
#include "storage/quality/eligible.h"
#include "storage/snapshots.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

TEST(ReceiptCodes, AreReadWhateverTheCaseDashesAndLookalikes) {
  const std::string code = new_receipt_code();
  EXPECT_TRUE(std::regex_match(code, std::regex("AFINA(-[0-9A-HJKMNP-TV-Z]{5}){4}"))) << code;
  EXPECT_NE(code, new_receipt_code());
  EXPECT_EQ(normalise_receipt_code(code), code);
  EXPECT_EQ(normalise_receipt_code(" afina 0123456789abcdefghjk "), "AFINA-01234-56789-ABCDE-FGHJK");
  EXPECT_EQ(normalise_receipt_code("OIL23456789ABCDEFGHJ"), "AFINA-01123-45678-9ABCD-EFGHJ");
  EXPECT_EQ(normalise_receipt_code("AFINA-1234"), "");
  EXPECT_EQ(normalise_receipt_code("AFINA-UUUUU-UUUUU-UUUUU-UUUUU"), "") << "no U in this alphabet";
  EXPECT_EQ(normalise_receipt_code(std::string(1 << 20, 'A')), "");
  EXPECT_EQ(normalise_receipt_code(""), "");
}

class People : public ::testing::Test {
 protected:
  TestDatabase test;
  Database& db = test.db();
};

TEST_F(People, AreFoundByTheirSessionUntilItEnds) {
  db.transaction([](Transaction& t) {
    const Person ana = make_person(t);
    const auto found = find_visitor_by_session(t, ana.session);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, ana.visitor_id);
    EXPECT_EQ(found->purposes, (std::vector<std::string>{"train", "review"}));
    EXPECT_FALSE(find_visitor_by_session(t, "another"));
    end_session(t, ana.visitor_id);
    EXPECT_FALSE(find_visitor_by_session(t, ana.session));
    EXPECT_EQ(get_visitor(t, ana.visitor_id).id, ana.visitor_id);
  });
}

TEST_F(People, SecretsAreNotStored) {
  Person ana;
  db.transaction([&](Transaction& t) { ana = make_person(t); });
  const std::string row =
      db.read([](Transaction& t) { return t.exec("SELECT v::text AS v FROM visitor v").one().text("v"); });
  EXPECT_EQ(row.find(ana.session), std::string::npos);
  EXPECT_EQ(row.find(ana.receipt), std::string::npos);
}

TEST_F(People, TheNewestConsentHolds) {
  db.transaction([](Transaction& t) {
    const Person ana = make_person(t, {"train"});
    ConsentEvent event;
    event.visitor_id = ana.visitor_id;
    event.text_id = ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
    event.purposes = {"publish"};
    add_consent_event(t, event);
    add_consent_event(t, event);
    EXPECT_EQ(get_visitor(t, ana.visitor_id).purposes, std::vector<std::string>{"publish"});
    EXPECT_EQ(t.exec("SELECT 1 FROM consent_event").size(), 2U) << "the same event twice is one";
  });
}

TEST_F(People, AConsentTextKeepsItsWords) {
  db.transaction([](Transaction& t) {
    const ConsentText first = ensure_consent_text(t, "1", "pt", "Autorizo");
    EXPECT_EQ(ensure_consent_text(t, "1", "pt", "Autorizo").id, first.id);
    EXPECT_THROW(ensure_consent_text(t, "1", "pt", "Autorizo tudo"), Conflict);
    EXPECT_THROW(ensure_annotator(t, AnnotatorKind::demo, ""), DataError);
    const Annotator marta = ensure_annotator(t, AnnotatorKind::demo, "Marta");
    EXPECT_EQ(ensure_annotator(t, AnnotatorKind::demo, "Marta").id, marta.id);
    EXPECT_THROW(ensure_annotator(t, AnnotatorKind::service, "Marta"), Conflict);
  });
}

TEST_F(People, CreatingTwiceWithTheSameIdsIsOnce) {
  NewVisitor v;
  v.session_token = new_session_token();
  v.receipt_code = new_receipt_code();
  for (int i = 0; i < 2; ++i) {
    db.transaction([&](Transaction& t) {
      v.consent.text_id = ensure_consent_text(t, "1", "es", "x").id;
      create_visitor(t, v);
    });
  }
  EXPECT_EQ(db.read([](Transaction& t) { return t.exec("SELECT 1 FROM visitor").size(); }), 1U);
  v.consent.granted = false;
  EXPECT_THROW(db.transaction([&](Transaction& t) { create_visitor(t, v); }), DataError);
}

TEST_F(People, WithdrawingTakesEverythingOutOfLaterSnapshotsAndTellsWhatWasMade) {
  Person ana, luis;
  Shown hers, his;
  std::string snapshot_id, run_id, adapter_id;
  db.transaction([&](Transaction& t) {
    ana = make_person(t);
    luis = make_person(t);
    hers = make_pair_for(t, ana);
    his = make_pair_for(t, luis, "Onde fica o posto?");
    put_preference(t, vote_on(hers.exposure, 2));
    put_preference(t, vote_on(his.exposure, 1));
    // She also judged his answers.
    Exposure e;
    e.pair_id = his.pair.id;
    e.visitor_id = ana.visitor_id;
    put_preference(t, vote_on(create_exposure(t, e), -3));
    const auto pairs = eligible_pairs(t, {});
    ASSERT_EQ(pairs.size(), 2U);
    EXPECT_EQ(pairs[1].votes.size(), 2U);
    Snapshot s;
    s.name = "first";
    SnapshotMember m;
    m.split = "train";
    m.pair_id = pairs[0].pair.id;
    m.chosen_generation_id = pairs[0].a.id;
    m.rejected_generation_id = pairs[0].b.id;
    m.preference_ids = {pairs[0].votes[0].id};
    snapshot_id = insert_snapshot(t, s, {m}).id;
    storage::Run r;
    r.name = "dpo-1";
    r.kind = RunKind::dpo;
    r.model = "m";
    r.snapshot_id = snapshot_id;
    run_id = create_run(t, r).id;
    Adapter a;
    a.name = "ad-1";
    a.run_id = run_id;
    a.sha256 = std::string(64, 'a');
    a.r = 16;
    adapter_id = register_adapter(t, a).id;
  });
  const WithdrawalReport report = db.transaction([&](Transaction& t) { return withdraw(t, " " + ana.receipt); });
  EXPECT_FALSE(report.already);
  EXPECT_EQ(report.conversations, 1);
  EXPECT_EQ(report.votes, 2);
  EXPECT_EQ(report.snapshot_ids, std::vector<std::string>{snapshot_id});
  EXPECT_EQ(report.run_ids, std::vector<std::string>{run_id});
  EXPECT_EQ(report.adapter_ids, std::vector<std::string>{adapter_id});
  db.transaction([&](Transaction& t) {
    const auto pairs = eligible_pairs(t, {});
    ASSERT_EQ(pairs.size(), 1U);
    EXPECT_EQ(pairs[0].pair.id, his.pair.id);
    ASSERT_EQ(pairs[0].votes.size(), 1U);
    EXPECT_EQ(pairs[0].votes[0].grade, 1);
    EXPECT_TRUE(snapshot_rows(t, snapshot_id).at(0).withdrawn);
    EXPECT_EQ(list_conversations(t, {}).total, 1);
    EXPECT_EQ(loop_counts(t).votes, 1);
    EXPECT_FALSE(find_visitor_by_session(t, ana.session));
    EXPECT_THROW(load_conversation(t, hers.conversation.id), NotFound);
  });
  EXPECT_THROW(db.transaction([&](Transaction& t) { put_preference(t, vote_on(hers.exposure, 1)); }), NotFound);
  EXPECT_THROW(db.transaction([&](Transaction& t) { make_pair_for(t, ana); }), NotFound);
  const WithdrawalReport again = db.transaction([&](Transaction& t) { return withdraw(t, ana.receipt); });
  EXPECT_TRUE(again.already);
  EXPECT_EQ(again.votes, 2);
}

TEST_F(People, AnUnknownReceiptWithdrawsNothing) {
  db.transaction([](Transaction& t) {
    make_person(t);
    EXPECT_THROW(withdraw(t, new_receipt_code()), NotFound);
    EXPECT_THROW(withdraw(t, "nonsense"), NotFound);
    EXPECT_EQ(t.exec("SELECT 1 FROM withdrawal").size(), 0U);
  });
}

TEST_F(People, WithoutConsentToTrainNothingIsEligible) {
  db.transaction([](Transaction& t) {
    const Person shy = make_person(t, {"review"});
    const Shown shown = make_pair_for(t, shy);
    put_preference(t, vote_on(shown.exposure, 2));
    EXPECT_TRUE(eligible_pairs(t, {}).empty());
  });
}

}  // namespace
}  // namespace afina::storage
