// SPDX-License-Identifier: Apache-2.0
// Notes on single answers: one's own only, one standing, repeatable by key.
#include "storage/judgements/answer_notes.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class AnswerNotes : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction([&](Transaction& t) {
      ana = make_person(t);
      other = make_person(t);
      shown = make_pair_for(t, ana);
    });
  }
  NewAnswerNote note(const std::string& reason, const std::string& key = new_uuid()) {
    NewAnswerNote n;
    n.conversation_id = shown.conversation.id;
    n.generation_id = shown.a.id;
    n.visitor_id = ana.visitor_id;
    n.reason = reason;
    n.idempotency_key = key;
    return n;
  }
  PutAnswerNote put(const NewAnswerNote& n) {
    return db.transaction([&](Transaction& t) { return put_answer_note(t, n); });
  }
  std::optional<AnswerNote> standing() {
    return db.read([&](Transaction& t) { return standing_answer_note(t, shown.a.id, ana.visitor_id); });
  }
  int64_t rows() {
    return db.read([&](Transaction& t) { return t.exec("SELECT count(*) AS n FROM answer_note").one().integer("n"); });
  }
  TestDatabase test;
  Database& db = test.db();
  Person ana, other;
  Shown shown;
};

TEST_F(AnswerNotes, TheNewestTakesThePlaceOfTheOneBefore) {
  NewAnswerNote first = note("confuso");
  first.details.aspects = {{shown.a.id, Aspect::clarity, 2}};
  EXPECT_TRUE(put(first).created);
  NewAnswerNote second = note("más claro de lo que pensé");
  second.rewrite = "Se paga en la oficina.";
  second.details.aspects = {{shown.a.id, Aspect::clarity, 4}};
  EXPECT_EQ(put(second).stored.supersedes_id, first.id);
  ASSERT_TRUE(standing());
  EXPECT_EQ(standing()->rewrite, "Se paga en la oficina.");
  EXPECT_EQ(standing()->details.aspects.at(0).value, 4);
  EXPECT_EQ(rows(), 2);
  const auto counted = db.read(
      [&](Transaction& t) { return t.exec("SELECT value FROM standing_aspect_rating").one().integer("value"); });
  EXPECT_EQ(counted, 4) << "the details of the superseded note went with it";
}

TEST_F(AnswerNotes, AKeyBringsItsNoteBackAndRefusesAnother) {
  const NewAnswerNote first = note("bien");
  EXPECT_TRUE(put(first).created);
  EXPECT_FALSE(put(first).created);
  NewAnswerNote changed = note("bien", first.idempotency_key);
  changed.details.flags = {{shown.a.id, FlagKind::toxic, ""}};
  EXPECT_THROW(put(changed), Conflict) << "the hash covers the details";
  EXPECT_EQ(rows(), 1);
}

TEST_F(AnswerNotes, OthersAndForeignAnswersAreNotFoundAndEmptyOnesRefused) {
  NewAnswerNote stranger = note("hola");
  stranger.visitor_id = other.visitor_id;
  EXPECT_THROW(put(stranger), NotFound);
  NewAnswerNote elsewhere = note("hola");
  elsewhere.conversation_id = new_uuid();
  EXPECT_THROW(put(elsewhere), NotFound);
  NewAnswerNote mixed = note("hola");
  mixed.details.flags = {{shown.b.id, FlagKind::toxic, ""}};
  EXPECT_THROW(put(mixed), DataError);
  EXPECT_THROW(put(note("")), DataError);
  NewAnswerNote longer = note("hola");
  longer.rewrite = std::string(32 * 1024 + 1, 'x');
  EXPECT_THROW(put(longer), DataError);
  longer.rewrite.pop_back();
  EXPECT_TRUE(put(longer).created) << "32 KiB is the limit itself";
  EXPECT_EQ(rows(), 1);
}

TEST_F(AnswerNotes, AWithdrawnPersonsNotesAreGoneFromTheView) {
  put(note("bien"));
  db.transaction([&](Transaction& t) { withdraw(t, ana.receipt); });
  EXPECT_FALSE(standing());
  EXPECT_THROW(put(note("otra")), NotFound);
}

}  // namespace
}  // namespace afina::storage
