// SPDX-License-Identifier: Apache-2.0
// What is handed in: votes that train, verdicts of every kind, training, gold, disputes.
#include "storage/quality/eligible.h"
#include "storage/runs.h"
#include "storage/snapshots.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::storage {
namespace {

class Submissions : public TaskWorld {
 protected:
  Submissions() : TaskWorld(8) {}
};

TEST_F(Submissions, APairsSubmissionIsAVoteThatSnapshotsTrainOn) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(12));
  const Worker ana = worker();
  int left = 0;
  for (int i = 0; i < 12; ++i) {
    const Task task = task_of(id, ana);
    left += task.shown_order[0] == 0;
    NewSubmission s = about_items(task, ana, 2);
    s.reason = "más claro, ñ 🙂";
    hand_in(s);
  }
  EXPECT_GT(left, 0) << "sides are drawn";
  EXPECT_LT(left, 12);
  const auto pairs = db.transaction([](Transaction& t) { return eligible_pairs(t, {}); },
                                    {.isolation = Isolation::repeatable_read, .read_only = true});
  ASSERT_EQ(pairs.size(), 12u);
  for (const auto& pair : pairs) {
    ASSERT_EQ(pair.votes.size(), 1u);
    EXPECT_EQ(pair.votes[0].grade, 2) << "about A and B, whatever stood left";
    EXPECT_EQ(pair.votes[0].reason, "más claro, ñ 🙂");
    EXPECT_EQ(pair.a.text.substr(0, 12), "Respuesta 0 ");
    EXPECT_EQ(pair.prompt.size(), 1u);
    EXPECT_EQ(pair.source, Source::import);
  }
  EXPECT_EQ(count("count(*) FROM exposure e JOIN pair p ON p.id = e.pair_id JOIN submission s ON s.preference_id = "
                  "(SELECT id FROM preference WHERE exposure_id = e.id) WHERE e.a_on_left = (s.shown_order[1] = 0)"),
            12);
  EXPECT_EQ(count("count(*) FROM consent_event e JOIN consent_text x ON x.id = e.text_id "
                  "WHERE x.version = 'import-declaration-1'"),
            1)
      << "one importer for the workspace, with its declaration";
}

TEST_F(Submissions, TheSameKeyGivesTheSameAnswerAndAnotherBodyIsRefused) {
  const std::string id = project(settings());
  add(id, items(2));
  const Worker ana = worker();
  const Task task = task_of(id, ana);
  const NewSubmission s = graded(task, ana, 1, "llave");
  const PutSubmission first = hand_in(s);
  NewSubmission again = s;
  again.id = new_uuid();
  const PutSubmission second = hand_in(again);
  EXPECT_EQ(second.id, first.id);
  EXPECT_FALSE(second.created);
  EXPECT_THROW(hand_in(graded(task, ana, 2, "llave")), Conflict);
  EXPECT_THROW(hand_in(graded(task, ana, 1, "otra")), LeaseLost) << "done is done";
  EXPECT_EQ(count("count(*) FROM submission"), 1);
  EXPECT_EQ(count("count(*) FROM preference"), 1);
  EXPECT_EQ(count("sum(work_done)::bigint FROM participation"), 1);
}

TEST_F(Submissions, RankingsAreKeptByPositionAndPartByKendall) {
  const std::string id = project(settings(ProjectKind::ranking, 2));
  add(id, items(1, 3));
  for (const std::vector<std::vector<int>>& order :
       {std::vector<std::vector<int>>{{1}, {0, 2}}, std::vector<std::vector<int>>{{2}, {0}, {1}}}) {
    const Worker who = worker();
    const Task task = task_of(id, who);
    NewSubmission s = plain(task, who);
    TaskVerdict positions;
    positions.tiers = order;
    s.verdict = as_shown(positions, task.shown_order);
    hand_in(s);
  }
  const auto parted = seen(id, true);
  ASSERT_EQ(parted.size(), 1u);
  EXPECT_EQ(parted[0].submissions[0].verdict.tiers, (std::vector<std::vector<int>>{{1}, {0, 2}}));
  EXPECT_EQ(parted[0].submissions[1].verdict.tiers, (std::vector<std::vector<int>>{{2}, {0}, {1}}));
  EXPECT_NEAR(*parted[0].spread, 2.5 / 3, 1e-9);
  const Worker luis = worker();
  EXPECT_FALSE(next(id, luis).task);
}

