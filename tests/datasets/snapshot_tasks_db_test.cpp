// SPDX-License-Identifier: Apache-2.0
// Task projects in snapshots over a real PostgreSQL: reviewers' verdicts, rankings, and what training leaves behind.
#include <set>

#include "datasets/snapshot.h"
#include "datasets/transfer/export_data.h"
#include "storage/loop.h"
#include "storage/people.h"
#include "storage/quality/eligible.h"
#include "storage/tasks/adjudication.h"
#include "tests/storage/tasks/task_fixture.h"

namespace afina::datasets {
namespace {

using storage::Outcome;
using storage::ProjectKind;
using storage::Transaction;
using storage::Worker;

class SnapshotTasksDb : public storage::TaskWorld {
 protected:
  SnapshotTasksDb() : TaskWorld(8) {}

  /// Everybody ranks the project's only item.
  Worker rank(const std::string& project_id, const std::vector<std::vector<int>>& tiers) {
    const Worker who = worker();
    const auto task = task_of(project_id, who);
    auto said = graded(task, who, 0);
    said.verdict = {};
    storage::TaskVerdict positions;
    positions.tiers = tiers;
    said.verdict = as_shown(positions, task.shown_order);
    hand_in(said);
    return who;
  }
  std::string adjudicate(const std::string& item_id, const storage::TaskVerdict& verdict) {
    storage::NewAdjudication a;
    a.item_id = item_id;
    a.workspace_id = storage::kPublicWorkspace;
    a.account_id = boss.account_id;
    a.verdict = verdict;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return db.transaction([&](Transaction& t) { return storage::adjudicate(t, a).id; });
  }
  /// settled: how many were left out for a reviewer's verdict.
  std::vector<Json> rows_of(ExportKind kind, int64_t& settled) {
    ExportRequest request;
    request.kind = kind;
    request.actor = "test";
    std::string text;
    const auto report = export_data(db, request, [&](std::string_view bytes) {
      text += bytes;
      return true;
    });
    const auto found = report.left_out.find("settled_by_a_reviewer");
    settled = found == report.left_out.end() ? 0 : found->second;
    std::vector<Json> rows;
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
      rows.push_back(parse_json(text.substr(at, text.find('\n', at) - at), "row"));
    return rows;
  }
  storage::Snapshot made(const std::string& name) {
    SnapshotSpec spec;
    spec.name = name;
    return create_snapshot(db, spec);
  }
};

TEST_F(SnapshotTasksDb, AReviewersVerdictFlipsThePairAndIsItsLineage) {
  const std::string id = project(settings(ProjectKind::pairwise, 2));
  add(id, items(1));
  std::string item;
  std::vector<Worker> people{worker(), worker()};
  for (const Worker& who : people) {
    const auto task = task_of(id, who);
    item = task.item_id;
    hand_in(about_items(task, who, 2));
  }
  made("before");
  const auto before = load_snapshot_pairs(db, "before", "train").rows.at(0);
  EXPECT_EQ(std::get<PairChat>(before.form).chosen[0].content, "Respuesta 0 a 0") << "the control";
  EXPECT_EQ(before.preference_ids.size(), 2U);
  storage::TaskVerdict verdict;
  verdict.outcome = Outcome::graded;
  verdict.grade = -3;
  const std::string decided = adjudicate(item, verdict);
  const auto after = made("after");
  const auto row = load_snapshot_pairs(db, "after", "train").rows.at(0);
  EXPECT_EQ(std::get<PairChat>(row.form).chosen[0].content, "Respuesta 1 a 0");
  EXPECT_DOUBLE_EQ(row.soft_label, 1 - (0.5 + 2 * 0.05) / 3);
  EXPECT_TRUE(row.preference_ids.empty());
  EXPECT_EQ(after.counts["adjudications"]["votes_replaced"], 2);
  const auto members = db.read([&](Transaction& t) { return storage::snapshot_rows(t, after.id); });
  EXPECT_EQ(members.at(0).member.adjudication_ids, std::vector<std::string>{decided});
  EXPECT_EQ(load_snapshot_pairs(db, "before", "train").rows.at(0).soft_label, before.soft_label)
      << "a snapshot never changes";
}

TEST_F(SnapshotTasksDb, AVerdictFallsWithItsConsentAndNoLaterOneBringsItBack) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(1));
  const Worker ana = worker();
  const auto task = task_of(id, ana);
  hand_in(about_items(task, ana, 2));
  storage::TaskVerdict verdict;
  verdict.outcome = Outcome::graded;
  verdict.grade = -3;
  adjudicate(task.item_id, verdict);
  const auto taken = made("taken");
  const auto withdrawn = [&] {
    return db.read([&](Transaction& t) { return storage::snapshot_rows(t, taken.id).at(0).withdrawn; });
  };
  EXPECT_FALSE(withdrawn()) << "the control";
  const std::string first = boss.visitor_id;
  db.transaction([&](Transaction& t) {
    storage::withdraw_visitor(t, first);
    const auto anew =
        storage::make_person(t, {"train", "review"}, storage::get_account(t, boss.account_id).annotator_id);
    storage::set_account_visitor(t, boss.account_id, anew.visitor_id);
    boss.visitor_id = anew.visitor_id;
  });
  EXPECT_TRUE(withdrawn());
  EXPECT_EQ(db.read([&](Transaction& t) { return storage::descendants_of_visitor(t, first).snapshot_ids; }),
            std::vector<std::string>{taken.id});
  made("later");
  EXPECT_EQ(std::get<PairChat>(load_snapshot_pairs(db, "later", "train").rows.at(0).form).chosen[0].content,
            "Respuesta 0 a 0");
  int64_t settled = -1;
  rows_of(ExportKind::dpo, settled);
  EXPECT_EQ(settled, 0);
  adjudicate(task.item_id, verdict);
  made("decided again");
  EXPECT_EQ(std::get<PairChat>(load_snapshot_pairs(db, "decided again", "train").rows.at(0).form).chosen[0].content,
            "Respuesta 1 a 0");
}

