// SPDX-License-Identifier: Apache-2.0
// What people write in the place of a single answer of the chat: into snapshots and exports, and out of them again.
#include <gtest/gtest.h>

#include "base/error.h"
#include "datasets/snapshot.h"
#include "storage/judgements/answer_notes.h"
#include "storage/loop.h"
#include "storage/people.h"
#include "storage/quality/eligible.h"
#include "tests/datasets/transfer/exported.h"
#include "tests/storage/fixtures.h"

namespace afina::datasets {
namespace {

using storage::Transaction;

class SingleRewritesDb : public testing::Test {
 protected:
  /// Somebody with a chat whose answer is "Texto uno"; both answers of the fixture stand, nobody compared them.
  void SetUp() override {
    db.transaction([&](Transaction& t) {
      ana = storage::make_person(t, {"collect", "train"});
      shown = storage::make_pair_for(t, ana);
    });
  }
  std::string note(const std::string& reason, const std::string& rewrite) {
    storage::NewAnswerNote n;
    n.conversation_id = shown.conversation.id;
    n.generation_id = shown.a.id;
    n.visitor_id = ana.visitor_id;
    n.reason = reason;
    n.rewrite = rewrite;
    n.idempotency_key = new_uuid();
    return db.transaction([&](Transaction& t) { return storage::put_answer_note(t, n).stored.id; });
  }
  storage::Snapshot made(const std::string& name) {
    SnapshotSpec spec;
    spec.name = name;
    return create_snapshot(db, spec);
  }
  std::vector<Json> rows(ExportKind kind) { return take_out(db, kind).rows; }