TEST_F(Submissions, RatingsFlagsSpansAndRewritesReachTheirTables) {
  const std::string rating = project(settings(ProjectKind::rating, 1));
  const std::string flagging = project(settings(ProjectKind::flagging, 1));
  const std::string rewriting = project(settings(ProjectKind::rewrite, 1));
  const Worker ana = worker();
  add(rating, items(1, 1));
  Task task = task_of(rating, ana);
  NewSubmission s = plain(task, ana);
  s.verdict.ratings = {{0, Aspect::helpful, 4}, {0, Aspect::dialect, 2}};
  hand_in(s);
  add(flagging, items(1, 1));
  task = task_of(flagging, ana);
  s = plain(task, ana);
  s.flags = {{0, FlagKind::hallucination, "no existe"}};
  s.spans = {{0, 0, 9, "wrong", "esto"}};
  s.reason_language = "es";
  hand_in(s);
  add(rewriting, items(2, 2));
  task = task_of(rewriting, ana);
  s = plain(task, ana);
  s.rewrite = "Mejor así: kümelkalen.";
  hand_in(s);
  EXPECT_EQ(count("count(*) FROM aspect_rating r JOIN submission s ON s.id = r.act_id"), 2);
  EXPECT_EQ(count("count(*) FROM answer_flag f JOIN submission s ON s.id = f.act_id WHERE note = 'no existe'"), 1);
  EXPECT_EQ(count("count(*) FROM span_note n JOIN submission s ON s.id = n.act_id WHERE end_at = 9"), 1);
  EXPECT_EQ(count("count(*) FROM rewrite r JOIN submission s ON s.rewrite_id = r.id WHERE r.text = s.rewrite"), 1);
  EXPECT_EQ(seen(rewriting)[0].submissions.size() + seen(rewriting)[1].submissions.size(), 1u);
}

TEST_F(Submissions, BadInputIsRefusedAndChangesNothing) {
  const std::string id = project(settings());
  add(id, items(1));
  const Worker ana = worker();
  const Task task = task_of(id, ana);
  std::vector<std::pair<const char*, NewSubmission>> table;
  const auto bad = [&](const char* what, auto&& change) {
    NewSubmission s = graded(task, ana, 1);
    change(s);
    table.emplace_back(what, s);
  };
  bad("grade out of range", [](auto& s) { s.verdict.grade = 4; });
  bad("no outcome", [](auto& s) { s.verdict = {}; });
  bad("a retraction", [](auto& s) { s.verdict.outcome = Outcome::retracted, s.verdict.grade = 0; });
  bad("tiers on a pair", [](auto& s) { s.verdict.tiers = {{0}, {1}}; });
  bad("a side that is not there", [](auto& s) { s.flags = {{2, FlagKind::toxic, ""}}; });
  bad("a rating of nothing", [](auto& s) { s.verdict.ratings = {{7, Aspect::clarity, 3}}; });
  bad("a rating of 6", [](auto& s) { s.verdict.ratings = {{0, Aspect::clarity, 6}}; });
  bad("a span outside its answer", [](auto& s) { s.spans = {{0, 0, 9999, "bad", ""}}; });
  bad("confidence 5", [](auto& s) { s.confidence = 5; });
  bad("a long reason", [](auto& s) { s.reason = std::string(4001, 'x'); });
  bad("U+0000", [](auto& s) { s.reason = std::string("a\0b", 3); });
  bad("broken UTF-8", [](auto& s) { s.reason = "\xff"; });
  bad("a long rewrite", [](auto& s) { s.rewrite = std::string(33000, 'x'); });
  for (const auto& [what, s] : table)
    EXPECT_THROW(hand_in(s), DataError) << what;
  EXPECT_EQ(count("count(*) FROM submission"), 0);
  EXPECT_EQ(count("count(*) FROM preference"), 0);
  EXPECT_EQ(count("active_leases FROM item"), 1);
  hand_in(graded(task, ana, 1));
}

TEST_F(Submissions, TrainingComesFirstTeachesAndDecides) {
  ProjectSettings s = settings(ProjectKind::pairwise, 1);
  s.training_items = 3;
  s.training_pass = 0.6;
  const std::string id = project(s);
  add(id, items(2));
  const Worker ana = worker(), luis = worker();
  EXPECT_EQ(next(id, ana).reason, NoTask::paused) << "until the training items are there";
  std::vector<NewItem> training = items(3);
  for (NewItem& item : training) {
    item.training = true;
    item.gold = Json{{"outcome", 3}};
    item.feedback = "La primera da la fuente.";
  }
  add(id, training);
  for (int i = 0; i < 3; ++i) {
    const Task task = task_of(id, ana);
    EXPECT_EQ(task.phase, Phase::training);
    const bool right = i != 1;
    const PutSubmission put = hand_in(about_items(task, ana, right ? 1 : -1));
    ASSERT_TRUE(put.feedback);
    EXPECT_EQ(put.feedback->correct, right);
    EXPECT_EQ(put.feedback->text, "La primera da la fuente.");
    EXPECT_EQ(put.feedback->expected, (Json{{"outcome", task.shown_order[0] == 0 ? 3 : -3}}));
  }
  EXPECT_EQ(task_of(id, ana).phase, Phase::work);
  for (int i = 0; i < 3; ++i) {
    const Task task = task_of(id, luis);
    if (i == 2) {  // passing over an item is not passing it
      db.transaction([&](Transaction& t) {
        skip_task(t, {task.assignment_id, kPublicWorkspace, luis.account_id}, "no sé");
      });
    } else {
      hand_in(about_items(task, luis, i == 0 ? 1 : 0));
    }
  }
  EXPECT_EQ(next(id, luis).reason, NoTask::training_failed);
  EXPECT_EQ(count("count(*) FROM preference"), 0) << "training is no vote";
  EXPECT_EQ(count("count(*) FROM training_result"), 5);
}

