// SPDX-License-Identifier: Apache-2.0
// Ratings, flags and span notes of an act: what is stored, what is refused, what falls with its act.
#include "storage/judgements/details.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "storage/judgements/answer_notes.h"
#include "storage/quality/eligible.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class Details : public ::testing::Test {
 protected:
  void SetUp() override {
    db.transaction([&](Transaction& t) {
      ana = make_person(t);
      shown = make_pair_for(t, ana);
      Generation g;
      g.conversation_id = shown.conversation.id;
      g.turn = 1;
      g.slot = 2;
      g.model = "m";
      g.text = "Año ŋ 👩‍👩‍👧 e\u0301";  // 12 code points in 29 bytes: a family is five, an accent of its
                                                      // own one
      accented = append_generation(t, g);
    });
  }
  Act act_of(const NewPreference& vote) {
    const auto put = db.transaction([&](Transaction& t) { return put_preference(t, vote); });
    return {put.stored.id, put.stored.visitor_id, put.stored.annotator_id};
  }
  void put(const Act& act, const JudgementDetails& details) {
    db.transaction([&](Transaction& t) { put_details(t, act, details); });
  }
  int64_t count(const std::string& table) {
    return db.read([&](Transaction& t) { return t.exec(cat("SELECT count(*) AS n FROM ", table)).one().integer("n"); });
  }
  int64_t rows() {
    return count("aspect_rating") + count("answer_flag") + count("span_note") + count("reason_language");
  }

  TestDatabase test;
  Database& db = test.db();
  Person ana;
  Shown shown;
  Generation accented;
};

JudgementDetails everything(const Shown& shown) {
  JudgementDetails d;
  d.aspects = {{shown.a.id, Aspect::dialect, 5}, {shown.b.id, Aspect::dialect, 1}, {shown.a.id, Aspect::truthful, 3}};
  d.flags = {{shown.b.id, FlagKind::hallucination, "no existe esa calle"}};
  d.spans = {{shown.a.id, 3, 10, "good", "bien dicho"}, {shown.b.id, 0, 2, "bad", ""}};
  d.reason_language = "arn-CL";
  return d;
}

TEST_F(Details, ComeBackAsTheyWerePutAndARepeatChangesNothing) {
  const Act act = act_of(vote_on(shown.exposure, 2));
  const JudgementDetails said = everything(shown);
  put(act, said);
  put(act, said);
  EXPECT_EQ(rows(), 7);
  const auto stored = db.read([&](Transaction& t) { return get_details(t, act.act_id); });
  EXPECT_EQ(details_text(stored), details_text(said));
  EXPECT_EQ(stored.spans[0].text, "bien dicho");
  EXPECT_EQ(stored.reason_language, "arn-CL");
}

TEST_F(Details, TheHashedTextDoesNotDependOnTheOrderOfRatings) {
  JudgementDetails one = everything(shown), other = one;
  std::swap(other.aspects[0], other.aspects[2]);
  EXPECT_EQ(details_text(one), details_text(other));
  other.aspects[0].value = 4;
  EXPECT_NE(details_text(one), details_text(other));
}

TEST_F(Details, SpansCountCodePointsOfTheStoredText) {
  const Act act = act_of(vote_on(shown.exposure, 0));
  JudgementDetails d;
  d.spans = {{accented.id, 0, 15, "other", ""}};
  EXPECT_THROW(put(act, d), DataError) << "one beyond the end";
  d.spans[0].end = 14;
  put(act, d);
  EXPECT_EQ(count("span_note"), 1);
}

struct BadDetails {
  const char* name;
  void (*spoil)(JudgementDetails&);
};

TEST_F(Details, RefusesWhatIsOutOfRangeAndStoresNothing) {
  const BadDetails cases[] = {
      {"a rating of 0", [](JudgementDetails& d) { d.aspects[0].value = 0; }},
      {"a rating of 6", [](JudgementDetails& d) { d.aspects[0].value = 6; }},
      {"the same aspect twice", [](JudgementDetails& d) { d.aspects[2].aspect = Aspect::dialect; }},
      {"the same flag twice", [](JudgementDetails& d) { d.flags.push_back(d.flags[0]); }},
      {"a note of 1001 bytes", [](JudgementDetails& d) { d.flags[0].note = std::string(1001, 'x'); }},
      {"a span's note of 1001 bytes", [](JudgementDetails& d) { d.spans[0].text = std::string(1001, 'x'); }},
      {"an empty span", [](JudgementDetails& d) { d.spans[0].end = d.spans[0].start; }},
      {"a span backwards", [](JudgementDetails& d) { d.spans[0].end = 1; }},
      {"a span before the beginning", [](JudgementDetails& d) { d.spans[0].start = -1; }},
      {"a span beyond the end", [](JudgementDetails& d) { d.spans[1].end = 1000; }},
      {"a span beyond every number", [](JudgementDetails& d) { d.spans[1].end = INT64_MAX; }},
      {"an unknown kind of span", [](JudgementDetails& d) { d.spans[0].kind = "great"; }},
      {"101 spans", [](JudgementDetails& d) { d.spans.resize(101, d.spans[0]); }},
      {"a language in words", [](JudgementDetails& d) { d.reason_language = "español"; }},
      {"a language of one letter", [](JudgementDetails& d) { d.reason_language = "e"; }},
      {"a language without an end", [](JudgementDetails& d) { d.reason_language = "es-"; }},
      {"a NUL in a note", [](JudgementDetails& d) { d.flags[0].note = std::string("a\0b", 3); }},
  };
  const Act act = act_of(vote_on(shown.exposure, 1));
  for (const BadDetails& bad : cases) {
    JudgementDetails details = everything(shown);
    bad.spoil(details);
    EXPECT_THROW(put(act, details), DataError) << bad.name;
  }
  JudgementDetails unknown = everything(shown);
  unknown.flags[0].generation_id = new_uuid();
  EXPECT_THROW(put(act, unknown), NotFound);
  unknown.flags[0].generation_id = "nothing";
  EXPECT_THROW(put(act, unknown), NotFound);
  EXPECT_EQ(rows(), 0);
}