TEST_F(SnapshotTasksDb, ExportsTakeTheVerdictInThePlaceOfVotesAndRankings) {
  const std::string pairs_id = project(settings(ProjectKind::pairwise, 1));
  add(pairs_id, items(1));
  const Worker ana = worker();
  const auto task = task_of(pairs_id, ana);
  hand_in(about_items(task, ana, 3));
  const std::string ranking_id = project(settings(ProjectKind::ranking, 1));
  add(ranking_id, {item(7, 3)});
  rank(ranking_id, {{0}, {1}, {2}});
  int64_t settled = 0;
  EXPECT_EQ(rows_of(ExportKind::dpo, settled).at(0)["chosen"][0]["content"], "Respuesta 0 a 0") << "the control";
  EXPECT_EQ(rows_of(ExportKind::rankings, settled).at(0)["completions"][0][0]["content"], "Respuesta 0 a 7");
  EXPECT_EQ(settled, 0);
  storage::TaskVerdict verdict, order;
  verdict.outcome = Outcome::graded;
  verdict.grade = -3;
  adjudicate(task.item_id, verdict);
  order.tiers = {{2}, {1}, {0}};
  adjudicate(db.read([&](Transaction& t) {
    return t.exec("SELECT id FROM item WHERE project_id = $1::uuid", storage::Params().text(ranking_id))
        .one()
        .text("id");
  }),
             order);
  const auto pairs = rows_of(ExportKind::dpo, settled);
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(pairs[0]["chosen"][0]["content"], "Respuesta 1 a 0");
  EXPECT_DOUBLE_EQ(pairs[0]["soft_label"].get<double>(), 1 - (0.5 + 0.05) / 2);
  EXPECT_TRUE(pairs[0]["preference_ids"].empty());
  const auto rankings = rows_of(ExportKind::rankings, settled);
  ASSERT_EQ(rankings.size(), 1U);
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(rankings[0]["completions"][0][0]["content"], "Respuesta 2 a 7");
}