TEST_F(Submissions, GoldLooksLikeWorkAndStopsWhoFailsIt) {
  ProjectSettings s = settings(ProjectKind::pairwise, 1);
  s.gold_rate = 0.5;
  s.gold_pass = 0.7;
  const std::string id = project(s);
  add(id, items(30));
  std::vector<NewItem> gold = items(25);
  for (NewItem& item : gold)
    item.gold = Json{{"outcome", 2}};
  add(id, gold);
  const Worker ana = worker(), luis = worker();
  for (int i = 0; i < 20; ++i) {
    for (const Worker& who : {ana, luis}) {
      const Task task = task_of(id, who, 0.1);
      EXPECT_EQ(task.phase, Phase::gold);
      const PutSubmission put = hand_in(about_items(task, who, who.account_id == ana.account_id ? 1 : -1));
      EXPECT_FALSE(put.feedback) << "nothing gives it away";
    }
  }
  EXPECT_TRUE(next(id, ana, false, 0.9).task);
  EXPECT_EQ(next(id, luis, false, 0.9).reason, NoTask::gold_failed);
  EXPECT_EQ(count("count(*) FROM participation WHERE state = 'gold_failed' AND gold_failed_at IS NOT NULL"), 1);
  EXPECT_EQ(count("count(DISTINCT left(replace(id::text, '-', ''), 12)) FROM item"), 1) << "no time in the ids";
  EXPECT_EQ(count("count(*) FROM gold_result WHERE correct"), 20);
}

TEST_F(Submissions, HastyOnesAreKeptAndMarked) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(2));
  const Worker ana = worker();
  const Task quick = task_of(id, ana);
  hand_in(graded(quick, ana, 1));
  const Task slow = task_of(id, ana);
  sql(cat("UPDATE assignment SET rendered_at = rendered_at - interval '30 seconds' WHERE id = '", slow.assignment_id,
          "'"));
  NewSubmission s = graded(slow, ana, 1);
  s.ms_to_decide = 25'000;
  hand_in(s);
  EXPECT_EQ(count("count(*) FROM submission WHERE hasty"), 1);
  EXPECT_EQ(count("count(*) FROM submission WHERE NOT hasty AND ms_on_screen >= 30000"), 1);
  EXPECT_EQ(sensible_ms(0), 1000);
  EXPECT_EQ(sensible_ms(400), 5000);
  EXPECT_EQ(sensible_ms(1'000'000), 20'000);
}

TEST_F(Submissions, WhoVotedOnThePairElsewhereCorrectsThatVote) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  const Worker ana = worker();
  Shown shown;
  db.transaction([&](Transaction& t) {
    shown = make_pair_for(t, {ana.visitor_id, "", ""});
    put_preference(t, vote_on(shown.exposure, -3));
  });
  db.transaction([&](Transaction& t) {
    add_items_from_conversations(t, {id, kPublicWorkspace, boss.account_id, "k", sha256_hex("")}, "es", 5);
  });
  const Task task = task_of(id, ana);
  EXPECT_EQ(task.shown_order[0] == 0, shown.exposure.a_on_left) << "the same way round as before";
  hand_in(about_items(task, ana, 2));
  EXPECT_EQ(count("count(*) FROM standing_preference"), 1);
  EXPECT_EQ(count("grade FROM standing_preference"), 2);
}

