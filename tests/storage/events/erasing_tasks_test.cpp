// SPDX-License-Identifier: Apache-2.0
// Erasing what people wrote in tasks: what annotators handed in, what reviewers noted. Whoever did not withdraw keeps
// everything.
#include "storage/events/retention.h"
#include "storage/people.h"
#include "storage/tasks/adjudication.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class ErasingTasks : public TaskWorld {
 protected:
  ErasingTasks() {
    add(project_, items(2));
    for (const Worker& who : {ana, luis}) {
      for (int i = 0; i < 2; ++i) {
        const Task task = task_of(project_, who);
        NewSubmission said = plain(task, who);
        said.reason = "así se dice aquí, ñ";
        said.rewrite = cat("Texto de ", who.account_id == ana.account_id ? "ana" : "luis", " 🙂");
        said.flags.push_back({0, FlagKind::personal_data, "nombra a mi vecina"});
        const std::string id = hand_in(said).id;
        if (i == 0) (who.account_id == ana.account_id ? of_ana : of_luis) = id;
        if (who.account_id == ana.account_id && i == 0) item = task.item_id;
        if (who.account_id == ana.account_id && i == 1) other_item = task.item_id;
      }
    }
    note_of_jefa = decide(jefa, item, "Ana conoce la oficina");
    note_of_boss = decide(boss, other_item, "Igual de claras");
  }
  std::string decide(const Worker& who, const std::string& on, const std::string& note) {
    NewAdjudication a;
    a.item_id = on;
    a.workspace_id = kPublicWorkspace;
    a.account_id = who.account_id;
    a.submission_id =
        text(cat("SELECT id FROM submission WHERE item_id = '", on, "' AND account_id = '", luis.account_id, "'"));
    a.note = note;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return db.transaction([&](Transaction& t) { return adjudicate(t, a).id; });
  }
  void withdrawn(const Worker& who, int days_ago) {
    db.transaction([&](Transaction& t) { withdraw_visitor(t, who.visitor_id); });
    sql(cat("UPDATE visitor SET withdrawn_at = withdrawn_at - interval '", days_ago, " days' WHERE id = '",
            who.visitor_id, "'"));
  }
  std::string text(const std::string& query) {
    return db.read([&](Transaction& t) { return t.exec(cat("SELECT (", query, ") AS x")).one().text("x"); });
  }
  /// Of everything in the table's rows that meet the condition.
  std::string hash_of(const std::string& table, const std::string& condition) {
    return text(
        cat("SELECT md5(coalesce(string_agg(x::text, ',' ORDER BY id), '')) FROM ", table, " x WHERE ", condition));
  }

  Worker ana = worker(), luis = worker(), jefa = worker();
  std::string project_ = project(settings(ProjectKind::rewrite, 2));
  std::string of_ana, of_luis, item, other_item, note_of_jefa, note_of_boss;
};

TEST_F(ErasingTasks, WhatWhoWithdrewHandedInIsBlankAndItsHashIsKept) {
  const std::string of_others = cat("visitor_id <> '", ana.visitor_id, "'");
  const std::string submissions = hash_of("submission", of_others), rewrites = hash_of("rewrite", of_others),
                    notes = hash_of("adjudication", "true");
  withdrawn(ana, 31);
  const RetentionReport report = run_retention(db, {}, true);
  EXPECT_EQ(report.people, 1);
  EXPECT_EQ(report.texts.at("submission"), 2);
  EXPECT_EQ(report.texts.at("rewrite"), 2);
  EXPECT_EQ(report.texts.at("answer_flag"), 2);
  EXPECT_EQ(report.texts.at("adjudication"), 0);
  EXPECT_EQ(count(cat("count(*) FROM submission WHERE visitor_id = '", ana.visitor_id,
                      "' AND reason = '' AND rewrite = '' AND kind = 'rewrite' AND ms_on_screen >= 0")),
            2)
      << "the row stays, without words";
  EXPECT_EQ(text(cat("SELECT sha256_of_removed FROM tombstone WHERE object_kind = 'submission' AND object_id = '",
                     of_ana, "' AND visitor_id = '", ana.visitor_id, "'")),
            sha256_hex("así se dice aquí, ñ\nTexto de ana 🙂"));
  EXPECT_EQ(count("count(*) FROM tombstone"), 6);
  EXPECT_EQ(hash_of("submission", of_others), submissions) << "whoever did not withdraw keeps everything";
  EXPECT_EQ(hash_of("rewrite", of_others), rewrites);
  EXPECT_EQ(hash_of("adjudication", "true"), notes);
  EXPECT_EQ(run_retention(db, {}, true).people, 0) << "once is enough";
}