// An item of two answers that two people rewrote.
/// Of items with two answers, and with one.
class SnapshotRewritesDb : public SnapshotTasksDb, public testing::WithParamInterface<int> {
 protected:
  size_t beaten() const { return static_cast<size_t>(GetParam()); }
  std::string rewrite(const Worker& who, const std::string& text) {
    const auto task = task_of(project_, who);
    item_ = task.item_id;
    auto said = plain(task, who);
    said.rewrite = text;
    return hand_in(said).id;
  }
  void allow(const Worker& who, const std::vector<std::string>& purposes) {
    db.transaction([&](Transaction& t) {
      storage::ConsentEvent event;
      event.visitor_id = who.visitor_id;
      event.text_id = storage::ensure_consent_text(t, "2026-11", "es", "Consiento que…").id;
      event.purposes = purposes;
      storage::add_consent_event(t, event);
    });
  }
  std::string choose(const std::string& submission_id) {
    storage::NewAdjudication a;
    a.item_id = item_;
    a.workspace_id = storage::kPublicWorkspace;
    a.account_id = boss.account_id;
    a.submission_id = submission_id;
    a.idempotency_key = new_uuid();
    a.body_sha256 = sha256_hex(a.idempotency_key);
    return db.transaction([&](Transaction& t) { return storage::adjudicate(t, a).id; });
  }
  /// What each way out holds: of a snapshot made now, of sft, and of dpo (each rewrite beats each answer).
  void expect(const std::set<std::string>& texts, int64_t left_out, const std::string& why) {
    made(why);
    std::set<std::string> frozen, sft, dpo;
    for (const auto& row : load_snapshot_sft(db, why, "train").rows)
      frozen.insert(std::get<ChatCompletionForm>(row.form).completion[0].content);
    EXPECT_EQ(frozen, texts) << why;
    EXPECT_EQ(load_snapshot_pairs(db, why, "train").rows.size(), beaten() * texts.size()) << why;
    int64_t settled = 0;
    for (const Json& row : rows_of(ExportKind::sft, settled))
      sft.insert(row["completion"][0]["content"]);
    EXPECT_EQ(sft, texts) << why;
    EXPECT_EQ(settled, left_out) << why;
    const auto rows = rows_of(ExportKind::dpo, settled);
    for (const Json& row : rows)
      dpo.insert(row["chosen"][0]["content"]);
    EXPECT_EQ(dpo, texts) << why;
    EXPECT_EQ(rows.size(), beaten() * texts.size()) << why;
    EXPECT_EQ(settled, left_out) << why;
  }

  std::string project_ = project(settings(ProjectKind::rewrite, 3)), item_;
};

TEST_P(SnapshotRewritesDb, OnlyTheRewriteThatAReviewerChoseIsTrainedOnAndExported) {
  add(project_, items(1, GetParam()));
  const Worker ana = worker(), luis = worker();
  const std::string first = rewrite(ana, "una manera"), second = rewrite(luis, "otra manera");
  expect({"una manera", "otra manera"}, 0, "the control: nobody decided");
  choose(first);
  const std::string decided = choose(second);
  expect({"otra manera"}, 1, "decided");
  const auto snapshot = db.read([](Transaction& t) { return storage::get_snapshot(t, "decided"); });
  EXPECT_EQ(snapshot.counts["adjudications"], (Json{{"verdicts", 1}, {"votes_replaced", 0}, {"rewrites_replaced", 1}}));
  for (const auto& row : db.read([&](Transaction& t) { return storage::snapshot_rows(t, snapshot.id); }))
    EXPECT_EQ(row.member.adjudication_ids, std::vector<std::string>{decided});
  rewrite(worker(), "una tercera");
  expect({"otra manera"}, 2, "whoever comes later does not undo it");
}

TEST_P(SnapshotRewritesDb, WithoutTheReviewerOrTheChosenWriterTheRestStands) {
  add(project_, items(1, GetParam()));
  const Worker ana = worker(), luis = worker();
  rewrite(ana, "una manera");
  choose(rewrite(luis, "otra manera"));
  allow(boss, {"review"});
  expect({"una manera", "otra manera"}, 0, "the reviewer allows no training");
  allow(boss, {"train", "review"});
  expect({"otra manera"}, 1, "and does again");
  allow(luis, {"review"});
  expect({"una manera"}, 0, "the chosen writer allows no training");
  allow(luis, {"train", "review"});
  db.transaction([&](Transaction& t) { storage::withdraw_visitor(t, luis.visitor_id); });
  expect({"una manera"}, 0, "the chosen writer withdrew");
  EXPECT_THROW(load_snapshot_sft(db, "and does again", "train"), DataError) << "what stood on them is left out at once";
}