TEST_F(Details, ACorrectionAndAnUndoTakeThemOutOfTheViews) {
  const NewPreference vote = vote_on(shown.exposure, 2);
  put(act_of(vote), everything(shown));
  EXPECT_EQ(count("standing_aspect_rating"), 3);
  NewPreference correction = vote_on(shown.exposure, -1);
  correction.supersedes_id = vote.id;
  const Act second = act_of(correction);
  EXPECT_EQ(count("standing_aspect_rating") + count("standing_answer_flag") + count("standing_span_note"), 0);
  put(second, everything(shown));
  EXPECT_EQ(count("standing_span_note"), 2);
  db.transaction([&](Transaction& t) { retract_preference(t, correction.id, ana.visitor_id, new_uuid()); });
  EXPECT_EQ(count("standing_span_note"), 0);
  EXPECT_EQ(count("span_note"), 4) << "nothing is ever deleted";
}

TEST_F(Details, AWithdrawnPersonsRowsLeaveEveryView) {
  put(act_of(vote_on(shown.exposure, 2)), everything(shown));
  db.transaction([&](Transaction& t) { withdraw(t, ana.receipt); });
  EXPECT_EQ(count("standing_aspect_rating") + count("standing_answer_flag") + count("standing_span_note"), 0);
}

// A client names its vote itself, and may know the ids of others' acts.
TEST_F(Details, SomebodyElsesVoteUnderAnActsIdTakesNothingOfIt) {
  const Person luis = db.transaction([](Transaction& t) { return make_person(t); });
  const Shown his = db.transaction([&](Transaction& t) { return make_pair_for(t, luis, "otra pregunta"); });
  const std::string act = new_uuid();  // as of a submission
  const std::string his_annotator =
      db.read([&](Transaction& t) { return get_visitor(t, luis.visitor_id).annotator_id; });
  put({act, luis.visitor_id, his_annotator}, everything(his));
  db.transaction([&](Transaction& t) {
    Rewrite rewrite;
    rewrite.visitor_id = luis.visitor_id;
    rewrite.text = "de Luis";
    rewrite.act_id = act;
    rewrite.exposure_id = his.exposure.id;
    rewrite.idempotency_key = "par";
    put_rewrite(t, rewrite);
    rewrite.id = new_uuid();
    rewrite.exposure_id.clear();
    rewrite.generation_id = his.a.id;
    rewrite.idempotency_key = "sola";
    put_rewrite(t, rewrite);
  });
  const auto standing = [&] {
    return db.read([&](Transaction& t) {
      std::string counts;
      for (const char* view : {"standing_aspect_rating", "standing_answer_flag", "standing_span_note",
                               "standing_rewrite", "standing_single_rewrite"})
        counts += cat(t.exec(cat("SELECT count(*) AS n FROM ", view)).one().integer("n"), " ");
      size_t eligible = 0;
      for (const EligiblePair& pair : eligible_pairs(t, {}))
        eligible += pair.rewrites.size();
      return counts + cat(eligible);
    });
  };
  const std::string before = standing();
  EXPECT_EQ(before, "3 1 2 1 1 2");
  NewPreference hers = vote_on(shown.exposure, 1);
  hers.id = act;
  act_of(hers);
  NewPreference correction = vote_on(shown.exposure, -1);
  correction.supersedes_id = act;
  act_of(correction);
  NewAnswerNote note;
  note.id = act;
  note.conversation_id = shown.conversation.id;
  note.generation_id = accented.id;
  note.visitor_id = ana.visitor_id;
  note.reason = "de Ana";
  note.idempotency_key = act;
  db.transaction([&](Transaction& t) { put_answer_note(t, note); });
  note.id = note.idempotency_key = new_uuid();
  db.transaction([&](Transaction& t) { put_answer_note(t, note); });
  EXPECT_EQ(standing(), before);
}

TEST_F(Details, NobodyAddsToSomebodyElsesAct) {
  const Person luis = db.transaction([](Transaction& t) { return make_person(t); });
  const Shown his = db.transaction([&](Transaction& t) { return make_pair_for(t, luis, "otra pregunta"); });
  const Act silent = act_of(vote_on(his.exposure, 1));
  NewAnswerNote note;
  note.id = note.idempotency_key = silent.act_id;
  note.conversation_id = shown.conversation.id;
  note.generation_id = accented.id;
  note.visitor_id = ana.visitor_id;
  note.details.flags = {{accented.id, FlagKind::toxic, "de Ana"}};
  EXPECT_THROW(db.transaction([&](Transaction& t) { put_answer_note(t, note); }), Conflict);
  EXPECT_EQ(rows(), 0);
  note.id = new_uuid();
  db.transaction([&](Transaction& t) { put_answer_note(t, note); });
  EXPECT_EQ(rows(), 1) << "the control";
}

TEST_F(Details, RowsAreNeverChangedOrDeleted) {
  put(act_of(vote_on(shown.exposure, 2)), everything(shown));
  for (const char* sql : {"UPDATE aspect_rating SET value = 1", "DELETE FROM answer_flag",
                          "UPDATE span_note SET note = 'x'", "TRUNCATE reason_language", "DELETE FROM answer_note"}) {
    EXPECT_THROW(db.transaction([&](Transaction& t) { t.exec(sql); }), StorageError) << sql;
  }
  EXPECT_EQ(rows(), 7);
}

}  // namespace
}  // namespace afina::storage
