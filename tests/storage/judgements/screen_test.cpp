// SPDX-License-Identifier: Apache-2.0
// How the answers stood before a person: with the vote, never changed, gone with the person's words.
#include "storage/judgements/screen.h"

#include "base/error.h"
#include "storage/events/retention.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

constexpr Screen kPhone{Layout::stacked, 360, 740}, kDesk{Layout::side_by_side, 1280, 860};

class Screens : public TaskWorld {
 protected:
  Screens() {
    db.transaction([&](Transaction& t) {
      ana_ = make_person(t);
      shown_ = make_pair_for(t, ana_);
    });
  }
  NewPreference vote(const std::optional<Screen>& screen, const std::string& key = new_uuid()) const {
    NewPreference p = vote_on(shown_.exposure, 2, key);
    p.screen = screen;
    return p;
  }
  Preference put(const NewPreference& p) {
    return db.transaction([&](Transaction& t) { return put_preference(t, p).stored; });
  }
  std::string text(const std::string& query) {
    return db.read([&](Transaction& t) { return t.exec(cat("SELECT (", query, ")::text AS x")).one().text("x"); });
  }
  std::string seen(const std::string& table, const std::string& id) {
    return text(
        cat("SELECT concat_ws(' ', coalesce(shown_layout, '-'), coalesce(shown_width_px::text, '-'), "
            "coalesce(shown_height_px::text, '-')) FROM ",
            table, " WHERE id = '", id, "'"));
  }
  /// A row like the person's vote but for these three, straight into the table.
  void insert(const std::string& three) {
    sql(
        cat("INSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, "
            "idempotency_key, body_sha256, source, blind, shown_layout, shown_width_px, shown_height_px) "
            "SELECT gen_random_uuid(), e.id, e.pair_id, e.visitor_id, e.annotator_id, 'graded', 1, 'k', repeat('0', "
            "64), 'web', true, ",
            three, " FROM exposure e WHERE e.id = '", shown_.exposure.id, "'"));
  }
  void withdrawn(const std::string& visitor_id) {
    sql(cat("UPDATE visitor SET withdrawn_at = clock_timestamp() - interval '31 days' WHERE id = '", visitor_id, "'"));
  }

  Person ana_;
  Shown shown_;
};

TEST_F(Screens, AVoteKeepsItsOwnAndACorrectionBringsAnother) {
  const Preference first = put(vote(kPhone));
  EXPECT_EQ(first.screen, kPhone);
  EXPECT_EQ(seen("preference", first.id), "stacked 360 740");
  NewPreference correction = vote(kDesk);
  correction.supersedes_id = first.id;
  EXPECT_EQ(put(correction).screen, kDesk);
  EXPECT_EQ(seen("preference", first.id), "stacked 360 740") << "what was said before stays as it was";
  NewPreference untold = vote(std::nullopt);
  untold.supersedes_id = correction.id;
  const Preference last = put(untold);
  EXPECT_EQ(last.screen, std::nullopt);
  EXPECT_EQ(seen("preference", last.id), "- - -");
}

TEST_F(Screens, TheKeysHashCoversItAndWithoutItStaysWhatItWas) {
  const std::string key = new_uuid();
  NewPreference said = vote(kPhone, key);
  put(said);
  EXPECT_EQ(put(said).screen, kPhone) << "the same again";
  for (const Screen& other : {kDesk, Screen{Layout::stacked, 361, 740}, Screen{Layout::stacked, 360, 741}})
    EXPECT_THROW(put(vote(other, key)), Conflict);
  EXPECT_EQ(count("count(*) FROM preference"), 1);
  NewPreference fixed;
  fixed.exposure_id = "e";
  fixed.grade = 1;
  EXPECT_EQ(preference_body_sha256(fixed),
            sha256_hex(R"({"confidence":null,"exposure":"e","grade":1,"ms_to_decide":null,"outcome":"graded",)"
                       R"("reason":"","source":"web","supersedes":""})"))
      << "votes of before are known again";
}