INSTANTIATE_TEST_SUITE_P(Answers, SnapshotRewritesDb, testing::Values(1, 2));

TEST_F(SnapshotTasksDb, OtherPeoplesVotesOnThePairStandBesideTheVerdict) {
  const std::string id = project(settings(ProjectKind::pairwise, 1));
  add(id, items(1));
  const Worker ana = worker(), luis = worker();
  const auto task = task_of(id, ana);
  hand_in(about_items(task, ana, 3));
  const auto pair = db.read([](Transaction& t) { return storage::eligible_pairs(t, {}); }).at(0).pair;
  db.transaction([&](Transaction& t) {
    storage::Exposure exposure;
    exposure.pair_id = pair.id;
    exposure.visitor_id = luis.visitor_id;
    exposure = storage::create_exposure(t, exposure);
    storage::put_preference(t, storage::vote_on(exposure, 1));
  });
  storage::TaskVerdict verdict;
  verdict.outcome = Outcome::graded;
  verdict.grade = -3;
  adjudicate(task.item_id, verdict);
  const auto found = db.read([](Transaction& t) { return storage::eligible_pairs(t, {}); }).at(0);
  ASSERT_EQ(found.votes.size(), 1U);
  EXPECT_EQ(found.votes[0].visitor_id, luis.visitor_id);
  ASSERT_TRUE(found.adjudicated);
  EXPECT_EQ(found.adjudicated->replaced.size(), 1U);
  EXPECT_EQ(found.adjudicated->grade, -3);
}

TEST_F(SnapshotTasksDb, RankingsBecomePairsThatAreTrainedOn) {
  const std::string id = project(settings(ProjectKind::ranking, 2));
  add(id, items(1, 3));
  const Worker ana = rank(id, {{1}, {0}, {2}});
  rank(id, {{1}, {0, 2}});
  const auto snapshot = made("rankings");
  const auto rows = load_snapshot_pairs(db, "rankings", "train").rows;
  ASSERT_EQ(rows.size(), 3U);
  for (const auto& row : rows)
    EXPECT_DOUBLE_EQ(row.weight, 1.0 / 3);
  EXPECT_EQ(std::get<PairChat>(rows[0].form).chosen[0].content, "Respuesta 1 a 0");
  EXPECT_EQ(std::get<PairChat>(rows[0].form).prompt.size(), 1U);
  EXPECT_DOUBLE_EQ(rows[1].tie, 1.0 / 3) << "the second person put these two in one tier";
  EXPECT_EQ(load_snapshot_sft(db, "rankings", "train").rows.size(), 1U);
  EXPECT_EQ(snapshot.counts["rankings"], (Json{{"items", 1}, {"submissions", 2}, {"pairs", 3}}));
  EXPECT_EQ(count("count(DISTINCT submission_id) FROM snapshot_member_submission"), 2);
  const auto traces = db.read([&](Transaction& t) { return storage::descendants_of_visitor(t, ana.visitor_id); });
  EXPECT_EQ(traces.snapshot_ids.size(), 1U) << "whoever ranked can be told what came of it";
}

TEST_F(SnapshotTasksDb, AVerdictOnARankingTakesTheRankingsPlace) {
  const std::string id = project(settings(ProjectKind::ranking, 1));
  add(id, items(1, 3));
  rank(id, {{0}, {1}, {2}});
  const std::string item =
      db.read([](Transaction& t) { return std::string(t.exec("SELECT id FROM item").one().text("id")); });
  storage::TaskVerdict verdict;
  verdict.tiers = {{2}, {0, 1}};
  adjudicate(item, verdict);
  made("settled");
  const auto rows = load_snapshot_pairs(db, "settled", "train").rows;
  ASSERT_EQ(rows.size(), 2U) << "two of one tier are no pair";
  for (const auto& row : rows)
    EXPECT_EQ(std::get<PairChat>(row.form).chosen[0].content, "Respuesta 2 a 0");
}