  storage::TestDatabase test;
  storage::Database& db = test.db();
  storage::Person ana;
  storage::Shown shown;
};

TEST_F(SingleRewritesDb, ARewriteOfOneAnswerIsImitatedAndBeatsIt) {
  EXPECT_THROW(made("nothing"), DataError) << "the control: before it there is nothing to train on";
  note("le falta la hora", "En la oficina, de 9 a 14 h.");
  const auto snapshot = made("one");
  EXPECT_EQ(snapshot.counts["single_answers"], 1);
  EXPECT_EQ(snapshot.counts["rewrites"], 1);
  EXPECT_EQ(snapshot.counts["pairs"], 0);
  const auto pairs = load_snapshot_pairs(db, "one", "train").rows;
  ASSERT_EQ(pairs.size(), 1U);
  const auto& pair = std::get<PairChat>(pairs[0].form);
  EXPECT_EQ(pair.prompt.at(0).content, "¿Dónde pago la luz?");
  EXPECT_EQ(pair.chosen.at(0).content, "En la oficina, de 9 a 14 h.");
  EXPECT_EQ(pair.rejected.at(0).content, shown.a.text);
  const auto imitated = load_snapshot_sft(db, "one", "train").rows;
  ASSERT_EQ(imitated.size(), 1U);
  EXPECT_EQ(std::get<ChatCompletionForm>(imitated[0].form).completion.at(0).content, "En la oficina, de 9 a 14 h.");

  const auto dpo = rows(ExportKind::dpo), sft = rows(ExportKind::sft);
  ASSERT_EQ(dpo.size(), 1U);
  EXPECT_EQ(dpo[0]["chosen"][0]["content"], "En la oficina, de 9 a 14 h.");
  EXPECT_EQ(dpo[0]["rejected"][0]["content"], shown.a.text);
  EXPECT_EQ(dpo[0]["soft_label"], pairs[0].soft_label) << "as the snapshot has it";
  EXPECT_EQ(dpo[0]["pair_id"], nullptr);
  ASSERT_EQ(sft.size(), 1U);
  EXPECT_EQ(sft[0]["origin"], "rewrite");
  EXPECT_EQ(take_bytes(db, ExportKind::dpo, ExportForm::parquet, {}).report.rows, 1);
}

TEST_F(SingleRewritesDb, TheNewestNoteOfAPersonSays) {
  note("", "Una versión.");
  note("", "Otra versión.");
  made("newest");
  ASSERT_EQ(load_snapshot_sft(db, "newest", "train").rows.size(), 1U);
  EXPECT_EQ(rows(ExportKind::sft).at(0)["completion"][0]["content"], "Otra versión.");
  note("estaba bien como estaba", "");
  EXPECT_TRUE(rows(ExportKind::dpo).empty()) << "the last note takes it back";
  EXPECT_THROW(made("none"), DataError);
}

TEST_F(SingleRewritesDb, TheSameWordsAreNoBetter) {
  note("", shown.a.text);
  EXPECT_EQ(made("same").counts["left_out"]["same_answer"], 1);
  EXPECT_THROW(load_snapshot_pairs(db, "same", "train"), DataError);
  EXPECT_EQ(load_snapshot_sft(db, "same", "train").rows.size(), 1U) << "it may be imitated all the same";
  EXPECT_TRUE(rows(ExportKind::dpo).empty());
}

TEST_F(SingleRewritesDb, WithdrawalReachesSnapshotsExportsAndLineage) {
  note("", "En la oficina.");
  const auto snapshot = made("before");
  const auto other = db.transaction([](Transaction& t) { return storage::make_person(t, {"train"}); });
  const auto reached = [&](const std::string& visitor) {
    return db.read([&](Transaction& t) { return storage::descendants_of_visitor(t, visitor).snapshot_ids; });
  };
  EXPECT_EQ(reached(ana.visitor_id), std::vector<std::string>{snapshot.id});
  EXPECT_TRUE(reached(other.visitor_id).empty()) << "the control";
  db.transaction([&](Transaction& t) { storage::withdraw_visitor(t, ana.visitor_id); });
  EXPECT_THROW(load_snapshot_sft(db, "before", "train"), DataError);
  EXPECT_TRUE(rows(ExportKind::sft).empty());
  EXPECT_TRUE(rows(ExportKind::dpo).empty());
}

TEST_F(SingleRewritesDb, WhoDoesNotAllowTrainingGivesNone) {
  note("", "En la oficina.");
  db.transaction([&](Transaction& t) {
    storage::ConsentEvent event;
    event.visitor_id = ana.visitor_id;
    event.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
    event.purposes = {"collect"};
    storage::add_consent_event(t, event);
  });
  EXPECT_TRUE(rows(ExportKind::dpo).empty());
  EXPECT_THROW(made("refused"), DataError);
}

// Of an answer by itself, and of a pair.
TEST_F(SingleRewritesDb, WhoeverHasAnAccountIsKnownAndAProgramThatSaysANameIsNot) {
  const auto write = [&](storage::AnnotatorKind kind, const std::string& name) {
    db.transaction([&](Transaction& t) {
      const bool program = kind == storage::AnnotatorKind::service;
      const auto who = program ? storage::ensure_program(t, kind, name) : storage::ensure_annotator(t, kind, name);
      ana = storage::make_person(t, {"train"}, who.id);
      shown = storage::make_pair_for(t, ana);
      storage::Rewrite rewrite;
      rewrite.exposure_id = storage::make_pair_for(t, ana).exposure.id;
      rewrite.visitor_id = ana.visitor_id;
      rewrite.text = "En la oficina.";
      rewrite.idempotency_key = new_uuid();
      storage::put_rewrite(t, rewrite);
    });
    note("", "En la oficina.");
  };
  const auto known = [&] {
    size_t out = 0;
    for (const auto& pair : db.read([](Transaction& t) { return storage::eligible_pairs(t, {}); }))
      out += pair.known_rewriters.size();
    return out;
  };
  write(storage::AnnotatorKind::service, "granja");
  EXPECT_EQ(known(), 0U);
  write(storage::AnnotatorKind::annotator, "Eva");
  EXPECT_EQ(known(), 2U);
}

}  // namespace
}  // namespace afina::datasets