TEST_F(Submissions, ItemsAreAddedOnceAndAllOrNothing) {
  const std::string id = project(settings());
  std::vector<NewItem> list = items(3);
  list[0].external_id = "uno";
  list[1].external_id = "dos";
  EXPECT_EQ(add(id, list, "llave").added, 3);
  EXPECT_EQ(add(id, list, "llave").added, 3) << "the same answer";
  const ItemsAdded more = add(id, list, "otra");
  EXPECT_EQ(more.added, 1);
  EXPECT_EQ(more.existing, 2);
  EXPECT_EQ(count("count(*) FROM item"), 4);
  EXPECT_EQ(count("work_items FROM project"), 4);
  const auto refuse = [&](const char* what, auto&& change) {
    std::vector<NewItem> bad = items(2);
    change(bad[1]);
    EXPECT_THROW(add(id, bad), DataError) << what;
  };
  refuse("three answers to a pair", [](NewItem& i) { i.answers.push_back({"c", ""}); });
  refuse("no prompt", [](NewItem& i) { i.prompt.clear(); });
  refuse("a foreign role", [](NewItem& i) { i.prompt[0].role = "tool"; });
  refuse("a prompt that ends with an answer", [](NewItem& i) { i.prompt.push_back({"assistant", "x"}); });
  refuse("an empty answer", [](NewItem& i) { i.answers[0].text.clear(); });
  refuse("gold of another kind", [](NewItem& i) { i.gold = Json{{"tiers", Json::array({{"a"}, {"b"}})}}; });
  refuse("gold out of range", [](NewItem& i) { i.gold = Json{{"outcome", 9}}; });
  refuse("training without gold", [](NewItem& i) { i.training = true; });
  refuse("priority 10", [](NewItem& i) { i.priority = 10; });
  refuse("U+0000", [](NewItem& i) { i.answers[0].text = std::string("a\0", 2); });
  EXPECT_EQ(count("count(*) FROM item"), 4) << "the good ones beside bad ones were not taken";
  EXPECT_EQ(count("count(*) FROM generation"), 8);
}

TEST_F(Submissions, WhatIsImportedBelongsToTheProjectsWorkspace) {
  const std::string other = db.transaction([](Transaction& t) { return ensure_workspace(t, "otra").id; });
  const std::string id = project(settings(), other);
  add(id, items(2), "k", other);
  EXPECT_EQ(count(cat("count(*) FROM conversation WHERE workspace_id = '", other, "'")), 2);
  EXPECT_EQ(count(cat("count(*) FROM visitor WHERE source = 'import' AND workspace_id = '", other, "'")), 1);
}

TEST_F(Submissions, AStaleDraftCarriesTheStoredOne) {
  const std::string id = project(settings());
  add(id, items(1));
  const Worker ana = worker();
  const Task task = task_of(id, ana);
  const auto put = [&](int rev, const Json& body) {
    return db.transaction([&](Transaction& t) {
      return put_draft(t, {task.assignment_id, kPublicWorkspace, ana.account_id}, rev, body);
    });
  };
  EXPECT_EQ(put(0, {{"reason", "uno"}}).stored.rev, 1);
  EXPECT_EQ(put(1, {{"reason", "dos"}}).stored.rev, 2);
  const PutDraft stale = put(1, {{"reason", "tres"}});
  EXPECT_TRUE(stale.stale);
  EXPECT_EQ(stale.stored.rev, 2);
  EXPECT_EQ(stale.stored.body.at("reason"), "dos");
  EXPECT_THROW(put(2, Json::array()), DataError);
  EXPECT_THROW(put(2, {{"reason", std::string(33000, 'x')}}), DataError);
  EXPECT_EQ(task_of(id, ana).draft->body.at("reason"), "dos");
}

TEST_F(Submissions, TheReviewQueueBringsWhatARunGotMostWrong) {
  const std::string id = project(settings());
  const Person person = db.transaction([](Transaction& t) { return make_person(t); });
  std::vector<Shown> shown(3);
  std::string run_id;
  db.transaction([&](Transaction& t) {
    afina::storage::Run run;
    run.name = "corrida";
    run.kind = RunKind::dpo;
    run.model = "m";
    run_id = create_run(t, run).id;
    std::vector<TrainingExample> examples;
    for (int i = 0; i < 3; ++i) {
      shown[static_cast<size_t>(i)] = make_pair_for(t, person, cat("pregunta ", i));
      const auto vote = put_preference(t, vote_on(shown[static_cast<size_t>(i)].exposure, 1));
      TrainingExample e;
      e.row = i;
      e.preference_ids = {vote.stored.id};
      examples.push_back(e);
    }
    insert_training_examples(t, run_id, examples);
  });
  const ItemRequest request{id, kPublicWorkspace, boss.account_id, "k", sha256_hex("")};
  EXPECT_THROW(db.transaction([&](Transaction& t) { return add_items_from_review(t, request, run_id, 2); }), NotFound);
  db.transaction([&](Transaction& t) {
    put_example_losses(t, run_id, {{"train", 0, 0.1}, {"train", 1, 2.5}, {"train", 2, 0.9}, {"train", 0, 3.5}});
  });
  const ItemsAdded added = db.transaction([&](Transaction& t) { return add_items_from_review(t, request, "", 2); });
  EXPECT_EQ(added.added, 2);
  EXPECT_EQ(count(cat("count(*) FROM item WHERE source = 'review' AND pair_id IN ('", shown[0].pair.id, "', '",
                      shown[1].pair.id, "')")),
            2)
      << "the last loss of a row counts";
}

}  // namespace
}  // namespace afina::storage