TEST_F(ErasingTasks, WhatAReviewerNotedIsBlankAndTheVerdictStays) {
  const std::string other = hash_of("adjudication", cat("id = '", note_of_boss, "'")),
                    submissions = hash_of("submission", "true");
  const std::string chosen = text(cat("SELECT submission_id FROM adjudication WHERE id = '", note_of_jefa, "'"));
  withdrawn(jefa, 31);
  const RetentionReport report = run_retention(db, {}, true);
  EXPECT_EQ(report.people, 1);
  EXPECT_EQ(report.texts.at("adjudication"), 1);
  EXPECT_EQ(report.texts.at("submission"), 0);
  EXPECT_EQ(text(cat("SELECT note FROM adjudication WHERE id = '", note_of_jefa, "'")), "");
  EXPECT_EQ(text(cat("SELECT submission_id FROM adjudication WHERE id = '", note_of_jefa, "'")), chosen);
  EXPECT_EQ(text(cat("SELECT sha256_of_removed FROM tombstone WHERE object_kind = 'adjudication' AND object_id = '",
                     note_of_jefa, "'")),
            sha256_hex("Ana conoce la oficina"));
  EXPECT_EQ(count("count(*) FROM tombstone"), 1);
  EXPECT_EQ(hash_of("adjudication", cat("id = '", note_of_boss, "'")), other);
  EXPECT_EQ(hash_of("submission", "true"), submissions);
}

TEST_F(ErasingTasks, WhatAReviewerNotesUnderANewConsentStays) {
  withdrawn(jefa, 31);
  db.transaction([&](Transaction& t) {
    const Person anew = make_person(t, {"train", "review"}, get_account(t, jefa.account_id).annotator_id);
    set_account_visitor(t, jefa.account_id, anew.visitor_id);
  });
  const std::string later = decide(jefa, item, "Otra vez, y de acuerdo");
  EXPECT_EQ(run_retention(db, {}, true).texts.at("adjudication"), 1);
  EXPECT_EQ(text(cat("SELECT note FROM adjudication WHERE id = '", note_of_jefa, "'")), "");
  EXPECT_EQ(text(cat("SELECT note FROM adjudication WHERE id = '", later, "'")), "Otra vez, y de acuerdo");
}

TEST_F(ErasingTasks, NothingIsErasedBeforeItsTimeAndNothingElseOfARowCanChange) {
  withdrawn(ana, 29);
  const std::string before = hash_of("submission", "true") + hash_of("adjudication", "true");
  EXPECT_EQ(run_retention(db, {}, true).people, 0);
  EXPECT_THROW(db.transaction([&](Transaction& t) { erase_person(t, luis.visitor_id); }), Error);
  for (const char* statement :
       {"UPDATE submission SET reason = '', rewrite = ''", "UPDATE adjudication SET note = ''",
        "UPDATE adjudication SET flags = '[]', submission_id = NULL", "DELETE FROM adjudication"})
    EXPECT_ANY_THROW(sql(statement)) << statement;
  EXPECT_EQ(hash_of("submission", "true") + hash_of("adjudication", "true"), before);
  db.transaction([&](Transaction& t) { erase_person(t, ana.visitor_id); });
  EXPECT_ANY_THROW(sql(cat("UPDATE submission SET hasty = NOT hasty WHERE id = '", of_ana, "'")));
  EXPECT_NE(hash_of("submission", "true") + hash_of("adjudication", "true"), before) << "the control";
}

}  // namespace
}  // namespace afina::storage