TEST_F(Screens, SizesOutOfRangeAreRefusedByTheStoreAndByTheTable) {
  for (const Screen& bad : {Screen{Layout::stacked, 0, 740}, Screen{Layout::stacked, 20'001, 740},
                            Screen{Layout::stacked, 360, -1}, Screen{Layout::stacked, 360, 20'001}})
    EXPECT_THROW(put(vote(bad)), DataError);
  for (const char* bad : {"'tabs', 360, 740", "'', 360, 740", "'stacked', 0, 740", "'stacked', 360, 20001",
                          "'stacked', 360, NULL", "NULL, 360, 740"})
    EXPECT_ANY_THROW(insert(bad)) << bad;
  EXPECT_EQ(count("count(*) FROM preference"), 0);
  insert("'stacked', 20000, 1");
  EXPECT_EQ(count("count(*) FROM preference"), 1) << "the control";
}

TEST_F(Screens, NobodyChangesItAfterwards) {
  const Preference stored = put(vote(kPhone));
  for (const char* change :
       {"shown_layout = 'side_by_side'", "shown_width_px = 361", "shown_width_px = NULL, shown_height_px = NULL"})
    EXPECT_ANY_THROW(sql(cat("UPDATE preference SET ", change))) << change;
  EXPECT_EQ(seen("preference", stored.id), "stacked 360 740");
}

TEST_F(Screens, ATaskKeepsItWithTheSubmissionAndItsVote) {
  const std::string pairs = project(settings(ProjectKind::pairwise, 1)),
                    one = project(settings(ProjectKind::rewrite, 1));
  add(pairs, items(2));
  add(one, items(1, 1));
  const Worker luis = worker();
  NewSubmission said = graded(task_of(pairs, luis), luis, 1);
  said.screen = kPhone;
  const std::string told = hand_in(said).id;
  EXPECT_EQ(seen("submission", told), "stacked 360 740");
  EXPECT_EQ(seen("preference", text(cat("SELECT preference_id FROM submission WHERE id = '", told, "'"))),
            "stacked 360 740");
  NewSubmission rewritten = plain(task_of(one, luis), luis);
  rewritten.rewrite = "Así.";
  EXPECT_EQ(seen("submission", hand_in(rewritten).id), "- - -") << "one answer alone";
  NewSubmission bad = graded(task_of(pairs, luis), luis, 1);
  bad.screen = Screen{Layout::stacked, 0, 1};
  EXPECT_THROW(hand_in(bad), DataError);
}

TEST_F(Screens, ErasingTakesTheWindowAlongAndLeavesTheOthers) {
  const Preference gone = put(vote(kPhone));
  const std::string pairs = project(settings(ProjectKind::pairwise, 2));
  add(pairs, items(1));
  std::vector<std::string> handed_in;
  const Worker luis = worker(), eva = worker();
  for (const Worker& who : {luis, eva}) {
    NewSubmission said = graded(task_of(pairs, who), who, 1);
    said.screen = kDesk;
    handed_in.push_back(hand_in(said).id);
  }
  withdrawn(ana_.visitor_id);
  withdrawn(luis.visitor_id);
  const RetentionReport planned = run_retention(db, {}, false), done = run_retention(db, {}, true);
  EXPECT_EQ(planned.texts, done.texts);
  EXPECT_EQ(done.texts.at("preference"), 2) << "her vote, and that of his task";
  EXPECT_EQ(done.texts.at("submission"), 1);
  EXPECT_EQ(seen("preference", gone.id), "stacked - -");
  EXPECT_EQ(seen("submission", handed_in[0]), "side_by_side - -");
  EXPECT_EQ(seen("submission", handed_in[1]), "side_by_side 1280 860");
  EXPECT_EQ(run_retention(db, {}, true).people, 0) << "once";
}

}  // namespace
}  // namespace afina::storage