TEST_F(SnapshotTasksDb, WhoWithdrawsTakesTheirRankingsAlong) {
  const std::string id = project(settings(ProjectKind::ranking, 2));
  add(id, items(1, 3));
  const Worker ana = rank(id, {{1}, {0}, {2}});
  rank(id, {{0}, {1}, {2}});
  made("both");
  sql(cat("UPDATE visitor SET withdrawn_at = clock_timestamp() WHERE id = '", ana.visitor_id, "'"));
  const auto left = made("one");
  EXPECT_EQ(left.counts["rankings"]["submissions"], 1);
  EXPECT_THROW(load_snapshot_pairs(db, "both", "train"), DataError) << "rows that stand on them are left out at once";
}

TEST_F(SnapshotTasksDb, OfSeveralOrganisationsOneIsNamed) {
  for (const ProjectKind kind : {ProjectKind::pairwise, ProjectKind::ranking}) {
    const std::string id = project(settings(kind, 1));
    add(id, items(1, kind == ProjectKind::ranking ? 3 : 2));
    if (kind == ProjectKind::ranking) rank(id, {{0}, {1}, {2}});
    const Worker ana = worker();
    if (kind == ProjectKind::pairwise) hand_in(about_items(task_of(id, ana), ana, 2));
  }
  // Pairs that were judged, and rankings.
  const auto found = [](const storage::Snapshot& snapshot) {
    return std::pair(snapshot.counts.at("pairs").get<int>(),
                     snapshot.counts.at("rankings").at("submissions").get<int>());
  };
  EXPECT_EQ(found(made("ours")), std::pair(1, 1));
  const std::string theirs =
      db.transaction([](Transaction& t) { return storage::ensure_workspace(t, "Radio Comunitaria").id; });
  sql(cat("UPDATE conversation SET workspace_id = '", theirs, "' WHERE id IN (SELECT conversation_id FROM item i JOIN ",
          "project p ON p.id = i.project_id WHERE p.kind = 'ranking')"));
  EXPECT_THROW(made("both"), DataError) << "not by an oversight";
  SnapshotSpec spec;
  spec.filter.workspace_id = theirs;
  EXPECT_EQ(found(create_snapshot(db, spec)), std::pair(0, 1));
  spec.filter.workspace_id = storage::kPublicWorkspace;
  spec.name = "public";
  const auto ours = create_snapshot(db, spec);
  EXPECT_EQ(found(ours), std::pair(1, 0));
  EXPECT_EQ(ours.spec["workspace"], storage::kPublicWorkspace);
  spec.filter.workspace_id.clear();
  spec.mix_workspaces = true;
  spec.name = "said";
  EXPECT_EQ(found(create_snapshot(db, spec)), std::pair(1, 1));
}

TEST_F(SnapshotTasksDb, WhatIsSaidInTrainingNeverEnters) {
  auto rules = settings(ProjectKind::ranking, 1);
  rules.training_items = 1;
  const std::string id = project(rules);
  auto practice = items(1, 3);
  practice[0].training = true;
  practice[0].gold = Json{{"tiers", {{"a"}, {"b"}, {"c"}}}};
  add(id, practice);
  auto work = item(7, 3);
  add(id, {work});
  rank(id, {{0}, {1}, {2}});
  EXPECT_EQ(count("count(*) FROM submission WHERE phase = 'training'"), 1);
  EXPECT_TRUE(db.read([](Transaction& t) { return storage::eligible_pairs(t, {}); }).empty());
  rank(id, {{0}, {1}, {2}});
  const std::string pairs_id = project(settings(ProjectKind::pairwise, 1));
  add(pairs_id, items(1));
  const Worker ana = worker();
  hand_in(about_items(task_of(pairs_id, ana), ana, 2));
  const auto snapshot = made("work");
  EXPECT_EQ(snapshot.counts["pairs"], 1);
  EXPECT_EQ(snapshot.counts["left_out"]["training_and_known_answers"], 2);
  // The control: a vote that says it was practice is left out, wherever it came from.
  sql("ALTER TABLE submission DISABLE TRIGGER USER; UPDATE submission SET phase = 'training' WHERE kind = 'pairwise'; "
      "ALTER TABLE submission ENABLE TRIGGER USER");
  EXPECT_TRUE(db.read([](Transaction& t) { return storage::eligible_pairs(t, {}); }).empty());
}

}  // namespace
}  // namespace afina::datasets
